"""What judging anew needs of a ledger (`tracking.amend_store.AmendStore`), in memory."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from flowtrack.domain.consent import ConsentData, UsagePolicy
from flowtrack.domain.history import Entry, entry_of, with_entry
from flowtrack.domain.instants import from_us
from flowtrack.domain.names import RecordKind, RecordState
from flowtrack.testing.ledger_tables import MemoryTables, Row
from flowtrack.tracking import rows as tables
from flowtrack.tracking.amend_rows import FlowRow, block_of_rows, standing
from flowtrack.tracking.amend_store import Change, Job, Scope, Seen, Span

_TELLING = ("verdict", "situation", "consent")


class MemoryAmendments(MemoryTables):
    """The part of a ledger in memory that judging anew works on."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        super().__init__(clock)
        self._jobs: dict[tuple[str, int, int], Job] = {}

    def flows_of(self, scope: Scope, subjects: Collection[str]) -> list[FlowRow]:
        """Give every row of some subjects in a scope."""
        return [row for row in self._in(scope) if row["subject"] in subjects]

    def flows_in(self, scope: Scope, span: Span, situations: Sequence[int] | None) -> list[FlowRow]:
        """Give every row of a span of subjects."""
        found = [row for row in self._in(scope) if span.after < row["subject"] <= span.upto]
        return found if situations is None else [row for row in found if row["situation"] in situations]

    def brought_in(self, scope: Scope, span: Span) -> list[FlowRow]:
        """Give every row of the events for which the marker brought something new."""
        rows = self.flows_in(scope, span, None)
        pairs: dict[tuple[Any, ...], list[FlowRow]] = defaultdict(list)
        for row in rows:
            if row["decision_offset"] == scope.offset:
                pairs[row["source_partition"], row["source_offset"], row["category"]].append(row)
        new = {place[:2] for place, pair in pairs.items() if len({_told(each) for each in pair}) > 1}
        return [row for row in rows if (row["source_partition"], row["source_offset"]) in new]

    def judgements(self, keys: Collection[tuple[str, int]]) -> dict[tuple[str, int], FlowRow]:
        """Give what packs say of situations."""
        found = {(row["pack"], row["situation"]): row for row in self.tables[tables.JUDGEMENTS]}
        return {key: found[key] for key in keys if key in found}

    def span_end(self, scope: Scope, after: str, rows: int) -> str:
        """Give the last subject of so many rows."""
        following = sorted(row["subject"] for row in self._in(scope) if row["subject"] > after)
        return str(following[:rows][-1]) if following else ""

    def histories(self, scope: Scope, subjects: Collection[str]) -> dict[str, tuple[Entry, ...]]:
        """Give subjects' consents as they were applied before the marker."""
        found: dict[str, tuple[Entry, ...]] = defaultdict(tuple)
        for row in sorted(self.tables[tables.CONSENTS], key=lambda each: int(each["decision_offset"])):
            place = (row["epoch"], row["decision_partition"])
            before = place == (scope.epoch, scope.partition) and row["decision_offset"] < scope.offset
            if before and row["subject"] in subjects:
                found[row["subject"]] = with_entry(found[row["subject"]], _entry(row))
        return found

    def seen(self, scope: Scope, instants_us: Sequence[int]) -> list[Seen]:
        """Give the situations of a scope."""
        judgements = {
            (row["pack"], row["situation"]): row
            for row in sorted(self.tables[tables.JUDGEMENTS], key=lambda each: bool(each["attributes"]))
        }
        found = set()
        for row in self._in(scope):
            if row["sign"] > 0 and row["decision_offset"] < scope.offset:
                era = bisect_right(instants_us, row["happened_at"])
                found.add((row["pack"], row["registry"], row["situation"], era, row["verdict"]))
        answer = []
        for pack, registry, situation, era, verdict in sorted(found):
            judged = judgements.get((pack, situation), {"verdict": "", "reasons": [], "attributes": ""})
            attributes = judged["attributes"] if judged["verdict"] == verdict else ""
            answer.append(Seen(pack, registry, situation, era, verdict, judged["reasons"], attributes))
        return answer

    def rewrite(
        self,
        scope: Scope,
        span: Span,
        changes: Sequence[Change],
        recorded_at_ms: int,
        token: str,
        deadline_ms: int = 0,
    ) -> None:
        """Retract and assert anew what the changes name."""
        rows: list[Row] = []
        for row in standing(self.flows_in(scope, span, None), scope.offset, scope.since_us):
            said = (row["pack"], row["registry"], row["situation"], row["verdict"])
            for change in changes:
                if said == change[:4] and change.since_us <= row["happened_at"] < change.until_us:
                    rows += _instead(row, change, scope, recorded_at_ms)
        if rows:
            self.insert(block_of_rows(tables.FLOWS, rows), token, deadline_ms)

    def jobs(self, epoch: str) -> list[Job]:
        """Give every job in its latest state."""
        return [job for key, job in self._jobs.items() if key[0] == epoch]

    def note_job(self, job: Job) -> None:
        """Write down how far a job has come."""
        self._jobs[job.epoch, job.partition, job.offset] = job

    def bodies(self, kind: str, key: str) -> Iterable[bytes]:
        """Give every version of a document that was ever recorded under a key."""
        named = [row for row in self.tables[tables.DOCUMENTS] if (row["kind"], row["name"]) == (kind, key)]
        return [row["body"].encode() for row in reversed(named) if not row["removed"]]

    def _in(self, scope: Scope) -> list[FlowRow]:
        return [
            row
            for row in self.tables[tables.FLOWS]
            if (row["epoch"], row["decision_partition"]) == (scope.epoch, scope.partition)
            and row["happened_at"] >= scope.since_us
            and row["decision_offset"] <= scope.offset
            and row["sign"]
        ]


def _instead(row: Row, change: Change, scope: Scope, recorded_at_ms: int) -> tuple[Row, Row]:
    known = {"recorded_at": max(recorded_at_ms, row["recorded_at"]), "decision_offset": scope.offset}
    said = {"verdict": change.verdict, "pack": change.new_pack, "registry": change.new_registry}
    consent = row["consent"] if change.keeps_consent else ""
    assertion = {**row, **known, **said, "consent": consent, "revision": row["revision"] + 1, "sign": 1}
    return {**row, **known, "sign": -1}, assertion


def _told(row: Row) -> tuple[Any, ...]:
    return tuple(row[name] for name in _TELLING)


def _entry(row: Row) -> Entry:
    data = ConsentData.model_construct(
        record=row["record"],
        kind=RecordKind(row["kind"]),
        state=RecordState(row["state"]),
        scope=UsagePolicy.model_validate_json(row["scope"]) if row["scope"] else None,
        expires=None if row["expires"] is None else from_us(row["expires"]),
        country=row["country"] or None,
    )
    return entry_of(row["event_id"], row["valid_from"], data)
