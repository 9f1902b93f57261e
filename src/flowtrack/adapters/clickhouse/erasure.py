"""Erasure: a subject's rows out of sight at once, with a proof of what went.

In this order, so that one who is killed in between leaves nothing that the next clean-up does not find and finish:
the request is written down; where the rows stand and what they add up to is kept; references in alerts go, while the
flows that they refer to can still be found; then the rows; then the state is noted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from flowtrack.adapters.clickhouse.hiding import change, hide, keep_counts, keep_offsets
from flowtrack.adapters.clickhouse.holds import Condition, Holds, condition_of, held
from flowtrack.adapters.clickhouse.journal import write_down
from flowtrack.adapters.clickhouse.proofs import Proofs
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.audit.erasure import Erase, Erasure, ErasureAnswer, digest_of
from flowtrack.audit.holds import Hold
from flowtrack.domain.instants import instant_us

TABLES = ("flows", "consents", "alerts", "audit_log", "legal_holds")
"""Every table in which a subject can be found; a test holds them against the schema."""

_SUBJECT = "lower(replaceAll(toString(subject), '-', ''))"
DIGEST = f"lower(hex(SHA256(concat({{salt:String}}, {_SUBJECT}))))"
"""`audit.erasure.digest_of` in SQL."""
_FLOWS = f"""
SELECT {_SUBJECT} AS whose, count() AS rows,
       lower(hex(SHA256(arrayStringConcat(arraySort(groupArray(hex(SHA256(formatRow('RowBinary', *))))))))) AS sha256
