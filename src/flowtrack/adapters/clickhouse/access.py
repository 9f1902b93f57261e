"""Uses by staff from the database: events that name a person are told by their facts, of which each stands once."""

from __future__ import annotations

from typing import Any, Final

from flowtrack.adapters.clickhouse.judged import UNJUDGED, judgements_of
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.adapters.clickhouse.sums import filters_of
from flowtrack.adapters.clickhouse.times import Times, times_of
from flowtrack.audit.access import Access, AccessAnswer, StaffCount, StaffUse, actor_of
from flowtrack.audit.cursors import FLOW, cursor_of, key_of
from flowtrack.audit.family import About
from flowtrack.domain.instants import from_us

ACTOR: Final = "JSONExtractString(flows.particulars, 'actor_id')"
ACTOR_ROLE: Final = "JSONExtractString(flows.facts, 'actor_role')"
_COLUMNS: Final = {
    "actor": ACTOR,
    "role": ACTOR_ROLE,
    "service": "service",
    "category": "category",
}
BY_STAFF: Final = (
    'kind = \'use\' AND multiSearchAny(flows.facts, [\'"actor_type":"staff"\', \'"actor_type":"contractor"\'])'
)
_WHOSE: Final = " AND subject = {subject:UUID}"
_ROWS: Final = """
SELECT toUnixTimestamp64Micro(happened_at) AS happened_us, epoch, source_partition, source_offset, category, revision,
       toUnixTimestamp64Milli(min(recorded_at)) AS recorded_ms,
       lower(replaceAll(toString(any(subject)), '-', '')) AS who, any(event_id) AS event, any(service) AS by,
       any(purpose) AS its_purpose, any(verdict) AS its_verdict, any(pack) AS its_pack, any(situation) AS its_situation,
       any(flows.facts) AS said, any(flows.particulars) AS said_alone
FROM flows WHERE {where} AND {when} AND {behind}
GROUP BY happened_at, epoch, source_partition, source_offset, category, revision
HAVING sum(sign) > 0
ORDER BY happened_us DESC, epoch DESC, source_partition DESC, source_offset DESC, category DESC, revision DESC
LIMIT {rows:UInt32}"""
_BEHIND: Final = """
(toUnixTimestamp64Micro(happened_at), epoch, source_partition, source_offset, category, revision) <
({k0:Int64}, {k1:String}, {k2:UInt16}, {k3:UInt64}, {k4:String}, {k5:UInt16})"""
_ORDERED_BY: Final = ("happened_us", "epoch", "source_partition", "source_offset", "category", "revision")
_STAFF: Final = """
SELECT actor, role, sum(stands) AS its_flows, sumIf(stands, its_verdict = 'deny') AS its_denied,
       uniqExact(subject) AS subjects, sumIf(stands, task = '') AS without_task,
       sumIf(stands, session = '') AS without_session
FROM
(
    SELECT subject, JSONExtractString(flows.particulars, 'actor_id') AS actor,
           JSONExtractString(flows.facts, 'actor_role') AS role,
           JSONExtractString(flows.particulars, 'actor_task') AS task,
           JSONExtractString(flows.particulars, 'actor_session') AS session,
           verdict AS its_verdict, sum(sign) AS stands
    FROM flows WHERE {where} AND {when}
    GROUP BY subject, actor, role, task, session, its_verdict HAVING stands > 0
)
GROUP BY actor, role ORDER BY its_flows DESC, actor, role"""


def access(store: Store, question: Access, about: About) -> AccessAnswer:
    """Give a page of uses by staff.

    Raises:
        QuestionError: the cursor is not right.
        StoreError: the database cannot answer.
    """
    times, key = times_of(question), key_of(question, FLOW)
    where, filters = filters_of(question, _COLUMNS, BY_STAFF)
    if question.subject is not None:
        where, filters = where + _WHOSE, {**filters, "subject": question.subject}
    asked = {**times.parameters, **filters}
    behind = {} if key is None else {f"k{place}": part for place, part in enumerate(key)}
    statement = _filled(_ROWS, where, times).replace("{behind}", _BEHIND if behind else "1")
    found = store.named(statement, **asked, **behind, rows=question.limit + 1)
    given = found[: question.limit]
    if len(found) > len(given):
        about = about.cut(None, cursor_of(question, [given[-1][name] for name in _ORDERED_BY]))
    judged = judgements_of(store, ((row["its_pack"], row["its_situation"]) for row in given))
    rows = [_use(row, judged.get((row["its_pack"], row["its_situation"]), UNJUDGED)) for row in given]
    return AccessAnswer(
        about=about.judged_by([row.pack for row in rows], []),
        rows=rows,
        staff=[_count(row) for row in store.named(_filled(_STAFF, where, times), **asked)],
    )


def _filled(statement: str, where: str, times: Times) -> str:
    return statement.replace("{where}", where).replace("{when}", times.exact)


def _count(row: dict[str, Any]) -> StaffCount:
    said = {name: row[name] for name in ("actor", "role", "subjects", "without_task", "without_session")}
    return StaffCount(**said, flows=row["its_flows"], denied=row["its_denied"])


def _use(row: dict[str, Any], judgement: dict[str, Any]) -> StaffUse:
    return StaffUse(
        happened_at=from_us(row["happened_us"]),
        recorded_at=from_us(row["recorded_ms"] * 1000),
        **actor_of(row["said"], row["said_alone"]),
        subject=row["who"],
        event_id=row["event"],
        service=row["by"],
        category=row["category"],
        purpose=row["its_purpose"],
        verdict=row["its_verdict"],
        clauses=judgement["clauses"],
        reasons=judgement["reasons"],
        pack=row["its_pack"],
        revision=row["revision"],
    )
