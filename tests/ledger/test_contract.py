"""What every ledger holds to, in memory or in the engine."""

from __future__ import annotations

from datetime import timedelta

import pytest

from flowtrack.adapters.clickhouse.ledger import ClickHouseLedger
from flowtrack.adapters.clickhouse.sink import SinkStore
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.audit.alerts import Alerts
from flowtrack.audit.ledger import Ledger
from flowtrack.audit.overview import Overview
from flowtrack.audit.questions import Books, DeadLetterList
from flowtrack.audit.trail import Trail
from flowtrack.domain.names import Verdict
from flowtrack.testing.ledger import MemoryLedger
from flowtrack.tracking.ledger import LedgerWriter
from flowtrack.tracking.rows import CONSENTS, FLOWS, block_of, flow_rows
from tests.ledger.conftest import ASKER, Both, clock
from tests.ledger.counting import rules_hit
from tests.ledger.day import START, START_MS, a_day, category, consent, decision, record, situation, subject_of

SUBJECT = subject_of(1)


def answers(ledger: Ledger) -> dict[str, object]:
    """Every answer that a ledger can give, for comparison."""
    noon, known = START + timedelta(seconds=40), START + timedelta(milliseconds=90)
    return {
        "trails": [ledger.ask(Trail(subject=subject_of(n)), asker=ASKER) for n in range(6)],
        "trail then": ledger.ask(Trail(subject=SUBJECT, as_of=noon, known_at=known), asker=ASKER),
        "overview": ledger.ask(Overview(events=True), asker=ASKER),
        "overview then": ledger.ask(Overview(events=True, as_of=noon, known_at=known), asker=ASKER),
        "alerts": ledger.ask(Alerts(), asker=ASKER),
        "open alerts": ledger.ask(Alerts(state="open"), asker=ASKER),
        "coverage": rules_hit(ledger),
        "coverage then": rules_hit(ledger, as_of=noon),
        "books": ledger.books(Books()),
        "two holes": ledger.books(Books(holes_max=2)),
        "dead letters": ledger.dead_letters(DeadLetterList()),
        "three dead letters": ledger.dead_letters(DeadLetterList(limit=3)),
        "consents": sorted(ledger.consents_all(), key=lambda consent: consent.id),
        "documents": ledger.documents(),
    }


def test_both_ledgers_give_the_same_answers(store: Store) -> None:
    """The same day written to memory and to the engine: every answer is the same, whatever is asked."""
    memory = MemoryLedger(clock)
    for each in (memory, SinkStore(store)):
        LedgerWriter(each, "run").process(a_day(150))
    real, expected = answers(ClickHouseLedger(store, clock=clock)), answers(memory)
    for name, answer in expected.items():
        assert real[name] == answer, name
    assert (memory.ask(Overview(events=True), asker=ASKER).events or 0) > 100


def test_a_trail_carries_what_was_decided_and_why(both: Both) -> None:
    """A step shows its categories with verdict, rules, clauses, reasons and the consent that carried each."""
    permitted = category("provided.email", consent="r-9")
    denied = category("provided.phone", Verdict.DENY)
    records = [record(situation(permitted), 0), record(decision(1, permitted, denied, subject=SUBJECT), 1)]
    LedgerWriter(both.store, "run").process(records)
    trail = both.ledger.ask(Trail(subject=SUBJECT), asker=ASKER)
    (step,) = trail.rows
    assert step.verdict == "deny"
    assert step.happened_at == START + timedelta(seconds=1, microseconds=7)
    email, phone = step.categories
    assert (email.consent, email.rules, email.clauses) == ("r-9", ["permit.provided.email"], ["3.1"])
    assert (phone.verdict, phone.severity, phone.reasons) == ("deny", "high", ["no_own_consent"])
    assert phone.situation == denied.situation


def test_a_trail_can_be_asked_as_it_was_known(both: Both) -> None:
    """After an amendment, the old answer is given to who asks what was known before it, the new one to all others."""
    first = decision(1, category("provided.email", Verdict.DENY), subject=SUBJECT)
    LedgerWriter(both.store, "run").process([record(situation(category("provided.email")), 0), record(first, 1)])
    later = record(first, 9, at_ms=START_MS + 86_400_000)
    amended = first.model_copy(update={"revision": 1, "categories": [category("provided.email")]})
    retraction = [(*row[:5], -1, *row[6:]) for row in flow_rows(first, later)]
    both.store.insert(block_of(FLOWS, [*retraction, *flow_rows(amended, later)]), "amendment")
    now = both.ledger.ask(Trail(subject=SUBJECT), asker=ASKER).rows
    then = START + timedelta(hours=12)
    before = both.ledger.ask(Trail(subject=SUBJECT, known_at=then), asker=ASKER).rows
    assert [(step.verdict, step.categories[0].revision) for step in now] == [("permit", 1)]
    assert [(step.verdict, step.categories[0].revision) for step in before] == [("deny", 0)]
    assert both.ledger.ask(Overview(), asker=ASKER).flows == 1
    assert both.ledger.books(Books()).partitions[0].repeated_rows == 0


