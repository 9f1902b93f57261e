"""The sink's writer when things go wrong."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from flowtrack.audit.questions import Books
from flowtrack.errors import ContractError, StoreError
from flowtrack.testing.ledger import MemoryLedger
from flowtrack.tracking.ledger import BLOCK_ROWS_MAX, Draft, LedgerWriter
from flowtrack.tracking.records import Record, Topic
from flowtrack.tracking.rows import COLUMNS, FLOWS, JUDGEMENTS, Block
from tests.ledger.day import START_MS, category, decision, record, situation

DECISIONS = [record(decision(n, category("provided.email")), n) for n in range(4)]
MONTH_MS = 31 * 86_400_000


class FailingLedger(MemoryLedger):
    """Inserts fail as told: `before` nothing is there, `after` all is, `lost` only the token is remembered."""

    def __init__(self, *faults: str) -> None:
        super().__init__()
        self.faults = list(faults)
        self.inserts: list[tuple[str, str]] = []

    def insert(self, block: Block, token: str) -> None:
        """Insert, or fail."""
        self.inserts.append((block.table, token))
        fault = self.faults.pop(0) if block.table == FLOWS and self.faults else ""
        if fault == "lost":
            self._tokens.add((block.table, token))
        elif fault != "before":
            super().insert(block, token)
        if fault:
            raise StoreError("no answer", help="ask again")


def judged(ledger: MemoryLedger) -> list[tuple[int, int, int]]:
    """Offsets judged, missing, and rows too many."""
    return [(p.judged, p.missing, p.repeated_rows) for p in ledger.books(Books()).partitions]


@pytest.mark.parametrize("fault", ["before", "after"])
def test_an_insert_in_doubt_is_done_once(fault: str) -> None:
    """Whether the failed insert wrote its rows or not, they stand once afterwards."""
    ledger = FailingLedger(fault)
    LedgerWriter(ledger, "run").process(DECISIONS)
    assert judged(ledger) == [(4, 0, 0)]


def test_a_block_that_was_swallowed_is_written_under_another_token() -> None:
    """The engine remembers the token and has lost the rows: the batch is undone, and comes again as new."""
    ledger = FailingLedger("lost")
    writer = LedgerWriter(ledger, "run")
    with pytest.raises(StoreError, match="taken for a repeat"):
        writer.process(DECISIONS)
    writer.aborted()
    writer.process(DECISIONS)
    assert judged(ledger) == [(4, 0, 0)]


def test_a_store_that_stays_away_undoes_the_batch() -> None:
    """After the second failure the writer gives up, and the same records are written when they come again."""
    ledger = FailingLedger("before", "before")
    writer = LedgerWriter(ledger, "run")
    with pytest.raises(StoreError):
        writer.process(DECISIONS)
    assert judged(ledger) == []
    writer.aborted()
    writer.process(DECISIONS)
    assert judged(ledger) == [(4, 0, 0)]


def test_no_token_is_used_twice_by_different_blocks() -> None:
    """Tokens differ between blocks and between runs: none can swallow what another wrote."""
    ledger = FailingLedger()
    for run in ("run1", "run2"):
        writer = LedgerWriter(ledger, run)
        for item in DECISIONS:
            writer.process([item])
    assert len(set(ledger.inserts)) == len(ledger.inserts)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda item: item._replace(value=b"{"),
        lambda item: item._replace(value=b'{"type": "verdict"}'),
        lambda item: item._replace(topic=Topic.DEADLETTERS),
        lambda item: item._replace(topic=Topic.EVENTS),
    ],
)
def test_what_cannot_be_read_stops_the_batch(spoil: Callable[[Record], Record]) -> None:
    """Nothing of a batch with an unreadable record is written; the error says where it stood and holds no value."""
    ledger = MemoryLedger()
    with pytest.raises(ContractError) as refused:
        LedgerWriter(ledger, "run").process([*DECISIONS[:2], spoil(DECISIONS[2])])
    assert judged(ledger) == []
    assert "/0 at 2" in refused.value.where
    assert DECISIONS[2].value is not None
    assert "e-0-2" not in str(refused.value)


def test_a_tombstone_makes_no_row() -> None:
    """A record without a value says that something was removed: the ledger keeps what was."""
    ledger = MemoryLedger()
    LedgerWriter(ledger, "run").process([Record(Topic.ALERTS, 0, 0, START_MS, b"a", None)])
    assert ledger.tables["alerts"] == []


def test_a_block_is_of_one_month_of_recording() -> None:
    """Rows recorded in two months go into two blocks, in the order of the records: each is one part of the table."""
    draft = Draft({"flows": {}, "consents": {}}, {})
    for n, at_ms in enumerate((START_MS, START_MS + 1, START_MS + MONTH_MS, START_MS + 2)):
        draft.add(record(decision(n, category("provided.email")), n, at_ms=at_ms))
    blocks = [block for block in draft.blocks() if block.table == FLOWS]
    assert [block.columns["source_offset"] for block in blocks] == [[0, 1], [2], [3]]


def test_a_block_is_bounded() -> None:
    """More rows than a block may have make several, and none is lost between them."""
    draft = Draft({"flows": {}, "consents": {}}, {})
    item = record(decision(0), 0)
    row = tuple(START_MS if name == "recorded_at" else None for name in COLUMNS[FLOWS])
    draft.add(item)
    draft._rows[FLOWS] = [row] * (BLOCK_ROWS_MAX + 1)
    assert [block.rows for block in draft.blocks()] == [BLOCK_ROWS_MAX, 1]


def test_a_judgement_is_written_once_and_completed_by_its_definition() -> None:
    """A decision that comes before its situation's definition brings the judgement; the definition adds the rest."""
    ledger = MemoryLedger()
    writer = LedgerWriter(ledger, "run")
    writer.process(DECISIONS)
    assert list(ledger.situations().values()) == [False]
    definition = record(situation(category("provided.email")), 9)
    writer.process([definition])
    writer.process([definition, *DECISIONS])
    assert list(ledger.situations().values()) == [True]
    assert len(ledger.tables[JUDGEMENTS]) == 2
