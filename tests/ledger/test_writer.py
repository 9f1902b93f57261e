"""The sink's writer when things go wrong."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from flowtrack.audit.questions import Books
from flowtrack.errors import ContractError, StoreError
from flowtrack.testing.ledger import MemoryLedger
from flowtrack.tracking.draft import Draft
from flowtrack.tracking.intent import Intent, Promise
from flowtrack.tracking.ledger import LedgerWriter
from flowtrack.tracking.months import by_month
from flowtrack.tracking.parting import Parting
from flowtrack.tracking.records import Record, Topic
from flowtrack.tracking.rows import FLOWS, JUDGEMENTS, Block
from tests.ledger.day import START_MS, category, consent, decision, record, situation, subject_of

DECISIONS = [record(decision(n, category("provided.email")), n) for n in range(4)]
OTHERS = [record(decision(n, category("provided.email"), partition=1), n, partition=1) for n in range(4)]
MONTH_MS = 31 * 86_400_000
INTENT = Intent("batch-1", 0)


class FailingLedger(MemoryLedger):
    """Inserts fail as told: `before` nothing is there, `after` all is, `lost` only the token is remembered.

    With `silent` nobody hears of a loss, as when it comes to light only later.
    """

    def __init__(self, *faults: str) -> None:
        super().__init__()
        self.faults = list(faults)
        self.inserts: list[tuple[str, str]] = []

    def insert(self, block: Block, token: str, deadline_ms: int = 0) -> None:
        """Insert, or fail."""
        self.inserts.append((block.table, token))
        fault = self.faults.pop(0) if block.table == FLOWS and self.faults else ""
        if fault in {"lost", "silent"}:
            self._tokens.add((block.table, token))
        elif fault != "before":
            super().insert(block, token, deadline_ms)
        if fault and fault != "silent":
            raise StoreError("no answer", help="ask again")


def judged(ledger: MemoryLedger) -> list[tuple[int, int, int]]:
    """Offsets judged, missing, and rows too many."""
    return [(p.judged, p.missing, p.repeated_rows) for p in ledger.books(Books()).partitions]


@pytest.mark.parametrize("fault", ["before", "after", "lost"])
def test_a_checkpoint_in_doubt_comes_again_and_stands_once(fault: str) -> None:
    """Whatever became of the failed insert, the same records come again and their rows stand once."""
    ledger = FailingLedger(fault)
    writer = LedgerWriter(ledger, "run")
    with pytest.raises(StoreError):
        writer.process(DECISIONS)
    writer.aborted()
    writer.process(DECISIONS)
    assert judged(ledger) == [(4, 0, 0)]


@pytest.mark.parametrize("fault", ["before", "after", "lost"])
def test_a_promise_in_doubt_is_redone_once(fault: str) -> None:
    """Each partition's share of a failed batch is seen to by itself, also where the token was taken for nothing."""
    ledger = FailingLedger(fault)
    writer = LedgerWriter(ledger, "run")
    with pytest.raises(StoreError):
        writer.work([*DECISIONS, *OTHERS], INTENT)
    writer.aborted()
    LedgerWriter(ledger, "other").redo(1, OTHERS, INTENT)
    writer.redo(0, DECISIONS, INTENT)
    assert judged(ledger) == [(4, 0, 0), (4, 0, 0)]


def test_what_a_zombie_writes_after_its_share_was_redone_is_swallowed() -> None:
    """The new owner inserts under the same token, so the block of the one before, all partitions of it, adds nothing.

    The share that went under with it is found missing by its own new owner, and inserted under the next token.
    """
    ledger = MemoryLedger()
    LedgerWriter(ledger, "new").redo(0, DECISIONS, INTENT)
    LedgerWriter(ledger, "zombie").work([*DECISIONS, *OTHERS], INTENT)
    assert judged(ledger) == [(4, 0, 0)]
    LedgerWriter(ledger, "third").redo(1, OTHERS, INTENT)
    LedgerWriter(ledger, "fourth").redo(1, OTHERS, INTENT)
    assert judged(ledger) == [(4, 0, 0), (4, 0, 0)]


