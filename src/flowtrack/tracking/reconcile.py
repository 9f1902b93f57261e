"""Do the books balance?  Every offset that was read has a decision or a dead letter, and stands in the ledger once.

The law, for each source partition: offsets read = decisions + dead letters = distinct offsets in the ledger.  What the
sink has not read yet is in flight, and no fault.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from flowtrack.audit.answers import BooksAnswer, PartitionBooks, Range
from flowtrack.domain.model import Contract

_RANGES_TOLD = 3


class GroupProgress(NamedTuple):
    """How far a consumer group has come in one partition; both are offsets of the next record.

    A partition that has never been committed has come as far as `start`.
    """

    start: int
    """The first offset that counts: where the log began when the group began to read it."""
    committed: int
    end: int | None = None
    """Behind the last offset that was published; None where it is not known."""


class PartitionReconciliation(Contract):
    """One source partition of one epoch."""

    epoch: str
    partition: int
    events: int
    """Offsets that the checker has read."""
    unread: int
    """Offsets that were published and that the checker has not read yet."""
    decisions: int
    dead_letters: int
    ledger: int
    """Distinct offsets in the ledger, with a decision or a dead letter."""
    in_flight: int
    """Offsets that the checker has read and the sink has not written yet; 0 once the sink has caught up."""
    missing: int
    """Offsets without either although everything has been written."""
    missing_ranges: list[Range]
    doubled: int
    """Offsets that have a decision and a dead letter."""
    doubled_ranges: list[Range] = []
    repeated_rows: int
    repeated_ranges: list[Range] = []
    beyond: int
    """Offsets in the ledger that the checker has not committed: read again, and judged again, after a restart."""
    balanced: bool


class Reconciliation(Contract):
    """The books of all partitions, and what to do when they do not balance."""

    epoch: str
    partitions: list[PartitionReconciliation]
    events: int
    decisions: int
    dead_letters: int
    ledger: int
    in_flight: int
    missing: int
    repeated_rows: int
    balanced: bool
    settled: bool
    """Whether nothing is in flight."""
    advice: list[str]
    """What to do, a sentence each; empty when all balances and nothing is in flight."""


def reconcile(
    books: BooksAnswer,
    *,
    epoch: str,
    checker: Mapping[int, GroupProgress] | None,
    sink_lag_records: int | Mapping[int, int],
) -> Reconciliation:
    """Hold the ledger against what was read.

    Args:
        books: what the ledger holds.
        epoch: which broker the offsets are of; of earlier ones, whose brokers are gone, the ledger's own side remains.
        checker: progress of the checker's group in the events topic, by partition; None where no broker answers.
        sink_lag_records: records of decisions and dead letters that the sink's group has not committed; as a whole,
            or by partition.  Zero means that nothing is in flight, so that what is not there is missing.
    """
    present = {} if checker is None else checker
    held = {part.partition: part for part in books.partitions if part.epoch == epoch and checker is not None}
    past = [part for part in books.partitions if part.partition not in held or part.epoch != epoch]
    partitions = [
        *(_partition(part.epoch, part.partition, GroupProgress(part.first, part.last + 1), part, 0) for part in past),
        *(
            _partition(epoch, number, progress, held.get(number), _lag(sink_lag_records, number))
            for number, progress in sorted(present.items())
        ),
    ]
    unknown = sorted(set(held) - set(present))
    missing = sum(part.missing for part in partitions)
    repeated = sum(part.repeated_rows for part in partitions)
    in_flight = sum(part.in_flight + part.unread for part in partitions)
    return Reconciliation(
        epoch=epoch,
        partitions=partitions,
        events=sum(part.events for part in partitions),
        decisions=sum(part.decisions for part in partitions),
        dead_letters=sum(part.dead_letters for part in partitions),
        ledger=sum(part.ledger for part in partitions),
        in_flight=in_flight,
        missing=missing,
        repeated_rows=repeated,
        balanced=all(part.balanced for part in partitions) and not unknown,
        settled=not in_flight,
        advice=_advice(partitions, unknown),
    )


def _lag(lag: int | Mapping[int, int], partition: int) -> int:
    return lag if isinstance(lag, int) else lag.get(partition, 0)


def _partition(
    epoch: str, number: int, progress: GroupProgress, held: PartitionBooks | None, sink_lag: int
) -> PartitionReconciliation:
    events = max(0, progress.committed - progress.start)
    if held is None:
        held = PartitionBooks(
            epoch="", partition=number, judged=0, dead=0, both=0, first=0, last=-1, repeated_rows=0, missing=0, holes=[]
        )
    ledger = held.judged + held.dead - held.both
    inside = _inside(held, progress)
    beyond = ledger - inside
    lacking = max(0, events - inside)
    ranges = _missing_ranges(held, progress, ledger)
    in_flight, missing = (lacking, 0) if sink_lag else (0, lacking)
    return PartitionReconciliation(
        epoch=epoch,
        partition=number,
        events=events,
        unread=0 if progress.end is None else max(0, progress.end - progress.committed),
        decisions=held.judged,
        dead_letters=held.dead,
        ledger=ledger,
        in_flight=in_flight,
        missing=missing,
        missing_ranges=ranges if missing else [],
        doubled=held.both,
        doubled_ranges=held.both_at,
        repeated_rows=held.repeated_rows,
        repeated_ranges=held.repeated_at,
        beyond=beyond,
        balanced=not (missing or held.both or held.repeated_rows),
    )


def _inside(held: PartitionBooks, progress: GroupProgress) -> int:
    """How many of the ledger's offsets lie in what the checker has read: all, less the tails on either side."""
    first, last = max(held.first, progress.start), min(held.last, progress.committed - 1)
    if first > last:
        return 0
    if first == held.first and last == held.last:
        return held.judged + held.dead - held.both
    named = sum(
        min(hole.last, last) - max(hole.first, first) + 1
        for hole in held.holes
        if hole.first <= last and hole.last >= first
    )
    return last - first + 1 - named


