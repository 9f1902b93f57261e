"""Services' own repeats: the same source and id counts once, wherever and whenever it comes again."""

from __future__ import annotations

import pytest

from flowtrack.audit.overview import Overview
from flowtrack.audit.questions import Books
from flowtrack.audit.trail import Trail
from flowtrack.domain.decision import Decision
from flowtrack.tracking.intent import Intent
from flowtrack.tracking.ledger import LedgerWriter
from flowtrack.tracking.records import Record
from tests.ledger.conftest import ASKER, Both
from tests.ledger.day import category, decision, record, subject_of

SUBJECT = subject_of(1)


def published(offset: int, event_id: str, *, suspect: bool, service: str = "shop") -> Record:
    """The decision on an event, as a service published it at an offset."""
    made: Decision = decision(offset, category("provided.email"), subject=SUBJECT)
    changed = {"event_id": event_id, "suspect": suspect, "service": service}
    return record(made.model_copy(update=changed), offset)


FIRST = published(0, "a", suspect=False)
REPEAT = published(1, "a", suspect=True)


@pytest.mark.parametrize("batches", [[[FIRST, REPEAT]], [[FIRST], [REPEAT]]])
def test_a_repeat_counts_once_and_is_in_the_books(both: Both, batches: list[list[Record]]) -> None:
    """In one batch or in two: no sum and no trail has it, and its offset is not missing."""
    writer = LedgerWriter(both.store, "run")
    for number, batch in enumerate(batches):
        writer.work(batch, Intent(f"batch-{number}", 0))
    assert both.ledger.ask(Overview(), asker=ASKER).flows == 1
    assert [event.offset for event in both.ledger.ask(Trail(subject=SUBJECT), asker=ASKER).rows] == [0]
    (part,) = both.ledger.books(Books()).partitions
    assert (part.judged, part.missing, part.repeated_rows) == (2, 0, 0)


@pytest.mark.parametrize(
    "other",
    [
        published(1, "b", suspect=True),
        published(1, "a", suspect=True, service="app"),
        published(1, "a", suspect=False),
    ],
)
def test_what_is_no_repeat_counts(both: Both, other: Record) -> None:
    """Another id, another service's event, or one that the checker vouches for."""
    LedgerWriter(both.store, "run").work([FIRST, other], Intent("batch", 0))
    assert both.ledger.ask(Overview(), asker=ASKER).flows == 2


def test_the_first_of_its_kind_counts_also_when_it_is_suspect(both: Both) -> None:
    """After a takeover everything is suspect: what nothing came before is no repeat."""
    suspect = published(0, "a", suspect=True)
    LedgerWriter(both.store, "run").work([suspect, REPEAT, published(2, "a", suspect=True)], Intent("batch", 0))
    assert both.ledger.ask(Overview(), asker=ASKER).flows == 1


def test_a_share_that_is_redone_decides_the_same(both: Both) -> None:
    """The rows that the batch itself has written are not taken for what came before it."""
    intent = Intent("batch", 0)
    LedgerWriter(both.store, "first").work([FIRST, REPEAT], intent)
    LedgerWriter(both.store, "second").redo(0, [FIRST, REPEAT], intent)
    late = [published(3, "c", suspect=True), published(4, "c", suspect=True)]
    LedgerWriter(both.store, "third").redo(0, late, Intent("batch-2", 0))
    LedgerWriter(both.store, "fourth").redo(0, late, Intent("batch-2", 0))
    assert both.ledger.ask(Overview(), asker=ASKER).flows == 2
    (part,) = both.ledger.books(Books()).partitions
    assert (part.judged, part.repeated_rows) == (4, 0)
