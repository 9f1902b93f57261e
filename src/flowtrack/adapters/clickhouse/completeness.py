"""How far the ledger has come: what every answer and every copy says of itself."""

from __future__ import annotations

from collections.abc import Sequence

from flowtrack.adapters.clickhouse import statements as sql
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.audit.answers import CompleteUpTo
from flowtrack.domain.instants import from_us

Progress = Sequence[tuple[str, int, int]]
"""Epoch, partition and newest instant (ms) of what came of each partition, the slowest first."""


def progress_of(store: Store) -> Progress:
    """Give how far each partition has come."""
    return [(epoch, partition, at_ms) for epoch, partition, at_ms in store.rows(sql.PROGRESS)]


def completeness(store: Store, lag_records: int | None, progress: Progress | None = None) -> CompleteUpTo:
    """All partitions have come at least as far as the slowest; without lag, as far as the newest row.

    While something is judged anew, answers are complete up to right before it was learned.

    Args:
        store: open.
        lag_records: decisions that are not in the ledger yet; None where that is not known.
        progress: where it was asked for already.
    """
    newest = progress_of(store) if progress is None else progress
    if not newest:
        return CompleteUpTo(lag_records=lag_records)
    epoch = newest[-1][0]
    of_epoch = [at_ms for its, _, at_ms in newest if its == epoch]
    at_ms = of_epoch[-1] if lag_records == 0 else of_epoch[0]
    for (judging_ms,) in store.rows(sql.JUDGING_SINCE):  # what was learned then has not reached every row yet
        at_ms = min(at_ms, judging_ms - 1)
    return CompleteUpTo(complete_up_to=from_us(at_ms * 1000), lag_records=lag_records)
