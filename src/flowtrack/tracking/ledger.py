"""The sink: what the checker wrote becomes the ledger, each row once.

The ledger itself is the truth about what it holds.  On taking over a partition, and after anything went wrong, the
writer asks the store which source offsets it has, and writes only what is missing.  So a batch may come again, wholly
or in part, in other cuts or after a kill, and the ledger is the same.

That rests on two things.  A block is one part of one table: there wholly or not at all.  And the blocks of a batch are
inserted in the order of their records, so that what a kill leaves is a beginning of the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Protocol, TypeVar

import structlog

from flowtrack.domain.decision import CategoryDecision, Decision, Marker, SituationDefinition
from flowtrack.errors import ContractError, StoreError
from flowtrack.tracking import rows
from flowtrack.tracking.amend import Amender
from flowtrack.tracking.offsets import Offsets
from flowtrack.tracking.records import Output, Record, Topic
from flowtrack.tracking.rows import Block, Row, block_of
from flowtrack.wire.decisions import Tracked, decode_alert, decode_dead_letter, decode_tracked

BLOCK_ROWS_MAX = 100_000
"""The most rows a block may have: bounds the writer's memory; more than a usual batch."""
SINK_TOPICS = (Topic.DECISIONS, Topic.DEADLETTERS, Topic.ALERTS, Topic.POLICIES, Topic.REGISTRY)
"""What the sink reads."""

T = TypeVar("T")
Place = tuple[str, int]
"""Epoch and source partition."""
Held = dict[Place, Offsets]
Situation = tuple[str, int]
"""Pack and number."""

_log = structlog.get_logger(__name__)
_DOCUMENT_KINDS: Mapping[str, str] = {Topic.POLICIES: "policy", Topic.REGISTRY: "registry"}


class LedgerStore(Protocol):
    """What the sink needs of a store."""

    def held(self, table: str) -> Held:
        """Give the source offsets that `flows` or `consents` holds, by epoch and source partition."""
        ...

    def situations(self) -> dict[Situation, bool]:
        """Give the situations that have a judgement, and whether with their definition."""
        ...

    def insert(self, block: Block, token: str) -> None:
        """Insert a block, wholly or not at all; again under the same token adds nothing.

        Raises:
            StoreError: it failed, or its outcome is unknown.
        """
        ...


