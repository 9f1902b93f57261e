"""The way of a record through the checker: read, judged, answered.

`Checker` is what a worker does with a batch of events and consents, without Kafka: consents change a subject's
history, events are judged against it as of their own time, and everything that follows is written to the partition of
the same number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime

from flowtrack.domain.consent import ConsentRecord
from flowtrack.domain.history import entry_of
from flowtrack.domain.instants import from_us, instant_us
from flowtrack.domain.names import DeadLetterCode, Verdict
from flowtrack.errors import ContractError
from flowtrack.tracking.answers import (
    Place,
    consent_copy,
    consent_marker,
    dead_letter,
    finding_of,
    situation_definition,
)
from flowtrack.tracking.late import LateKnowledge
from flowtrack.tracking.records import Output, Record, Topic
from flowtrack.tracking.recurring import Recurrences, Recurring, Remembered, Said
from flowtrack.tracking.rulebook import Rulebook
from flowtrack.tracking.snapshot import Snapshot, Snapshots, empty
from flowtrack.tracking.standing import Standing, Standings
from flowtrack.tracking.state import PartitionState
from flowtrack.tracking.wording import DecisionWriter, arrival, decision
from flowtrack.wire.cloudevents import structured
from flowtrack.wire.decode import (
    check_calendar,
    check_time_range,
    decode_consent,
    decode_event,
)
from flowtrack.wire.keys import consent_key, parse_consent_key
from flowtrack.wire.partition import partition_of

CONSENTS, EVENTS = str(Topic.CONSENTS), str(Topic.EVENTS)
DECISIONS, FINDINGS, DEADLETTERS = str(Topic.DECISIONS), str(Topic.FINDINGS), str(Topic.DEADLETTERS)

_output = tuple.__new__  # for every event; the constructor of a named tuple costs as much again
SNAPSHOT_EVERY = 100_000
"""Consent records of a partition between two snapshots: folding so many anew takes a second or two."""


class Checker:
    """Judges events; a `Processor` (tracking.records).

    Args:
        rulebook: the packs and registry documents in force.
        partitions: how many partitions events, consents, decisions and findings have.
        judged_before: whether events of a partition were judged by somebody before this worker took it over.
        epoch: which life of the broker this is; empty on a broker that keeps its topics.
        snapshots: where the state of partitions is kept between lives of a worker; without it nothing is kept.
        noted: what was noted with the last commits of a partition (`note`); without it the worst is assumed of what
            was judged before.
        consents_end: where consents/p ends now. A record before that may have replaced one that compaction took before
            this worker could see it, so behind what others judged it is taken to reach back as far as can be.
        seen_early: whether outputs are seen before they are committed (a plain checkpoint), so that what was judged
            in an aborted batch counts.
    """

    def __init__(
        self,
        rulebook: Rulebook,
        partitions: int,
        judged_before: Callable[[int], bool],
        epoch: str = "",
        snapshots: Snapshots | None = None,
        noted: Callable[[int], Iterable[str]] = lambda _partition: (),
        *,
        consents_end: Callable[[int], int] = lambda _partition: 0,
        seen_early: bool = False,
    ) -> None:
        self._rulebook = rulebook
        self._late = LateKnowledge(rulebook)
        self._noted = noted
        self._seen_early = seen_early
        self._consents_end = consents_end
        self._backlog_ends: dict[int, int] = {}
        self._partitions = partitions
        self._judged_before = judged_before
        self._epoch = epoch
        self._snapshots = snapshots
        self._restored: dict[int, Snapshot] = {}
        self._states: dict[int, PartitionState] = {}
        self._standings = Standings()
        self._decider = rulebook.decider
        self.recurrences = Recurrences()
        """What is remembered of events and answers."""
        self._writer = DecisionWriter()
        self._defined: set[tuple[str, str]] = set()
        self._newly_defined: list[tuple[str, str]] = []
        self._aborted_count = 1
        self._received: tuple[int, datetime] = (0, from_us(0))
        self._arrived: tuple[int, int, bytes] = (-1, -1, b"")
        self.verdict_counts: dict[str, int] = dict.fromkeys((*Verdict, "dead_letter"), 0)
        """Verdicts of batches that were committed, dead letters beside them; for metrics."""
        self._batch_counts = dict.fromkeys(self.verdict_counts, 0)

    def resume_from(self, partition: int, committed: int) -> int:
        """Restore the partition's snapshot; what came after it is folded by `assigned`."""
        self._restored.pop(partition, None)
        if self._snapshots is None:
            return 0
        snapshot = self._restored[partition] = self._snapshots.read(partition, self._epoch, committed)
        return snapshot.cursor

    def assigned(self, partition: int, history: Iterable[Record]) -> None:
        """Fold the consents that were applied before; what cannot be read was dead-lettered then."""
        snapshot = self._restored.pop(partition, None) or empty(partition, self._epoch)
        self._late.assigned(partition, self._noted(partition), resumed=self._judged_before(partition))
        state = PartitionState(
            snapshot.packing,
            self._standings,
            judged_to_us=self._late.horizon_us(partition),
            histories=snapshot.histories,
        )
        state.cursor, state.newest_ms = snapshot.cursor, snapshot.newest_ms
        for number, record in enumerate(history, 1):
            state.read(record.offset + 1, record.timestamp_ms)
            with suppress(ContractError):  # its dead letter was written when it was first met
                self._fold(state, record)
            if number % SNAPSHOT_EVERY == 0:
                self._keep_folded(partition, state)
        state.keep()
        self._backlog_ends[partition] = self._consents_end(partition) if state.resumed else 0
        self._states[partition] = state

    def _keep_folded(self, partition: int, state: PartitionState) -> None:
        """On the way through a long history: forget how to undo it, and write what has come together."""
        state.keep()
        if self._snapshots is not None and self._snapshots.by_part:
            self._keep_snapshot(partition, state)

    def revoked(self, partition: int) -> None:
        """Leave a snapshot for whoever owns the partition next on this machine, and forget it."""
        self._late.revoked(partition)
        state = self._states.pop(partition, None)
        if state is not None:
            state.undo()  # what was not committed is for the next owner to read
            self._keep_snapshot(partition, state)
        if self._snapshots is not None:
            self._snapshots.release(partition)

    def _keep_snapshot(self, partition: int, state: PartitionState) -> None:
        if self._snapshots is None or not state.changes:
            return
        state.changes = 0
        self._snapshots.write(
            Snapshot(partition, state.cursor, self._epoch, state.packing, state.packed, state.newest_ms)
        )

    @property
    def subjects_count(self) -> int:
        """Subjects whose state this worker holds."""
        return sum(state.subjects_count for state in self._states.values())

    def state(self, partition: int) -> PartitionState:
        """What is remembered of a partition that this worker owns.

        Raises:
            KeyError: it owns no such partition.
        """
        return self._states[partition]

    def process(self, records: Sequence[Record]) -> list[Output]:
        """Work through consents and events, in order."""
        outputs = self._late.markers()
        if self._decider is not self._rulebook.decider:
            self._decider = self._rulebook.decider
            self.recurrences.forget()
        for record in records:
            try:
                if record.topic == EVENTS:
                    self._event(record, outputs)
                else:
                    self._consent(record, outputs)
            except ContractError as error:
                self._dead(record, error, outputs)
        return outputs

    def committed(self) -> None:
        """The batch is durable."""
        for verdict, count in self._batch_counts.items():
            self.verdict_counts[verdict] += count
        self._batch_counts = dict.fromkeys(self.verdict_counts, 0)
        self._newly_defined.clear()
        for partition, state in self._states.items():
            state.keep()
            if state.changes >= SNAPSHOT_EVERY:
                self._keep_snapshot(partition, state)

    def aborted(self) -> None:
        """The batch comes again."""
        self._late.aborted()
        self._batch_counts = dict.fromkeys(self.verdict_counts, 0)
        self._aborted_count += 1
        self._defined.difference_update(self._newly_defined)
        self._newly_defined.clear()
        for partition, state in self._states.items():
            state.undo()
            if self._seen_early:
                state.judged_by_others(self._late.horizon_us(partition))

    def note(self, partition: int) -> str:
        """What to commit with the batch in hand, for whoever owns the partition next."""
        return self._late.note(partition)

    def quarantine(self, record: Record, _error: Exception) -> list[Output]:
        """The dead letter for a record that makes the checker itself fail."""
        outputs: list[Output] = []
        fault = ContractError(
            DeadLetterCode.QUARANTINED,
            "judging this message failed three times",
            help="report it with the worker's log; `flowtrack deadletters list` shows where it stands",
        )
        self._dead(record, fault, outputs)
        return outputs

    def _event(self, record: Record, outputs: list[Output]) -> None:
        _, partition, offset, timestamp_ms, _, value, headers = record
        if headers:
            value = structured(headers, value)
        event, subject, recurring, ending = self.recurrences.read(value)
        if int.from_bytes(subject[:4], "big") % self._partitions != partition:
            self._check_partition(event.subject, record)
        at_us = instant_us(event.time)
        check_time_range(at_us, timestamp_ms * 1_000)
        state = self._states[partition]
        standing, packed = state.judge(subject, at_us)
        known = recurring.answers.get(standing)
        if known is None or not known.since_us <= at_us < known.until_us:
            known = self._answer(recurring, standing, value, at_us)
        said = known.said
        suspect = state.is_suspect(event.source, event.sequence, at_us)
        self._late.judged(partition, at_us, unnamed=said.unnamed)
        if said.defined != self._aborted_count:
            self._define(said, partition, outputs)
        key = event.subject.encode()
        stood = self._arrival(record) + b"%d" % offset
        written = decision(event, key, stood, state.worded(known, packed), ending, suspect=suspect)
        outputs.append(_output(Output, (DECISIONS, partition, key, written)))
        self._batch_counts[said.verdict.verdict] += 1
        if said.finding:
            place = self._place(record)
            finding = finding_of(said.finding, recurring.kind, event, recurring.data, said.verdict, place)
            outputs.append(Output(FINDINGS, partition, key, finding))

    def _answer(self, recurring: Recurring, standing: Standing, value: bytes | None, at_us: int) -> Remembered:
        """What to say of an event that is like none before; of some, only the subject's standing is new."""
        shape, answer = recurring.shape, None
        if shape is not None and shape.since_us <= at_us < shape.until_us:
            answer = shape.answer(standing.view)
        if answer is None:
            event = decode_event(value)
            answer = self._decider.answer(recurring.kind, event, standing.view)
            recurring.shape = self._decider.shape(recurring.kind, event, standing.view)
        return self.recurrences.remember(recurring, standing, answer, self._writer)

    def _define(self, said: Said, partition: int, outputs: list[Output]) -> None:
        """Write the definition of each situation that this worker meets for the first time."""
        verdict = said.verdict
        for each in verdict.categories:
            key = (verdict.pack, each.judged.situation_id)
            if key in self._defined or each.situation is None:
                continue
            self._defined.add(key)
            self._newly_defined.append(key)
            definition = situation_definition(verdict.pack, each.situation, each.judged)
            outputs.append(Output(DECISIONS, partition, each.judged.situation_id.encode(), definition))
        said.defined = self._aborted_count

    def _consent(self, record: Record, outputs: list[Output]) -> None:
        state = self._states[record.partition]
        state.read(record.offset + 1, record.timestamp_ms)
        subject, effect_us, applied = self._fold(state, record)
        key = subject.encode()
        if applied is not None:
            outputs.append(Output(DECISIONS, record.partition, key, consent_copy(applied, self._place(record))))
        if applied is not None and record.offset < self._backlog_ends[record.partition]:
            effect_us = 0
        if effect_us is not None and state.reaches_back(subject, effect_us):
            rules = self._rulebook.edition.rules_since(effect_us)
            marker = consent_marker(subject, effect_us, state.history(subject), record.partition, rules)
            outputs.append(Output(DECISIONS, record.partition, key, marker))

    def _fold(self, state: PartitionState, record: Record) -> tuple[str, int | None, ConsentRecord | None]:
        """Apply a consent record, or the tombstone of one; gives its subject, and from when it makes a difference."""
        if record.value is None:
            subject, record_id, event_id = parse_consent_key(record.key or b"")
            self._check_partition(subject, record)
            erased = state.erase(subject, record_id, event_id)
            if erased is not None:
                return subject, erased.valid_from_us, None
            # compaction may have taken the record before this worker folded the topic: its time is not known
            return subject, 0 if state.resumed else None, None
        consent = decode_consent(structured(record.headers, record.value))
        self._check_partition(consent.subject, record)
        _check_key(record.key, consent)
        check_calendar(consent)
        entry = entry_of(consent.id, instant_us(consent.time), consent.data)
        return consent.subject, state.add(consent.subject, entry), consent

    def _check_partition(self, subject: str, record: Record) -> None:
        wanted = partition_of(subject, self._partitions)
        if wanted != record.partition:
            raise ContractError(
                DeadLetterCode.WRONG_PARTITION,
                f"the subject belongs on partition {wanted}",
                field="subject",
                help="publish to partition int(subject[:8], 16) % partitions, as the SDK does",
            )

    def _dead(self, record: Record, error: ContractError, outputs: list[Output]) -> None:
        letter, finding = dead_letter(record, self._place(record), error)
        key = str(record.partition).encode()
        outputs.append(Output(DEADLETTERS, record.partition, key, letter))
        outputs.append(Output(FINDINGS, record.partition, key, finding))
        self._batch_counts["dead_letter"] += 1

    def _place(self, record: Record) -> Place:
        if self._received[0] != record.timestamp_ms:
            self._received = (record.timestamp_ms, from_us(record.timestamp_ms * 1_000))
        return Place(self._epoch, record, self._received[1])

    def _arrival(self, record: Record) -> bytes:
        """How a decision tells where its event stood, up to the offset; records of one partition come together."""
        partition, timestamp_ms, known = self._arrived
        if partition != record.partition or timestamp_ms != record.timestamp_ms:
            known = arrival(self._place(record))
            self._arrived = (record.partition, record.timestamp_ms, known)
        return known


def _check_key(key: bytes | None, consent: ConsentRecord) -> None:
    """Refuse a consent record under a key that is not its own: compaction would drop what else has that key."""
    if key != consent_key(consent.subject, consent.data.record, consent.id).encode():
        raise ContractError(
            DeadLetterCode.BAD_FIELD,
            "the key is not that of the consent record",
            field="key",
            help="key consent records as `subject:record:event id`, as the SDK does",
        )
