"""What judging anew needs (`tracking.amend_store.AmendStore`), on ClickHouse."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter

from flowtrack.adapters.clickhouse import amend_statements as sql
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.domain.consent import ConsentData, UsagePolicy
from flowtrack.domain.history import Entry, entry_of, with_entry
from flowtrack.domain.instants import from_us
from flowtrack.domain.names import RecordKind, RecordState
from flowtrack.tracking.amend_rows import FlowRow
from flowtrack.tracking.amend_store import Change, Job, Scope, Seen, Span
from flowtrack.tracking.rows import COLUMNS, FLOWS, Block

SUBJECTS_MAX = 2_000
"""Subjects that one query names: their list stays under 100 kB."""
_LATEST_US = 7_258_118_400_000_000  # 2200-01-01: later than any event, and a column can hold it

_scope = TypeAdapter(UsagePolicy)


class LedgerAmendments:
    """Reads what stands, and writes what stands instead.

    Args:
        store: open, with its migrations applied; used by the sink's thread only.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    # -- what stands -------------------------------------------------------------------------------------------

    def flows_of(self, scope: Scope, subjects: Collection[str]) -> list[FlowRow]:
        """Give every row of some subjects in a scope."""
        found: list[FlowRow] = []
        for part in _parts(subjects):
            found += self._flows(sql.FLOWS_OF, subjects=part, **scope._asdict())
        return found

    def flows_in(self, scope: Scope, span: Span, situations: Sequence[int] | None) -> list[FlowRow]:
        """Give every row of a span of subjects."""
        if situations is None:
            return self._flows(sql.FLOWS_IN, **scope._asdict(), **span._asdict())
        return self._flows(sql.FLOWS_IN_SITUATIONS, **scope._asdict(), **span._asdict(), situations=list(situations))

    def brought_in(self, scope: Scope, span: Span) -> list[FlowRow]:
        """Give every row of the events for which the marker brought something new."""
        return self._flows(sql.BROUGHT_IN, **scope._asdict(), **span._asdict())

    def judgements(self, keys: Collection[tuple[str, int]]) -> dict[tuple[str, int], FlowRow]:
        """Give what packs say of situations."""
        wanted = set(keys)
        if not wanted:
            return {}
        packs, situations = (sorted(set(each)) for each in zip(*wanted, strict=True))
        found = self._store.rows(sql.JUDGEMENTS_OF, packs=packs, situations=situations)
        said = {(pack, number): dict(zip(sql.SAID, rest, strict=True)) for pack, number, *rest in found}
        return {key: row for key, row in said.items() if key in wanted}

    def span_end(self, scope: Scope, after: str, rows: int) -> str:
        """Give the last subject of so many rows."""
        ((count, last),) = self._store.rows(sql.SPAN_END, **scope._asdict(), after=after, rows=rows)
        return str(last) if count else ""

    def histories(self, scope: Scope, subjects: Collection[str]) -> dict[str, tuple[Entry, ...]]:
        """Give subjects' consents as they were applied before the marker."""
        found: dict[str, tuple[Entry, ...]] = defaultdict(tuple)
        where = {"epoch": scope.epoch, "partition": scope.partition, "offset": scope.offset}
        for part in _parts(subjects):
            for subject, *fields in self._store.rows(sql.HISTORIES, subjects=part, **where):
                found[subject] = with_entry(found[subject], _entry(*fields))
        return found

    # -- what stands instead -----------------------------------------------------------------------------------

    def seen(self, scope: Scope, instants_us: Sequence[int]) -> list[Seen]:
        """Give the situations of a scope."""
        return [Seen(*row) for row in self._store.rows(sql.SEEN, **scope._asdict(), instants=list(instants_us))]

    def rewrite(
        self,
        scope: Scope,
        span: Span,
        changes: Sequence[Change],
        recorded_at_ms: int,
        token: str,
        deadline_ms: int = 0,
    ) -> None:
        """Retract and assert anew what the changes name, without a row coming here."""
        self._put_changes(scope, changes)
        where = {**scope._asdict(), **span._asdict()}
        self._store.insert_selected(sql.REWRITE, token, deadline_ms, **where, recorded_ms=recorded_at_ms)

    def insert(self, block: Block, token: str, deadline_ms: int = 0) -> None:
        """Insert a block, wholly or not at all; again under the same token adds nothing."""
        self._store.insert(block.table, block.columns, token, deadline_ms)

    def _put_changes(self, scope: Scope, changes: Sequence[Change]) -> None:
        """Write the changes down, for the engine to join with; once for a job, since its token is the job's."""
        own = (scope.epoch, scope.partition, scope.offset)
        columns: dict[str, list[Any]] = {
            name: [value] * len(changes)
            for name, value in zip(("epoch", "decision_partition", "decision_offset"), own, strict=True)
        }
        for name in ("pack", "registry", "situation", "verdict_before", "new_pack", "new_registry", "verdict"):
            columns[name] = [getattr(each, name) for each in changes]
        columns["since"] = [max(each.since_us, 0) for each in changes]
        columns["until"] = [min(each.until_us, _LATEST_US) for each in changes]
        columns["keeps_consent"] = [int(each.keeps_consent) for each in changes]
        held = self._store.rows(sql.CHANGES_HELD, epoch=scope.epoch, partition=scope.partition, offset=scope.offset)
        if held[0][0] < len(changes):
            self._store.insert("rejudged", columns, "")

    # -- jobs and documents ------------------------------------------------------------------------------------

    def jobs(self, epoch: str) -> list[Job]:
        """Give every job in its latest state."""
        return [
            Job(its, partition, offset, recorded_ms, marker.encode(), cursor, bool(done), steps)
            for its, partition, offset, recorded_ms, marker, cursor, done, steps in self._store.rows(
                sql.JOBS, epoch=epoch
            )
        ]

    def note_job(self, job: Job) -> None:
        """Write down how far a job has come."""
        columns: dict[str, list[Any]] = {
            "epoch": [job.epoch],
            "decision_partition": [job.partition],
            "decision_offset": [job.offset],
            "recorded_at": [job.recorded_at_ms],
            "marker": [job.marker.decode()],
            "cursor": [job.cursor],
            "done": [int(job.done)],
            "steps": [job.steps],
        }
        self._store.insert("rejudging", columns, "")

    def bodies(self, kind: str, key: str) -> Iterable[bytes]:
        """Give every version of a document that was ever recorded under a key (`amend_rules.RuleShelf`)."""
        return [body.encode() for (body,) in self._store.rows(sql.BODIES, kind=kind, name=key)]

    def _flows(self, statement: str, **parameters: object) -> list[FlowRow]:
        return [dict(zip(COLUMNS[FLOWS], row, strict=True)) for row in self._store.rows(statement, **parameters)]


def _parts(subjects: Collection[str]) -> Iterable[list[str]]:
    ordered = sorted(subjects)
    return (ordered[start : start + SUBJECTS_MAX] for start in range(0, len(ordered), SUBJECTS_MAX))


def _entry(
    event_id: str, record: str, kind: str, state: str, scope: str, valid_us: int, expires_us: int | None, country: str
) -> Entry:
    data = ConsentData.model_construct(
        record=record,
        kind=RecordKind(kind),
        state=RecordState(state),
        scope=_policy(scope),
        expires=None if expires_us is None else from_us(expires_us),
        country=country or None,
    )
    return entry_of(event_id, valid_us, data)


@lru_cache(maxsize=10_000)
def _policy(text: str) -> UsagePolicy | None:
    return _scope.validate_json(text) if text else None