class Draft:
    """The rows of a batch, in the order of its records, and what the ledger will hold with them.

    Args:
        held: what the ledger holds so far, by table; not changed.
        situations: likewise.
    """

    def __init__(self, held: Mapping[str, Held], situations: Mapping[Situation, bool]) -> None:
        self.held = {table: {place: have.copy() for place, have in places.items()} for table, places in held.items()}
        self.situations = dict(situations)
        self.repeats = 0
        self.markers: list[tuple[Marker, Record]] = []
        """Late knowledge, in the order of each partition: acted on once the rows are in the ledger."""
        self._rows: dict[str, list[Row]] = {table: [] for table in rows.COLUMNS}

    def add(self, record: Record) -> None:
        """Take a record in.

        Raises:
            ContractError: it is not what its topic holds.
        """
        topic = record.topic
        kind = _DOCUMENT_KINDS.get(topic)
        if kind is not None:
            self._rows[rows.DOCUMENTS].append(rows.document_row(kind, record))
        elif record.value is None:
            return  # a tombstone of a compacted topic: the ledger keeps what was
        elif topic == Topic.DECISIONS:
            self._tracked(_decoded(decode_tracked, record), record)
        elif topic == Topic.DEADLETTERS:
            self._rows[rows.DEAD_LETTERS].append(rows.dead_letter_row(_decoded(decode_dead_letter, record), record))
        elif topic == Topic.ALERTS:
            self._rows[rows.ALERTS].append(rows.alert_row(_decoded(decode_alert, record), record))
        else:
            raise ContractError("unknown_type", f"the sink does not read `{topic}`", where=_where(record))

    def blocks(self) -> list[Block]:
        """The blocks to insert, in order: what others refer to comes first."""
        order = (rows.DOCUMENTS, rows.JUDGEMENTS, rows.CONSENTS, rows.FLOWS, rows.DEAD_LETTERS, rows.ALERTS)
        return [
            block_of(table, part)
            for table in order
            for part in _parts(self._rows[table], rows.COLUMNS[table].index("recorded_at"))
        ]

    def _tracked(self, item: Tracked, record: Record) -> None:
        if item.type == "decision":
            self._decision(item, record)
        elif item.type == "situation":
            self._situation(item.pack, item, record, defined=True)
        elif item.type == "consent" and self._new(rows.CONSENTS, item.epoch, item.partition, item.offset):
            self._rows[rows.CONSENTS].append(rows.consent_row(item, record))
        elif item.type == "marker":
            self.markers.append((item, record))

    def _decision(self, decision: Decision, record: Record) -> None:
        if not self._new(rows.FLOWS, decision.epoch, decision.partition, decision.offset):
            self.repeats += 1
            return
        self._rows[rows.FLOWS].extend(rows.flow_rows(decision, record))
        for part in decision.categories:
            self._situation(decision.pack, part, record, defined=False)

    def _situation(
        self, pack: str, source: CategoryDecision | SituationDefinition, record: Record, *, defined: bool
    ) -> None:
        key = (pack, int(source.situation, 16))
        if self.situations.get(key, False) or (not defined and key in self.situations):
            return
        self.situations[key] = defined
        self._rows[rows.JUDGEMENTS].append(rows.judgement_row(pack, source, record.timestamp_ms))

    def _new(self, table: str, epoch: str, partition: int, offset: int) -> bool:
        places = self.held[table]
        have = places.get((epoch, partition))
        if have is None:
            have = places[epoch, partition] = Offsets()
        return have.take(offset)


