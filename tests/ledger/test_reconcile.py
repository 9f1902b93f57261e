"""Reconciliation: what was read against what the ledger holds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtrack.audit.questions import Books
from flowtrack.testing.ledger import MemoryLedger
from flowtrack.tracking.ledger import LedgerWriter
from flowtrack.tracking.reconcile import GroupProgress, Reconciliation, reconcile
from flowtrack.tracking.rows import FLOWS, block_of, flow_rows
from tests.ledger.conftest import Both
from tests.ledger.day import EPOCH, category, dead_letter, decision, record


def outcome(both: Both, committed: int, *, start: int = 0, sink_lag: int = 0) -> Reconciliation:
    """The books of partition 0 against what the checker has read."""
    progress = {0: GroupProgress(start, committed)}
    return reconcile(both.ledger.books(Books()), epoch=EPOCH, checker=progress, sink_lag_records=sink_lag)


def write(both: Both, *offsets: int, dead: tuple[int, ...] = ()) -> None:
    """Write decisions and dead letters at these offsets."""
    records = [record(decision(n, category("provided.email")), n) for n in offsets]
    records += [record(dead_letter(n), n) for n in dead]
    LedgerWriter(both.store, "run").process(records)


def test_books_balance(both: Both) -> None:
    """Every offset has a decision or a dead letter, and each stands once."""
    write(both, 0, 1, 3, 4, dead=(2,))
    found = outcome(both, 5)
    assert found.balanced
    assert found.settled
    assert (found.events, found.decisions, found.dead_letters, found.ledger) == (5, 4, 1, 5)
    assert found.advice == []


@pytest.mark.parametrize(
    ("there", "missing"), [((0, 1, 4), [(2, 3)]), ((1, 2, 3, 4), [(0, 0)]), ((0, 1, 2), [(3, 4)]), ((), [(0, 4)])]
)
def test_a_planted_hole_is_found(both: Both, there: tuple[int, ...], missing: list[tuple[int, int]]) -> None:
    """Offsets without decision or dead letter are named, at the beginning, inside, at the end, or all."""
    write(both, *there)
    found = outcome(both, 5)
    assert not found.balanced
    assert [(hole.first, hole.last) for hole in found.partitions[0].missing_ranges] == missing
    assert found.missing == 5 - len(there)
    assert "partition 0" in found.advice[0]


def test_a_planted_repeat_is_found(both: Both) -> None:
    """A row that stands twice is counted, although every offset is there."""
    write(both, 0, 1)
    item = decision(1, category("provided.email"))
    both.store.insert(block_of(FLOWS, flow_rows(item, record(item, 7))), "planted")
    found = outcome(both, 2)
    assert not found.balanced
    assert (found.missing, found.repeated_rows) == (0, 1)
    assert "more than once (offsets 1)" in found.advice[0]


def test_an_offset_with_both_is_found(both: Both) -> None:
    """A decision and a dead letter for the same offset is one too many."""
    write(both, 0, 1, dead=(1,))
    found = outcome(both, 2)
    assert not found.balanced
    assert found.partitions[0].doubled == 1
    assert "a decision and a dead letter (1)" in found.advice[0]


def test_what_is_in_flight_is_not_missing(both: Both) -> None:
    """While the sink has records to read, what is not there yet is on its way, and is said so."""
    write(both, 0, 1)
    found = outcome(both, 5, sink_lag=3)
    assert found.balanced
    assert not found.settled
    assert found.in_flight == 3
    assert "in flight" in found.advice[0]


def test_what_was_judged_and_not_committed_is_beyond(both: Both) -> None:
    """A checker that died before its commit judges again; until then the ledger is ahead of it, which is no fault."""
    write(both, 0, 1, 2)
    found = outcome(both, 2)
    assert found.balanced
    assert found.partitions[0].beyond == 1


def test_a_partition_that_nobody_reads_is_named(both: Both) -> None:
    """Rows of a partition that the checker's group does not know do not pass unseen."""
    LedgerWriter(both.store, "run").process([record(decision(0, category("provided.email"), partition=3), 0)])
    found = reconcile(both.ledger.books(Books()), epoch=EPOCH, checker={}, sink_lag_records=0)
    assert not found.balanced
    assert "partition 3" in found.advice[0]


@given(
    judged=st.sets(st.integers(0, 30)),
    dead=st.sets(st.integers(0, 30)),
    start=st.integers(0, 10),
    length=st.integers(0, 25),
)
def test_missing_is_exactly_what_is_missing(judged: set[int], dead: set[int], start: int, length: int) -> None:
    """Whatever the ledger holds and the checker has read: the ranges named are the offsets without either."""
    memory = MemoryLedger()
    both = Both(memory, memory)
    write(both, *sorted(judged), dead=tuple(sorted(dead)))
    found = outcome(both, start + length, start=start)
    expected = set(range(start, start + length)) - judged - dead
    part = found.partitions[0]
    named = {n for hole in part.missing_ranges for n in range(hole.first, hole.last + 1)}
    assert named == expected
    assert part.missing == len(expected)
    assert found.balanced == (not expected and not judged & dead)