def _missing_ranges(held: PartitionBooks, progress: GroupProgress, ledger: int) -> list[Range]:
    """Where offsets are missing of what was read: before the ledger's first, in its holes, and after its last."""
    end = progress.committed - 1
    holes = [(hole.first, hole.last) for hole in held.holes]
    lacking = [(0, held.first - 1), *holes, (held.last + 1, end)] if ledger else [(0, end)]
    clipped = ((max(first, progress.start), min(last, end)) for first, last in lacking)
    return [Range(first=first, last=last) for first, last in clipped if first <= last]


def _advice(partitions: list[PartitionReconciliation], unknown: list[int]) -> list[str]:
    advice = []
    for part in partitions:
        if part.missing:
            advice.append(
                f"partition {part.partition}: {part.missing} offsets have neither decision nor dead letter "
                f"({_where(part.missing_ranges)}): look there in flowtrack.decisions; offsets of transaction markers, "
                f"where producers of events use transactions, are no records; else set the sink's group back to before "
                f"them"
            )
        if part.repeated_rows:
            advice.append(
                f"partition {part.partition}: {part.repeated_rows} rows stand more than once (offsets "
                f"{_where(part.repeated_ranges)}): stop the sink, and "
                f"find out whether two sinks of different groups wrote to this ledger"
            )
        if part.doubled:
            advice.append(
                f"partition {part.partition}: {part.doubled} offsets have a decision and a dead letter "
                f"({_where(part.doubled_ranges)}): the checker judged them differently after a restart; compare its "
                f"versions"
            )
        if part.in_flight:
            advice.append(f"partition {part.partition}: {part.in_flight} events are in flight: ask again in a moment")
        if part.unread:
            advice.append(
                f"partition {part.partition}: {part.unread} events wait for the checker: ask again in a moment, or see "
                f"whether it runs"
            )
    advice += [
        f"partition {number}: the ledger has rows of it and the checker's group has read none: check the topic"
        for number in unknown
    ]
    return advice


def _where(ranges: list[Range]) -> str:
    """The first of some ranges of offsets, in words."""
    told = ", ".join(f"{r.first} to {r.last}" if r.last > r.first else str(r.first) for r in ranges[:_RANGES_TOLD])
    return told or "beyond what was listed"
