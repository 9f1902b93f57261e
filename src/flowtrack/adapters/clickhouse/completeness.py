"""How far the ledger has come: what every answer and every copy says of itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from flowtrack.adapters.clickhouse import statements as sql
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.audit.answers import CompleteUpTo
from flowtrack.domain.instants import from_us
from flowtrack.tracking.rows import ALERTS, CONSENTS, DOCUMENTS, FLOWS

Progress = Sequence[tuple[str, int, int]]
"""Epoch, partition and newest instant (ms) of what came of each partition, the slowest first."""


class HowFar(NamedTuple):
    """How far the ledger has come."""

    progress: Progress
    newest_ms: int | None
    """When the newest of all but flows was recorded."""
    judging_ms: int | None
    """When that was recorded by which something is being judged anew now."""


def how_far(store: Store) -> HowFar:
    """Give how far the ledger has come; where only this process writes, only what it wrote since is asked anew."""
    kept = store.kept
    return HowFar(
        kept.fact("progress", (FLOWS,), lambda: _progress_of(store)),
        kept.fact("newest", (CONSENTS, DOCUMENTS, ALERTS), lambda: _only(store, sql.NEWEST)),
        kept.fact("judging", ("rejudging",), lambda: _only(store, sql.JUDGING_SINCE)),
    )


def completeness(store: Store, lag_records: int | None, come: HowFar | None = None) -> CompleteUpTo:
    """All partitions have come at least as far as the slowest; without lag, as far as the newest row.

    While something is judged anew, answers are complete up to right before it was learned.

    Args:
        store: open.
        lag_records: decisions that are not in the ledger yet; None where that is not known.
        come: how far the ledger has come, where it was asked for already.
    """
    progress, _, judging_ms = how_far(store) if come is None else come
    if not progress:
        return CompleteUpTo(lag_records=lag_records)
    epoch = progress[-1][0]
    of_epoch = [at_ms for its, _, at_ms in progress if its == epoch]
    at_ms = of_epoch[-1] if lag_records == 0 else of_epoch[0]
    if judging_ms is not None:  # what was learned then has not reached every row yet
        at_ms = min(at_ms, judging_ms - 1)
    return CompleteUpTo(complete_up_to=from_us(at_ms * 1000), lag_records=lag_records)


def _progress_of(store: Store) -> Progress:
    return [(epoch, partition, at_ms) for epoch, partition, at_ms in store.rows(sql.PROGRESS)]


def _only(store: Store, statement: str) -> int | None:
    found = store.rows(statement)
    return found[0][0] if found else None
