"""Uses by staff from the database: events that name a person are told by their facts, of which each stands once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from flowtrack.adapters.clickhouse.judged import UNJUDGED, judgements_of
from flowtrack.adapters.clickhouse.recorded import KNOWN_WITHIN, Day, days_of, known_within
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.adapters.clickhouse.sums import filters_of
from flowtrack.adapters.clickhouse.times import times_of
from flowtrack.audit.access import Access, AccessAnswer, StaffCount, StaffUse, actor_of
from flowtrack.audit.cursors import FLOW, Key, cursor_of, key_of
from flowtrack.audit.family import About
from flowtrack.domain.instants import from_us

ACTOR: Final = "JSONExtractString(flows.particulars, 'actor_id')"
ACTOR_ROLE: Final = "JSONExtractString(flows.facts, 'actor_role')"
_NAMES: Final = {"service": "service", "category": "category"}
_PEOPLE: Final = {"actor": ACTOR, "role": ACTOR_ROLE}
_USES: Final = "kind = 'use'"
_SAYS_STAFF: Final = """multiSearchAny(flows.facts, ['"actor_type":"staff"', '"actor_type":"contractor"'])"""
BY_STAFF: Final = f"{_USES} AND {_SAYS_STAFF}"
_WHOSE: Final = "subject = {subject:UUID}"
_ROWS: Final = """
SELECT toUnixTimestamp64Micro(happened_at) AS happened_us, epoch, source_partition, source_offset, category, revision,
       toUnixTimestamp64Milli(min(recorded_at)) AS recorded_ms,
       lower(replaceAll(toString(any(subject)), '-', '')) AS who, any(event_id) AS event, any(service) AS by,
       any(purpose) AS its_purpose, any(verdict) AS its_verdict, any(pack) AS its_pack, any(situation) AS its_situation,
       any(flows.facts) AS said, any(flows.particulars) AS said_alone
FROM flows WHERE {where} AND {within} AND {behind}
GROUP BY happened_at, epoch, source_partition, source_offset, category, revision
HAVING sum(sign) > 0
ORDER BY happened_us DESC, epoch DESC, source_partition DESC, source_offset DESC, category DESC, revision DESC
LIMIT {rows:UInt32}"""
_BEHIND: Final = """
(toUnixTimestamp64Micro(happened_at), epoch, source_partition, source_offset, category, revision) <
({k0:Int64}, {k1:String}, {k2:UInt16}, {k3:UInt64}, {k4:String}, {k5:UInt16})"""
_ON_DAYS: Final = "toDate(happened_at) >= {first:Date} AND toDate(happened_at) <= {last:Date}"
_FLOWS_FIRST: Final = 100_000
_WIDER: Final = 8
_ORDERED_BY: Final = ("happened_us", "epoch", "source_partition", "source_offset", "category", "revision")
# What stands of anything is never less than nothing: so sums add up whatever was taken back, and a subject counts where
# anything of it stands. The text that tells people apart is read once.
_STAFF: Final = """
SELECT actor, role, sum(stands) AS its_flows, sum(deny) AS its_denied, count() AS subjects,
       sum(no_task) AS without_task, sum(no_session) AS without_session
FROM
(
    WITH JSONExtract(flows.particulars, 'Tuple(actor_id String, actor_task String, actor_session String)') AS alone
    SELECT subject, alone.1 AS actor, JSONExtractString(flows.facts, 'actor_role') AS role, sum(sign) AS stands,
           sumIf(sign, verdict = 'deny') AS deny, sumIf(sign, alone.2 = '') AS no_task,
           sumIf(sign, alone.3 = '') AS no_session
    FROM flows WHERE {where} GROUP BY subject, role, actor HAVING stands > 0
)
GROUP BY actor, role ORDER BY its_flows DESC, actor, role SETTINGS max_threads = 2, max_block_size = 65409"""


def access(store: Store, question: Access, about: About) -> AccessAnswer:
    """Give a page of uses by staff.

    Raises:
        QuestionError: the cursor is not right.
        StoreError: the database cannot answer.
    """
    key = key_of(question, FLOW)
    uses, people = filters_of(question, _NAMES, _USES), filters_of(question, _PEOPLE, _SAYS_STAFF)
    times = times_of(question)
    asked: dict[str, Any] = {**times.parameters, **uses.parameters, **people.parameters}
    where, days = f"{uses.where} AND {people.where} AND {times.exact}", None
    if question.subject is None:
        days = days_of(store, times, uses)
        where, asked = where + KNOWN_WITHIN, {**asked, **known_within(days)}
    else:
        where, asked = f"{_WHOSE} AND {where}", {**asked, "subject": question.subject}
    found = _newest(store, question, key, where, asked, days)
    given = found[: question.limit]
    if len(found) > len(given):
        about = about.cut(None, cursor_of(question, [given[-1][name] for name in _ORDERED_BY]))
    judged = judgements_of(store, ((row["its_pack"], row["its_situation"]) for row in given))
    rows = [_use(row, judged.get((row["its_pack"], row["its_situation"]), UNJUDGED)) for row in given]
    return AccessAnswer(
        about=about.judged_by([row.pack for row in rows], []),
        rows=rows,
        staff=[_count(row) for row in store.named(_STAFF.replace("{where}", where), **asked)],
    )


def _newest(
    store: Store, question: Access, key: Key | None, where: str, asked: dict[str, Any], days: Sequence[Day] | None
) -> list[dict[str, Any]]:
    """The rows of a page and one more, if there are: looked for in ever more of the days, the newest first.

    How many uses there are on a day is known, but not how many of them are by staff.

    Args:
        store: open.
        question: with its times pinned.
        key: behind which the page begins.
        where: the whole condition.
        asked: its parameters.
        days: those that have uses, the newest first; None reads all of them at once.
    """
    statement, rows = _ROWS.replace("{where}", where), question.limit + 1
    behind = {} if key is None else {f"k{place}": part for place, part in enumerate(key)}
    statement = statement.replace("{behind}", _BEHIND if behind else "1")
    if days is None:
        return store.named(statement.replace("{within}", "1"), **asked, **behind, rows=rows)
    found: list[dict[str, Any]] = []
    for window in _windows([day for day in days if key is None or day.begins_us <= max(int(key[0]), 0)]):
        within = {**known_within(window), "first": _date(window[-1]), "last": _date(window[0])}
        statement_ = statement.replace("{within}", _ON_DAYS)
        found += store.named(statement_, **{**asked, **within}, **behind, rows=rows - len(found))
        if len(found) == rows:
            break
    return found


def _windows(days: Sequence[Day]) -> Iterator[Sequence[Day]]:
    """Days that follow each other, ever more of them: each time as many flows as before, several times over."""
    first, flows, most = 0, 0, _FLOWS_FIRST
    for place, day in enumerate(days):
        flows += day.flows
        if flows >= most:
            yield days[first : place + 1]
            first, flows, most = place + 1, 0, most * _WIDER
    if first < len(days):
        yield days[first:]


def _date(day: Day) -> str:
    return from_us(day.begins_us).date().isoformat()


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
