"""Repeats are dropped, whatever cut the work and wherever it starts again."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from flowtrack.audit.questions import Books
from flowtrack.testing.ledger import MemoryLedger
from flowtrack.tracking.ledger import LedgerWriter
from flowtrack.tracking.offsets import WINDOW_OFFSETS, Offsets
from flowtrack.tracking.records import Record
from flowtrack.tracking.rows import ALERTS, CONSENTS, DEAD_LETTERS, DOCUMENTS, FLOWS
from tests.ledger.day import a_day, category, decision, record

DAY = a_day(60)
_RUN_LENGTHS = st.lists(st.integers(1, 40), min_size=1, max_size=12)


def rows_of(ledger: MemoryLedger) -> dict[str, list[str]]:
    """All rows but judgements' and what is written again without harm, without their order."""
    once = {table: sorted(map(repr, ledger.tables[table])) for table in (FLOWS, CONSENTS)}
    keyed = {table: sorted(set(map(repr, ledger.tables[table]))) for table in (DEAD_LETTERS, ALERTS, DOCUMENTS)}
    return once | keyed


def undisturbed() -> dict[str, list[str]]:
    """The ledger of the day, written in one go."""
    ledger = MemoryLedger()
    LedgerWriter(ledger, "run").process(DAY)
    return rows_of(ledger)


@given(lengths=_RUN_LENGTHS, back=st.lists(st.integers(0, 50), min_size=12, max_size=12), data=st.data())
def test_any_cut_and_any_repeated_suffix_give_the_same_ledger(
    lengths: list[int], back: list[int], data: st.DataObject
) -> None:
    """Batches of any size, after each of which the source goes back by any number of records, also in new runs."""
    ledger = MemoryLedger()
    writer, at = LedgerWriter(ledger, "run"), 0
    for number, (length, step_back) in enumerate(zip(lengths, back, strict=False)):
        writer.process(DAY[at : at + length])
        at = max(0, min(at + length, len(DAY)) - step_back)
        if data.draw(st.booleans()):
            writer = LedgerWriter(ledger, f"run{number}")  # killed before the commit
        else:
            writer.aborted()
    writer.process(DAY[at:])
    assert rows_of(ledger) == undisturbed()


@given(order=st.permutations(range(8)))
def test_a_late_decision_is_no_repeat(order: Sequence[int]) -> None:
    """Decisions that come in any order, and all of them again, stand once each."""
    ledger = MemoryLedger()
    writer = LedgerWriter(ledger, "run")
    for at, offset in enumerate([*order, *reversed(order)]):
        writer.process([record(decision(offset, category("provided.email")), at)])
    (part,) = ledger.books(Books()).partitions
    assert (part.judged, part.missing, part.repeated_rows) == (8, 0, 0)


def test_a_new_life_of_the_broker_begins_anew() -> None:
    """The same offsets in another epoch are other events."""
    ledger = MemoryLedger()
    writer = LedgerWriter(ledger, "run")
    for epoch in ("life1", "life2"):
        writer.process([record(decision(n, category("provided.email"), epoch=epoch), n) for n in range(3)])
    assert [part.judged for part in ledger.books(Books()).partitions] == [3, 3]


def test_a_restored_state_behaves_as_the_one_that_wrote_it() -> None:
    """A writer that asks the ledger anew takes and drops exactly what the first one would."""
    ledger = MemoryLedger()
    LedgerWriter(ledger, "run1").process(DAY)
    before = rows_of(ledger)
    writer = LedgerWriter(ledger, "run2")
    writer.assigned(0, ())
    writer.process(DAY)
    assert rows_of(ledger) == before


@given(st.lists(st.integers(0, 60)))
def test_offsets_behave_as_a_set(offsets: list[int]) -> None:
    """Taking is true exactly for what was not taken before; gaps are exactly what is missing below the highest."""
    have, model = Offsets(), set[int]()
    for offset in offsets:
        assert have.holds(offset) == (offset in model)
        assert have.take(offset) == (offset not in model)
        model.add(offset)
    missing = {offset for first, last in have.gaps() for offset in range(first, last + 1)}
    assert missing == set(range(max(model, default=-1))) - model


def test_gaps_far_below_are_forgotten() -> None:
    """What is remembered is bounded: an offset further back than anything in flight counts as held."""
    have = Offsets()
    for offset in (10, WINDOW_OFFSETS * 3, WINDOW_OFFSETS * 3 + 5):
        have.take(offset)
    have.take(WINDOW_OFFSETS * 6)
    assert not have.take(3)
    assert have.take(WINDOW_OFFSETS * 6 - 1)


def repeated(records: list[Record]) -> list[Record]:
    """Each record twice in a row."""
    return [each for item in records for each in (item, item)]


def test_a_repeat_within_a_batch_is_dropped() -> None:
    """A record that stands twice in one batch makes its rows once."""
    ledger = MemoryLedger()
    LedgerWriter(ledger, "run").process(repeated(DAY))
    assert rows_of(ledger) == undisturbed()
