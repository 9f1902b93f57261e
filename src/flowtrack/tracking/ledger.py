"""The sink: what the checker wrote becomes the ledger, each row once.

A batch is written as few blocks, a block being there wholly or not at all: one for each table and month of recording,
each under a token made of the batch's.  Where outcomes are in doubt, the ledger itself is asked what it holds: it is
the truth, tokens are a guard.  Two ways lead there.

`work` and `redo` (a real Kafka): the batch was promised in a commit that is fenced, so whoever takes a partition over
knows exactly what to look for (tracking/intent.py; docs/decisions/fenced-plan.md).

`process` (the embedded broker): one sink holds the store, and the checker's own checkpoint may bring decisions again,
so the ledger's latest offsets are read back and repeats dropped.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from itertools import groupby
from typing import NamedTuple, Protocol

import structlog

from flowtrack.domain.decision import Marker
from flowtrack.errors import StoreError
from flowtrack.tracking import rows
from flowtrack.tracking.amend import Amender
from flowtrack.tracking.draft import Draft, Situation
from flowtrack.tracking.intent import Intent
from flowtrack.tracking.months import Month, by_month
from flowtrack.tracking.offsets import Offsets
from flowtrack.tracking.parting import Parted, Parting
from flowtrack.tracking.records import Output, Record, Topic
from flowtrack.tracking.repeats import Event, Sighting, repeats_among, suspects_of
from flowtrack.tracking.rows import Block

SINK_TOPICS = (Topic.DECISIONS, Topic.DEADLETTERS, Topic.ALERTS, Topic.POLICIES, Topic.REGISTRY)
"""What the sink reads."""
TAIL_MS = 86_400_000
"""How far before the oldest record of a partition its offsets are read back: a checker repeats a batch, perhaps only
after the machine has slept."""
_TOKENS_MAX = 8
"""Tokens that were taken, one after the other, without the block being there: then something else is wrong."""
_EXACT = frozenset({rows.CONSENTS, rows.FLOWS})
_PLACE = ("decision_partition", "decision_offset", "source_partition", "source_offset", "category", "revision", "sign")

Place = tuple[str, int]
"""Epoch and source partition."""
Held = dict[Place, Offsets]

_log = structlog.get_logger(__name__)


class Share(NamedTuple):
    """What a batch has of one partition of decisions: where to look for its rows."""

    partition: int
    start: int
    end: int
    """The offset behind the last."""
    since_ms: int
    until_ms: int
    """When the first and the last of its records were recorded."""

    @classmethod
    def of(cls, records: Sequence[Record]) -> Share:
        """Of the records themselves, in order; there must be one."""
        times = [record.timestamp_ms for record in records]
        return cls(records[0].partition, records[0].offset, records[-1].offset + 1, min(times), max(times))

    @classmethod
    def of_block(cls, partition: int, block: Block) -> Share:
        """Of the rows of a block, all of one partition."""
        offsets, times = block.columns["decision_offset"], block.columns["recorded_at"]
        return cls(partition, min(offsets), max(offsets) + 1, min(times), max(times))


class LedgerStore(Protocol):
    """What the sink needs of a store; every method raises StoreError where the store does not do it."""

    def held(self, table: str, partition: int, since_ms: int) -> Held:
        """Give the source offsets of what `flows` or `consents` recorded of a partition of decisions since an instant.

        Offsets below the lowest of them count as held.
        """
        ...

    def present(self, table: str, share: Share) -> set[Month]:
        """Give the months in which `flows` or `consents` has any row of a share."""
        ...

    def situations(self) -> dict[Situation, bool]:
        """Give the situations that have a judgement, and whether with their definition."""
        ...

    def sightings(self, events: Sequence[Event]) -> list[Sighting]:
        """Give where the ledger has any of these events, those that count only."""
        ...

    def insert(self, block: Block, token: str, deadline_ms: int = 0) -> None:
        """Insert a block, wholly or not at all; again under the same token adds nothing, whatever its rows.

        Raises:
            StoreError: it failed, or its outcome is unknown, or the deadline has passed.
        """
        ...

    def insert_decisions(
        self, decisions: Sequence[Parted], repeats: frozenset[tuple[int, int]], token: str, deadline_ms: int
    ) -> None:
        """Insert the rows of decisions of one month as one block of `flows`; those of repeats with sign 0.

        Raises:
            ContractError: one of them is no decision.
            StoreError: as `insert`.
        """
        ...


class LedgerWriter:
    """The sink's processor (`tracking.intent.PlannedProcessor`): a batch is in the ledger when the call returns.

    Args:
        store: where the ledger is.
        run: names this run of the sink, unlike any other: on the embedded broker, where nobody is told tokens, one of
            an earlier run must not swallow a block, since the engine can remember a token whose part was lost.
        amender: acts on markers; without one they are left alone.
    """

    def __init__(self, store: LedgerStore, run: str, amender: Amender | None = None) -> None:
        self._store = store
        self._run = run
        self._amender = amender
        self._batches = 0
        self._parting = Parting()
        self._held: dict[int, dict[str, Held]] = {}
        """By partition of decisions, what the ledger holds of late, by table."""
        self._situations: dict[Situation, bool] | None = None
        self.partitions: frozenset[int] = frozenset()
        """The partitions that are this writer's now."""

    # -- partitions --------------------------------------------------------------------------------------------

    def resume_from(self, partition: int, committed: int) -> int:  # noqa: ARG002 - the protocol's
        """There is no state topic: the ledger is the state."""
        return 0

    def assigned(self, partition: int, history: Iterable[Record]) -> None:  # noqa: ARG002 - the protocol's; the ledger is the state
        """Take over a partition: what the ledger holds of it is asked anew."""
        self._forget()
        self.partitions |= {partition}
        if self._amender is not None:
            self._amender.assigned(partition)

    def revoked(self, partition: int) -> None:
        """Give a partition up."""
        self._forget()
        self.partitions -= {partition}
        if self._amender is not None:
            self._amender.revoked(partition)

    def note(self, partition: int) -> str:  # noqa: ARG002 - the protocol's
        """Nothing: the ledger tells the next owner all."""
        return ""

    @property
    def pending(self) -> int:
        """Changes of rules or registry that are still being judged anew."""
        return 0 if self._amender is None else self._amender.pending

    def committed(self) -> None:
        """The rows are durable already; the amender hears of it."""
        if self._amender is not None:
            self._amender.committed()

    def aborted(self) -> None:
        """Forget what the ledger was thought to hold: it is asked before the same records are worked again."""
        self._forget()
        if self._amender is not None:
            self._amender.aborted()

    # -- batches that were promised ----------------------------------------------------------------------------

    def work(self, records: Sequence[Record], intent: Intent) -> list[Output]:
        """Write a batch that nobody has written before.

        Raises:
            ContractError: a record is not what its topic holds.
            StoreError: a block was not written, or may be: `redo` it.
        """
        return self._write(self._drafted(records), intent)

    def redo(self, partition: int, records: Sequence[Record], intent: Intent) -> list[Output]:
        """See to it that a partition's share of an earlier batch is in the ledger, once.

        Tokens are tried in an order that is the same for everybody, each until an insert under it was acknowledged;
        only if the rows are still missing then, another share of the batch has taken it, or the engine has lost the
        part, and the next is tried.

        Raises:
            ContractError: a record is not what its topic holds.
            StoreError: as `work`.
        """
        if not records:
            return []
        draft = self._drafted(records)
        self._insert_harmless(draft, intent, f":{partition}")
        for planned in draft.consents():  # each month by its own offsets: what is erased of one says nothing of another
            share = Share.of_block(partition, planned.block)
            self._see_to(rows.CONSENTS, planned.month, share, intent, planned.block)
        repeats = self._repeats(draft.decisions)
        for month, decisions in by_month(draft.decisions, _recorded_ms):
            share = Share.of([each.record for each in decisions])
            self._see_to(rows.FLOWS, month, share, intent, (decisions, repeats))
        _log.info("share of an earlier batch seen to", partition=partition, records=len(records))
        self._situations = draft.situations
        return self._amend(draft.markers, intent)

    def _see_to(
        self,
        table: str,
        month: Month,
        share: Share,
        intent: Intent,
        what: Block | tuple[list[Parted], frozenset[tuple[int, int]]],
    ) -> None:
        """Insert one month of a share unless it is there; any row proves all, since they are one block."""
        first = _token(intent, table, month)
        for number in range(_TOKENS_MAX):
            if month in self._store.present(table, share):
                return
            token = f"{first}:{share.partition}:{number}" if number else first
            if isinstance(what, Block):
                self._store.insert(what, token, intent.deadline_ms)
            else:
                self._store.insert_decisions(*what, token, intent.deadline_ms)
        if month not in self._store.present(table, share):
            raise StoreError(
                f"the store acknowledged `{_TOKENS_MAX}` inserts and has none of the rows",
                where=f"{table}, partition {share.partition}, offsets {share.start} to {share.end - 1}",
                help="look into the engine's log for lost parts; nothing is skipped, the sink tries again",
            )

    # -- batches of a plain checkpoint ---------------------------------------------------------------------------

    def process(self, records: Sequence[Record]) -> list[Output]:
        """Write a batch to the ledger, dropping what is there already.

        Raises:
            ContractError: a record is not what its topic holds; nothing of the batch is written.
            StoreError: a block was not written, or may be; what was is recognised when the batch comes again.
        """
        draft = self._drafted(records)
        self._batches += 1
        try:
            self._look_back(records)
            self._drop_repeats(draft)
            return self._write(draft, Intent(f"{self._run}:{self._batches}", 0))
        except BaseException:
            self._held.clear()  # it is not written: what is held is asked anew
            raise

    def _drop_repeats(self, draft: Draft) -> None:
        kept = [
            each
            for each in draft.decisions
            if self._is_new(rows.FLOWS, each.record, (each.own.epoch, each.own.partition), each.own.offset)
        ]
        if len(kept) < len(draft.decisions):
            _log.info("repeats dropped", decisions=len(draft.decisions) - len(kept))
        draft.decisions[:] = kept
        draft.keep_consents(lambda record, place, offset: self._is_new(rows.CONSENTS, record, place, offset))

    def _look_back(self, records: Sequence[Record]) -> None:
        """Ask what the ledger holds of partitions of decisions, from before the oldest record of a batch."""
        oldest: dict[int, int] = {}
        for record in records:
            if record.topic == Topic.DECISIONS and record.partition not in self._held:
                oldest[record.partition] = min(record.timestamp_ms, oldest.get(record.partition, record.timestamp_ms))
        for partition, oldest_ms in oldest.items():
            since_ms = oldest_ms - TAIL_MS
            self._held[partition] = {
                each: self._store.held(each, partition, since_ms) for each in (rows.FLOWS, rows.CONSENTS)
            }

    def _is_new(self, table: str, record: Record, place: Place, offset: int) -> bool:
        held = self._held[record.partition][table]
        have = held.get(place)
        if have is None:
            have = held[place] = Offsets()
        return have.take(offset)

    # -- both ------------------------------------------------------------------------------------------------------

    def _drafted(self, records: Sequence[Record]) -> Draft:
        if self._situations is None:
            self._situations = self._store.situations()
        draft = Draft(self._situations, self._parting)
        for record in records:
            draft.add(record)
        draft.judge_the_unknown()
        return draft

    def _write(self, draft: Draft, intent: Intent) -> list[Output]:
        """Insert the blocks of a batch, what others refer to first."""
        self._insert_harmless(draft, intent)
        for planned in draft.consents():
            self._store.insert(planned.block, _token(intent, rows.CONSENTS, planned.month), intent.deadline_ms)
        repeats = self._repeats(draft.decisions)
        for month, decisions in by_month(draft.decisions, _recorded_ms):
            self._store.insert_decisions(decisions, repeats, _token(intent, rows.FLOWS, month), intent.deadline_ms)
        self._situations = draft.situations
        return self._amend(draft.markers, intent)

    def _insert_harmless(self, draft: Draft, intent: Intent, share: str = "") -> None:
        """Insert what may be there more than once; each share that is redone has a token of its own."""
        for block in draft.harmless():
            self._store.insert(block, _token(intent, block.table, 0) + share, intent.deadline_ms)

    def _repeats(self, decisions: Sequence[Parted]) -> frozenset[tuple[int, int]]:
        """Which of a batch's decisions are on services' own repeats; one look at the ledger."""
        suspects, places = suspects_of(decisions)
        if not suspects:
            return frozenset()
        events = list({suspect.event: None for suspect in suspects})
        repeats = repeats_among(suspects, places, self._store.sightings(events))
        _log.info("suspects looked up", suspects=len(suspects), repeats=len(repeats))
        return repeats

    def _amend(self, markers: Sequence[tuple[Marker, Record]], intent: Intent) -> list[Output]:
        """Act on a batch's markers, everything else of it being in the ledger, and go on with what is under way.

        A marker touches what stands before it on its partition, so it does not matter that later rows are there too.
        But they are acted on in order: what consents change stands before rules that change after them are begun, since
        consents that follow those are judged on top of both.
        """
        if self._amender is None:
            return []
        outputs: list[Output] = []
        ordered = sorted(markers, key=lambda each: (each[1].partition, each[1].offset))
        for (_, cause), run in groupby(ordered, key=lambda each: (each[1].partition, each[0].cause)):
            if cause == "consent":
                outputs += self._amend_partition(self._amender, list(run), intent)
            else:
                for marker, record in run:
                    self._amender.begin(marker, record)
        return outputs + self._amender.step(intent.deadline_ms)

    def _amend_partition(self, amender: Amender, markers: list[tuple[Marker, Record]], intent: Intent) -> list[Output]:
        """Insert what markers of one partition change, until nothing is missing any more.

        A block's token is made of its rows' places, so that whoever finds a part of them written inserts the rest
        under the same tokens.
        """
        for number in range(_TOKENS_MAX):
            blocks, outputs = amender.amend(markers, intent.deadline_ms)
            if not blocks:
                return outputs
            for block in blocks:
                self._store.insert(block, f"{intent.token}:amend:{_digest(block)}:{number}", intent.deadline_ms)
            if all(block.table not in _EXACT for block in blocks):
                return outputs
        raise StoreError(
            "amendments were acknowledged, and are not there",
            where=f"{rows.FLOWS}, partition {markers[0][1].partition}",
            help="look into the engine's log for lost parts; nothing is skipped, the sink tries again",
        )

    def _forget(self) -> None:
        self._held.clear()
        self._situations = None


def _token(intent: Intent, table: str, month: Month) -> str:
    """A token means the same rows for everybody: it names the table and the month, and nothing is cut by size."""
    return f"{intent.token}:{table}:{month}"


def _recorded_ms(each: Parted) -> int:
    return each.record.timestamp_ms


def _digest(block: Block) -> str:
    columns = [block.columns[name] for name in _PLACE if name in block.columns]
    return blake2b(repr(columns or block.columns).encode(), digest_size=12).hexdigest()
