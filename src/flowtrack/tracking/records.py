"""What passes between Kafka and the workers: records, outputs, and the shape of a processor.

A processor knows no Kafka.  Whoever feeds it (the exactly-once source, a test, a file) keeps this order: `assigned`
for a partition before its first record (and `resume_from` before that, where there is a state topic), `process` for a
batch, then either `committed` or `aborted` for that batch, and `revoked` when the partition goes to somebody else.
All calls come one after the other, never concurrently.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol, runtime_checkable


class Topic(StrEnum):
    """The topics, in the direction in which data flows."""

    EVENTS = "flowtrack.events"
    CONSENTS = "flowtrack.consents"
    POLICIES = "flowtrack.policies"
    REGISTRY = "flowtrack.registry"
    DECISIONS = "flowtrack.decisions"
    FINDINGS = "flowtrack.findings"
    AMENDMENTS = "flowtrack.amendments"
    ALERTS = "flowtrack.alerts"
    DEADLETTERS = "flowtrack.deadletters"


class Record(NamedTuple):
    """A Kafka record without Kafka; `timestamp_ms` is the broker's, in milliseconds since the epoch."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


def where_of(record: Record) -> str:
    """Where a record stands, for people."""
    return f"{record.topic}/{record.partition} at {record.offset}"


class Output(NamedTuple):
    """A record to be written; the partition is always explicit."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None


class Gap(NamedTuple):
    """Offsets [first, end) of a log that a worker had still to read and that are no longer there."""

    topic: str
    partition: int
    first: int
    end: int


class Processor(Protocol):
    """What a worker does with a batch; called from one thread, never concurrently."""

    def resume_from(self, partition: int, committed: int) -> int:
        """Say from which offset of the state topic `history` must begin, asked right before `assigned`.

        A processor that restored a snapshot up to there needs only what follows; 0 where it has none; never above
        `committed`, the offset at which `history` ends.
        """
        ...

    def assigned(self, partition: int, history: Iterable[Record]) -> None:
        """Take over a partition: forget what was held for it, and fold the replayed state records, if any."""
        ...

    def revoked(self, partition: int) -> None:
        """Give a partition up: its state goes to another worker."""
        ...

    def process(self, records: Sequence[Record]) -> list[Output]:
        """Work through a batch, in order, and give what is to be written in the same transaction."""
        ...

    def note(self, partition: int) -> str:
        """Give what is to be committed with the batch in hand, for whoever owns the partition next.

        Some hundred characters at most; empty where there is nothing to say.  It is asked after `process`.
        """
        ...

    def committed(self) -> None:
        """Take note that the batch's outputs and offsets are durable."""
        ...

    def aborted(self) -> None:
        """Undo the batch's effects on state: the same records come again."""
        ...


@runtime_checkable
class Continuing(Protocol):
    """A processor that may have more to do than the records of a batch: it is given empty batches meanwhile."""

    @property
    def pending(self) -> int:
        """How much is left to do beside the records; 0 where an empty batch would do nothing."""
        ...
