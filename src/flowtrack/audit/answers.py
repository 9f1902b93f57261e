"""What auditors are told; each answer says how complete it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pydantic import AwareDatetime, Field

from flowtrack.domain.decision import DeadLetter
from flowtrack.domain.model import Contract


class CompleteUpTo(Contract):
    """How far the ledger had come when it answered."""

    complete_up_to: AwareDatetime | None = None
    """Everything decided by this instant is in the answer; None where the ledger is empty."""
    lag_records: int | None = None
    """Decisions written and not yet in the ledger; None where whoever answers does not know."""


class Range(Contract):
    """Offsets from `first` to `last`, both included."""

    first: int = Field(ge=0)
    last: int = Field(ge=0)

    @property
    def length(self) -> int:
        """How many offsets it has."""
        return self.last - self.first + 1


def ranges(offsets: Iterable[int], limit: int) -> list[Range]:
    """The first ranges of offsets that follow each other; they come in order."""
    found: list[Range] = []
    for start, end in runs_of(offsets):
        if len(found) >= limit:
            break
        found.append(Range(first=start, last=end))
    return found


def runs_of(offsets: Iterable[int]) -> Iterator[tuple[int, int]]:
    """First and last of the offsets that follow each other; they come in order."""
    start = end = None
    for offset in offsets:
        if start is None or end is None or offset > end + 1:
            if start is not None and end is not None:
                yield start, end
            start = offset
        end = offset
    if start is not None and end is not None:
        yield start, end


class PartitionBooks(Contract):
    """What the ledger holds of one source partition in one epoch."""

    epoch: str
    partition: int
    judged: int
    """Distinct offsets with a decision."""
    dead: int
    """Distinct offsets with a dead letter."""
    both: int
    """Offsets that have a decision and a dead letter: one too many."""
    both_at: list[Range] = []
    """Where those are; cut off after as many as were asked for, like all of these."""
    first: int
    last: int
    repeated_rows: int
    """Rows that stand more than once: the same offset, category, revision and sign."""
    repeated_at: list[Range] = []
    """Where those are."""
    missing: int
    """Offsets between the first and the last that have neither."""
    holes: list[Range]
    """Where those are."""


class BooksAnswer(Contract):
    """The ledger's side of reconciliation."""

    partitions: list[PartitionBooks]
    flows: int
    completeness: CompleteUpTo


class DeadLetterAnswer(Contract):
    """Messages that could not be taken, the newest first."""

    total: int
    dead_letters: list[DeadLetter]
    completeness: CompleteUpTo


class Document(Contract):
    """The latest version of a policy pack or registry document."""

    kind: str
    """`policy` or `registry`."""
    name: str
    """Key of its record."""
    valid_from: AwareDatetime
    recorded_at: AwareDatetime
    sha256: str
    body: str