class LedgerWriter:
    """The sink's processor (see `tracking.records.Processor`): a batch is in the ledger when `process` returns.

    Args:
        store: where the ledger is.
        run: names this run of the sink, unlike any other: a token of an earlier run must not swallow a retry, since
            the engine can remember a token whose part was lost with the process (STORE: exactness).
        amender: acts on markers; without one they are passed over.
    """

    def __init__(self, store: LedgerStore, run: str, amender: Amender | None = None) -> None:
        self._store = store
        self._amender = amender
        self._run = run
        self._inserts = 0
        self._held: dict[str, Held] | None = None
        self._situations: dict[Situation, bool] = {}
        self.partitions: frozenset[int] = frozenset()
        """The partitions that are this writer's now."""

    def resume_from(self, partition: int, committed: int) -> int:  # noqa: ARG002 - the protocol's
        """There is no state topic: the ledger is the state."""
        return 0

    def assigned(self, partition: int, history: Iterable[Record]) -> None:  # noqa: ARG002 - the protocol's; the ledger is the state
        """Take over a partition: what the ledger holds of it is asked anew."""
        self._held = None
        self.partitions |= {partition}
        if self._amender is not None:
            self._amender.assigned(partition)

    def revoked(self, partition: int) -> None:
        """Give a partition up."""
        self._held = None
        self.partitions -= {partition}
        if self._amender is not None:
            self._amender.revoked(partition)

    def process(self, records: Sequence[Record]) -> list[Output]:
        """Write a batch to the ledger, dropping what is there already, and go on with what is judged anew in steps.

        Raises:
            ContractError: a record is not what its topic holds; nothing of the batch is written.
            StoreError: a block was not written; blocks before it were, and are recognised when they come again.
        """
        if self._held is None:
            self._held = {table: self._store.held(table) for table in (rows.FLOWS, rows.CONSENTS)}
            self._situations = self._store.situations()
        draft = Draft(self._held, self._situations)
        for record in records:
            draft.add(record)
        for block in draft.blocks():
            self._insert(block)
        self._held, self._situations = draft.held, draft.situations
        if draft.repeats:
            _log.info("repeats dropped", decisions=draft.repeats)
        return self._amend(draft.markers)

    @property
    def pending(self) -> int:
        """Changes of rules or registry that are still being judged anew."""
        return 0 if self._amender is None else self._amender.pending

    def note(self, partition: int) -> str:  # noqa: ARG002 - the protocol's
        """Nothing: the ledger tells the next owner all."""
        return ""

    def committed(self) -> None:
        """The rows are durable already, and now the amendments are published too."""
        if self._amender is not None:
            self._amender.committed()

    def aborted(self) -> None:
        """Forget what the ledger was thought to hold: it is asked before the same records are worked again."""
        self._held = None
        if self._amender is not None:
            self._amender.aborted()

    def _amend(self, markers: Sequence[tuple[Marker, Record]]) -> list[Output]:
        """Act on markers in their order: on a run of consents at once, on rules and registry step by step."""
        amender = self._amender
        if amender is None:
            return []
        outputs: list[Output] = []
        for of_consents, run in groupby(markers, key=lambda each: each[0].cause == "consent"):
            if of_consents:
                blocks, amendments = amender.amend(list(run))
                outputs += amendments
                for block in blocks:
                    self._insert(block)
            else:
                for marker, record in run:
                    amender.begin(marker, record)
        return [*outputs, *amender.step()]

    def _insert(self, block: Block) -> None:
        """Insert a block; when the outcome is in doubt, once more under the same token, and then look.

        The token keeps the second try from adding what the first did after all.  Looking shows the rare case that the
        engine remembers the token and has lost the part: then the batch is undone and comes again under new tokens.
        """
        self._inserts += 1
        token = f"{self._run}:{self._inserts}"
        try:
            self._store.insert(block, token)
        except StoreError as error:
            _log.warning("insert in doubt, trying once more", table=block.table, rows=block.rows, error=str(error))
            self._store.insert(block, token)
            self._verify(block)

    def _verify(self, block: Block) -> None:
        if block.table not in {rows.FLOWS, rows.CONSENTS}:
            return  # written again without harm when the batch comes again; and it does only if something failed
        held = self._store.held(block.table)
        columns = block.columns
        coordinates = zip(columns["epoch"], columns["source_partition"], columns["source_offset"], strict=True)
        for epoch, partition, offset in coordinates:
            have = held.get((epoch, partition))
            if have is None or not have.holds(offset):
                raise StoreError(
                    "a block was taken for a repeat and is not there",
                    where=f"{block.table}, partition {partition}, offset {offset}",
                    help="nothing to do: the batch comes again under a new token",
                )


def _decoded(decode: Callable[[bytes], T], record: Record) -> T:
    try:
        return decode(record.value or b"")
    except ContractError as error:
        raise ContractError(
            error.code,
            error.what,
            field=error.field,
            where=_where(record),
            help="whoever wrote it is of another version than this sink: run the same",
        ) from error


def _where(record: Record) -> str:
    return f"{record.topic}/{record.partition} at {record.offset}"


def _parts(all_rows: list[Row], recorded_at: int) -> Iterable[list[Row]]:
    """Cut rows, in order, so that each part becomes one block: one month of recording, and bounded."""
    part: list[Row] = []
    start = end = 0
    for row in all_rows:
        at = row[recorded_at]
        if part and (len(part) >= BLOCK_ROWS_MAX or not start <= at < end):
            yield part
            part = []
        if not start <= at < end:
            start, end = _month_of(at)
        part.append(row)
    if part:
        yield part


def _month_of(instant_ms: int) -> tuple[int, int]:
    """The month that an instant falls in: its first millisecond, and that of the next."""
    moment = datetime.fromtimestamp(instant_ms / 1000, tz=UTC)
    first = moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    following = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
    return int(first.timestamp()) * 1000, int(following.timestamp()) * 1000