def test_tokens_that_were_remembered_without_their_rows_are_passed() -> None:
    """Acknowledged and missing: the next token of the chain is tried, the same for whoever comes."""
    ledger = FailingLedger("silent", "silent", "silent")
    LedgerWriter(ledger, "run").redo(0, DECISIONS, INTENT)
    assert judged(ledger) == [(4, 0, 0)]
    tokens = [token for table, token in ledger.inserts if table == FLOWS]
    assert tokens == ["batch-1:flows:202603", *(f"batch-1:flows:202603:0:{n}" for n in (1, 2, 3))]


def test_a_store_that_acknowledges_and_keeps_nothing_is_told() -> None:
    """The chain ends: an error says where, and nothing is skipped."""
    ledger = FailingLedger(*["silent"] * 20)
    with pytest.raises(StoreError, match="none of the rows"):
        LedgerWriter(ledger, "run").redo(0, DECISIONS, INTENT)


def test_an_insert_after_its_deadline_is_refused() -> None:
    """Who was asleep for longer than a takeover takes writes nothing when it wakes up."""
    ledger = MemoryLedger()
    with pytest.raises(StoreError, match="too late"):
        LedgerWriter(ledger, "zombie").work(DECISIONS, Intent("batch-1", START_MS))
    assert judged(ledger) == []


def test_a_share_over_two_months_is_redone_in_both() -> None:
    """What lies in another month is another block: one may be there and the other not."""
    turned = [DECISIONS[0], DECISIONS[1]._replace(timestamp_ms=START_MS + MONTH_MS)]
    ledger = FailingLedger("", "before")
    writer = LedgerWriter(ledger, "run")
    with pytest.raises(StoreError):
        writer.work(turned, INTENT)
    assert judged(ledger) == [(1, 0, 0)]
    writer.redo(0, turned, INTENT)
    assert judged(ledger) == [(2, 0, 0)]


def test_consents_are_redone_like_decisions() -> None:
    """A consent record's copy is a row of its own table, there once."""
    ledger = MemoryLedger()
    copies = [record(consent(n, subject_of(n)), n) for n in range(3)]
    for run in ("first", "second"):
        LedgerWriter(ledger, run).redo(0, copies, INTENT)
    LedgerWriter(ledger, "zombie").work(copies, INTENT)
    assert len(ledger.tables["consents"]) == 3


def test_no_token_is_used_twice_by_different_checkpoints() -> None:
    """Tokens differ between blocks and between runs: none can swallow what another wrote."""
    ledger = FailingLedger()
    for run in ("run1", "run2"):
        writer = LedgerWriter(ledger, run)
        for item in DECISIONS:
            writer.process([item])
    assert len(set(ledger.inserts)) == len(ledger.inserts)


@pytest.mark.parametrize("text", ["", "a", "@4", "a@", "a@b", "1.2.abc.3.4"])
def test_what_is_no_promise_is_none(text: str) -> None:
    """A note of another kind promises nothing."""
    assert Promise.read(text) is None
    assert Promise.read(Promise("a-1", 7).text()) == Promise("a-1", 7)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda item: item._replace(value=b"{"),
        lambda item: item._replace(value=b'{"type": "verdict"}'),
        lambda item: item._replace(value=b'{"type":"decision","event_id":"e-0-2"}'),
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
    """What was recorded in two months is two blocks, each in the order of the records, whatever their order."""
    instants = (START_MS, START_MS + MONTH_MS, START_MS + 2)
    assert by_month(instants, lambda at: at) == [
        (202603, [START_MS, START_MS + 2]),
        (202604, [START_MS + MONTH_MS]),
    ]


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


def test_decisions_are_kept_as_they_came() -> None:
    """A draft hands decisions on untouched; what else stands on the topic is taken apart."""
    draft = Draft({}, Parting())
    for item in (*DECISIONS, record(consent(5, subject_of(1)), 5)):
        draft.add(item)
    assert [each.record for each in draft.decisions] == DECISIONS
    assert [planned.month for planned in draft.consents()] == [202603]