FROM flows WHERE {{where}} GROUP BY subject"""  # noqa: S608 - texts of ours, values are parameters
_ROWS = f"SELECT {_SUBJECT} AS whose, count() AS rows FROM {{table}} WHERE {{where}} GROUP BY subject"  # noqa: S608 - texts of ours, values are parameters
_EXAMPLES = f"""
SELECT whose, uniqExact(identity, count, state, last_at) AS rows, groupUniqArray(example) AS examples FROM
(SELECT identity, count, state, last_at, arrayJoin(examples) AS example FROM alerts) AS alert
INNER JOIN (SELECT DISTINCT event_id, {_SUBJECT} AS whose FROM flows WHERE {{where}}) AS flow
ON alert.example = flow.event_id GROUP BY whose"""  # noqa: S608 - texts of ours, values are parameters


class Erasing:
    """Hides subjects, and finds those that must be hidden again.

    Args:
        store: open, with its migrations applied.
        holds: what must be kept.
        proofs: the journal.
        clock: gives the instant at which something is asked.
        new_id: gives an id unlike any other; the first one is the ledger's salt, too.
    """

    def __init__(
        self, store: Store, holds: Holds, proofs: Proofs, *, clock: Callable[[], datetime], new_id: Callable[[], str]
    ) -> None:
        self._store = store
        self._holds = holds
        self._proofs = proofs
        self._clock = clock
        self._new_id = new_id

    def erase(self, request: Erase, *, asker: str, by: datetime | None = None) -> ErasureAnswer:
        """Hide subjects: when this returns, no question finds what is not held.

        Args:
            request: whom, and why.
            asker: who asks.
            by: only what had come about by this instant; None for everything there is.

        Raises:
            StoreError: it was not done, or not all of it; asked again, or by the next clean-up, it is finished.
        """
        now = self._clock()
        at = now if by is None else by
        salt = self._proofs.salt() or self._new_id()
        subjects = dict.fromkeys(request.subjects)
        asked = {
            subject: Erasure(
                id=self._new_id(),
                digest=digest_of(salt, subject),
                salt=salt,
                state="asked",
                asked_at=at,
                due_at=self._proofs.due(at),
                asker=asker,
                reason=request.reason,
            )
            for subject in subjects
        }
        said = {"reason": request.reason, "erasures": [each.id for each in asked.values()]}
        write_down(self._store, now, asker, "erase", said)
        self._proofs.note(list(asked.values()), "asked", now)
        return ErasureAnswer(erasures=self.take_out(asked, by=by))

    def take_out(self, erasures: Mapping[str, Erasure], *, by: datetime | None) -> list[Erasure]:
        """Hide what there is of subjects, and note it in their erasures.

        Args:
            erasures: by subject.
            by: only what had come about by this instant; None for everything.
        """
        holds, subjects = self._holds.in_force(), sorted(erasures)
        whose = Condition("subject IN {subjects:Array(UUID)}", {"subjects": subjects})
        keepers = self._keepers(subjects, holds, whose)
        kept = held(holds.values())
        free = [subject for subject in subjects if not keepers[subject]]
        whole = Condition("subject IN {free:Array(UUID)}", {"free": free})
        flows = _both(_until(whose, "happened_at", by), Condition(f"NOT {kept.text}", kept.parameters))
        released = _both(whole, Condition("NOT has({holds:Array(String)}, id)", {"holds": list(holds)}))
        consents, questions = _until(whole, "received_at", by), _until(whole, "asked_at", by)

        found = {row["whose"]: row for row in self._named(_FLOWS, flows)}
        rows = {
            "flows": {subject: row["rows"] for subject, row in found.items()},
            "consents": self._count("consents", consents),
            "alerts": {},
            "audit_log": self._count("audit_log", questions),
            "legal_holds": self._count("legal_holds", released),
        }
        if found:
            rows["alerts"] = self._without_examples(flows)
            keep_offsets(self._store, "flows", flows)
            keep_counts(self._store, "erasure", flows, _token(erasures, found))
            hide(self._store, "flows", flows)
        if rows["consents"]:
            keep_offsets(self._store, "consents", consents)
            hide(self._store, "consents", consents)
        if rows["audit_log"]:
            change(self._store, "audit_log", "subject = NULL", questions)
        if rows["legal_holds"]:
            change(self._store, "legal_holds", "subject = NULL", released)
        went = {subject: {table: counts.get(subject, 0) for table, counts in rows.items()} for subject in subjects}
        hidden = [
            _grown(erasures[subject], went[subject], found.get(subject, {}).get("sha256", ""), keepers[subject])
            for subject in subjects
            if erasures[subject].state == "asked" or any(went[subject].values())
        ]
        return self._proofs.note(hidden, "hidden", self._clock())

    def _keepers(self, subjects: Sequence[str], holds: Mapping[str, Hold], whose: Condition) -> dict[str, list[str]]:
        """By subject, the holds that keep some of its rows back; one on the whole subject does so without rows."""
        keepers: dict[str, list[str]] = {subject: [] for subject in subjects}
        for number, (name, hold) in enumerate(holds.items()):
            rows = self._count("flows", _both(whose, condition_of(hold, number)))
            only_subject = not any((hold.category, hold.service, hold.since, hold.until))
            for subject in subjects:
                if rows.get(subject) or (only_subject and hold.covers_subject(subject)):
                    keepers[subject].append(name)
        return keepers

    def _without_examples(self, flows: Condition) -> dict[str, int]:
        """Take events out of the examples of alerts, and give how many alerts had one, by subject."""
        found = self._named(_EXAMPLES, flows)
        if not found:
            return {}
        gone = [example for row in found for example in row["examples"]]
        naming = Condition("hasAny(examples, {gone:Array(String)})", {"gone": gone})
        without = "examples = arrayFilter(each -> NOT has({gone:Array(String)}, each), examples)"
        change(self._store, "alerts", without, naming)
        return {row["whose"]: row["rows"] for row in found}

    def _count(self, table: str, rows: Condition) -> dict[str, int]:
        return {row["whose"]: row["rows"] for row in self._named(_ROWS.replace("{table}", table), rows)}

    def _named(self, statement: str, rows: Condition) -> list[dict[str, Any]]:
        return self._store.named(statement.replace("{where}", rows.text), **rows.parameters)


def _both(one: Condition, other: Condition) -> Condition:
    return Condition(f"{one.text} AND {other.text}", {**one.parameters, **other.parameters})


def _until(rows: Condition, column: str, by: datetime | None) -> Condition:
    if by is None:
        return rows
    return _both(rows, Condition(f"{column} <= fromUnixTimestamp64Micro({{by:Int64}}, 'UTC')", {"by": instant_us(by)}))


def _token(erasures: Mapping[str, Erasure], found: Mapping[str, Mapping[str, object]]) -> str:
    """Names a sum by what went into it: asked again after a kill, the same rows are added up once."""
    parts = [f"{erasures[subject].id}:{found[subject]['sha256']}" for subject in sorted(found)]
    return f"erasure:{hashlib.sha256(','.join(parts).encode()).hexdigest()}"


def _grown(erasure: Erasure, rows: Mapping[str, int], sha256: str, keepers: list[str]) -> Erasure:
    """The erasure with what went now, beside what went before."""
    total = {table: erasure.rows.get(table, 0) + count for table, count in rows.items()}
    hashes = [*erasure.rows_sha256, *([sha256] if sha256 else [])]
    return erasure.model_copy(update={"rows": total, "rows_sha256": hashes, "held": keepers})