def test_a_trail_can_be_asked_as_of_an_instant(both: Both) -> None:
    """What happened later is not in it, to the microsecond."""
    LedgerWriter(both.store, "run").process(
        [record(decision(n, category("provided.email"), subject=SUBJECT), n) for n in range(5)]
    )
    at = START + timedelta(seconds=2, microseconds=7)
    exactly = both.ledger.ask(Trail(subject=SUBJECT, as_of=at), asker=ASKER).rows
    just_before = both.ledger.ask(Trail(subject=SUBJECT, as_of=at - timedelta(microseconds=1)), asker=ASKER).rows
    assert [step.offset for step in exactly] == [0, 1, 2]
    assert [step.offset for step in just_before] == [0, 1]


def test_a_token_inserts_once(both: Both) -> None:
    """The same block under the same token adds nothing; under another it is the writer's fault and adds rows."""
    block = block_of(FLOWS, flow_rows(decision(1, category("provided.email")), record(decision(1), 1)))
    both.store.insert(block, "a")
    both.store.insert(block, "a")
    assert both.ledger.books(Books()).partitions[0].repeated_rows == 0
    both.store.insert(block, "b")
    assert both.ledger.books(Books()).partitions[0].repeated_rows == 1


def test_the_ledger_knows_which_offsets_it_holds(both: Both) -> None:
    """What was recorded of a partition since an instant comes back, flows and consents apart and each epoch apart."""
    writer = LedgerWriter(both.store, "run")
    offsets = (3, 4, 9)
    writer.process([record(decision(n, category("provided.email")), n) for n in offsets])
    writer.process([record(decision(0, category("provided.email"), epoch="life2"), 10)])
    writer.process([record(consent(5, SUBJECT), 11)])
    held = both.store.held(FLOWS, 0, START_MS)
    assert held["life1", 0].high == 9
    assert held["life1", 0].gaps() == [(5, 8)]
    assert held["life2", 0].gaps() == []
    assert both.store.held(CONSENTS, 0, START_MS)["life1", 0].high == 5
    late = both.store.held(FLOWS, 0, START_MS + 4)
    assert late["life1", 0].gaps() == [(5, 8)]
    assert both.store.held(FLOWS, 1, START_MS) == both.store.held(FLOWS, 0, START_MS + 11) == {}


def test_an_event_without_categories_has_a_row(both: Both) -> None:
    """An erasure that names no category still takes its offset, so that the books balance."""
    LedgerWriter(both.store, "run").process([record(decision(0, subject=SUBJECT), 0)])
    assert both.ledger.books(Books()).partitions[0].judged == 1
    (step,) = both.ledger.ask(Trail(subject=SUBJECT), asker=ASKER).rows
    assert step.categories == []


def test_consents_come_back_as_they_were(both: Both) -> None:
    """A consent record that a new broker is started with is the one that was applied, to the microsecond, and once."""
    original = consent(3, SUBJECT)
    restored = consent(0, SUBJECT, event_id=original.event_id, epoch="life2")
    again = restored.model_copy(update={"data": original.data, "valid_from": original.valid_from})
    LedgerWriter(both.store, "run").process([record(original, 1), record(again, 0)])
    (back,) = both.ledger.consents_all()
    assert back.data == original.data
    assert (back.id, back.subject, back.time) == (original.event_id, SUBJECT, original.valid_from)


def test_a_repeated_category_is_one_flow(both: Both) -> None:
    """An event that names a category twice has one row of it."""
    twice = decision(0, category("provided.email"), category("provided.email"))
    LedgerWriter(both.store, "run").process([record(twice, 0)])
    assert both.ledger.books(Books()).flows == 1


def test_a_question_about_a_subject_is_written_down(store: Store) -> None:
    """Who asked, when, about whom and with which times stands in audit_log, also when there was nothing to tell."""
    ClickHouseLedger(store, clock=clock).ask(Trail(subject=SUBJECT, as_of=START), asker=ASKER)
    ((asker, question, subject, parameters),) = store.rows("SELECT asker, question, subject, parameters FROM audit_log")
    assert (asker, question, subject.hex) == ("jo", "trail", SUBJECT)
    assert "as_of" in parameters


@pytest.mark.parametrize(("lag", "known"), [(lambda: 7, 7), (lambda: None, None)])
def test_an_answer_says_how_far_the_ledger_lags(store: Store, lag: object, known: int | None) -> None:
    """The lag stands in each answer where it is known, and is said to be unknown where not."""
    LedgerWriter(SinkStore(store), "run").process(a_day(20))
    ledger = ClickHouseLedger(store, clock=clock, lag=lag)  # type: ignore[arg-type]  # functions of no arguments
    completeness = ledger.ask(Overview(), asker=ASKER).about.completeness
    assert completeness.lag_records == known
    assert completeness.complete_up_to is not None
