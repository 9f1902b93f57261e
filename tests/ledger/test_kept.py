"""What a process keeps of its own ledger: given again only as if it had been asked anew, and for less."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from flowtrack.adapters.clickhouse.ledger import ClickHouseLedger
from flowtrack.adapters.clickhouse.lines import Line, Lines
from flowtrack.adapters.clickhouse.sink import SinkStore
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.adapters.clickhouse.touched import Touched
from flowtrack.audit.audit_log import AuditLog
from flowtrack.audit.consent_proof import ConsentProof
from flowtrack.audit.erasure import Erase
from flowtrack.audit.family import Question
from flowtrack.audit.graph import Graph, SubjectGraph
from flowtrack.audit.overview import Overview
from flowtrack.audit.received import Received
from flowtrack.audit.trail import Trail
from flowtrack.audit.use import Use
from flowtrack.audit.violations import Violations
from flowtrack.errors import StoreError
from flowtrack.testing.ledger import MemoryLedger
from flowtrack.tracking.ledger import LedgerWriter
from flowtrack.tracking.rows import FLOWS
from tests.ledger.conftest import ASKER, clock
from tests.ledger.day import START, a_day, alert, category, decision, record, subject_of
from tests.ledger.keeping import filled, keeper_of, write

pytestmark = pytest.mark.embedded
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
QUESTIONS: Sequence[Question[Any]] = (
    Received(),
    Received(category="provided"),
    Received(since=LONG_AGO, until=LONG_AGO + timedelta(days=1)),
    Received(limit=1),
    Use(),
    Overview(),
    Overview(category="provided.email"),
    Graph(),
    Violations(limit=3),
    Violations(since=START, until=START + timedelta(hours=1)),
    Trail(subject=subject_of(1)),
    Trail(subject=subject_of(2), category="provided.email"),
    ConsentProof(subject=subject_of(1)),
    SubjectGraph(subject=subject_of(3)),
    Trail(subject=subject_of(4), known_at=START + timedelta(seconds=1)),
)


class Counted:
    """A ledger over a store whose statements are counted."""

    def __init__(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ledger = ClickHouseLedger(store, clock=clock)
        self.statements = 0
        for name in ("rows", "named", "insert"):
            monkeypatch.setattr(store, name, self._counting(getattr(store, name)))

    def cost(self, question: Question[Any]) -> int:
        """How many statements an answer takes."""
        before = self.statements
        self.ledger.ask(question, asker=ASKER)
        return self.statements - before

    def _counting(self, run: Callable[..., Any]) -> Callable[..., Any]:
        def counting(*given: Any, **named: Any) -> Any:
            self.statements += 1
            return run(*given, **named)

        return counting


def test_between_writes_every_answer_is_as_if_asked_anew(store: Store) -> None:
    """However writes and questions follow each other, answers are those of a ledger that keeps nothing."""
    expected, ledger = MemoryLedger(clock), ClickHouseLedger(store, clock=clock)
    ways = [LedgerWriter(SinkStore(store), "run"), LedgerWriter(expected, "run")]
    records = a_day(90)
    for first in range(0, len(records), 40):
        for way in ways:
            way.process(records[first : first + 40])
        for question in QUESTIONS:
            right = expected.ask(question, asker=ASKER)
            given = [ledger.ask(question, asker=ASKER) for _ in range(2)]
            assert given == [right, right]


def test_pages_of_an_answer_given_again_go_on(store: Store) -> None:
    """The cursor of a kept answer carries what is known now, and the next page follows from it."""
    filled(store)
    ledger = ClickHouseLedger(store, clock=clock)
    question = Violations(limit=3)
    before = ledger.ask(question, asker=ASKER)
    write(store, [record(alert(count=9), 10_000)])  # known later than all, and of no violation
    again = ledger.ask(question, asker=ASKER)
    assert (again.rows, again.about.id != before.about.id) == (before.rows, True)
    behind = ledger.ask(Violations(limit=3, after=again.about.completeness.after), asker=ASKER)
    whole = ledger.ask(Violations(limit=1_000), asker=ASKER)
    assert [*again.rows, *behind.rows] == whole.rows[:6]
    assert behind.about.id == again.about.id


def test_an_answer_given_again_takes_no_statement(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """While nothing is written, an answer costs its line in the log of questions alone, where it has one."""
    filled(store)
    counted = Counted(store, monkeypatch)
    for question in (each for each in QUESTIONS if each.since != LONG_AGO):
        assert counted.cost(question) > int(question.written_down), question.family
        assert counted.cost(question) == int(question.written_down), question.family


def test_what_a_write_is_not_about_stays(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """After rows of one subject and day, what is asked of others takes but how far the ledger has come."""
    filled(store)
    counted = Counted(store, monkeypatch)
    early = {"since": START, "until": START + timedelta(hours=1)}
    touched: list[Question[Any]] = [
        Trail(subject=subject_of(1)),
        Received(recipient="acme"),
        Overview(),
        Graph(),
        Use(service="shop"),
    ]
    untouched: list[Question[Any]] = [
        Trail(subject=subject_of(2)),
        Received(**early),
        Overview(**early),
        Violations(**early),
        Use(**early),
    ]
    asked: list[Question[Any]] = [*touched, *untouched]
    for question in asked:
        counted.cost(question)
    later = decision(9_000, category("provided.email"), subject=subject_of(1), happened_at=START + timedelta(days=1))
    write(store, [record(later, 9_000)])
    counted.cost(Graph())  # looks at how far the ledger has come
    for question in untouched:
        assert counted.cost(question) == int(question.written_down), question.family
    for question in touched[:3]:
        assert counted.cost(question) > int(question.written_down), question.family


def test_nothing_is_given_again_while_a_write_may_change_it(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the beginning of a write to its end, whom it is about is asked anew, and others are not."""
    filled(store)
    counted = Counted(store, monkeypatch)
    about, other = Trail(subject=subject_of(1)), Trail(subject=subject_of(2))
    for question in (about, other):
        counted.cost(question)
    with store.kept.writing(FLOWS, Touched(subjects=frozenset({subject_of(1)}))):
        counted.cost(Graph())  # looks at how far the ledger has come
        for _ in range(2):
            assert counted.cost(about) > int(about.written_down)
        assert counted.cost(other) == int(other.written_down)
    assert counted.cost(about) > int(about.written_down)
    assert counted.cost(about) == int(about.written_down)


def test_the_erased_are_in_no_kept_answer(store: Store) -> None:
    """Once an erasure has been asked for, no answer that was kept tells of the subject."""
    filled(store)
    ledger = ClickHouseLedger(store, clock=clock)
    who = subject_of(3)
    assert ledger.ask(Trail(subject=who), asker=ASKER).rows
    found = ledger.ask(Violations(limit=1_000), asker=ASKER)
    assert who in {row.subject for row in found.rows}
    keeper_of(store).erase(Erase(subjects=(who,), reason="asked for by the subject"), asker="desk")
    assert not ledger.ask(Trail(subject=who), asker=ASKER).rows
    assert who not in {row.subject for row in ledger.ask(Violations(limit=1_000), asker=ASKER).rows}


def test_each_answer_given_again_has_its_line(store: Store) -> None:
    """A question is in the log as often as it was asked, kept or not."""
    filled(store)
    ledger = ClickHouseLedger(store, clock=clock)
    for _ in range(3):
        ledger.ask(Trail(subject=subject_of(1)), asker=ASKER)
    lines = ledger.ask(AuditLog(asked="trail"), asker=ASKER).rows
    assert [line.subject for line in lines] == [subject_of(1)] * 3


def test_lines_that_wait_are_written_with_one_insert() -> None:
    """While an insert runs, lines gather; nobody goes on before the own line is written, and none is written twice."""
    lines, written = Lines(), list[list[str]]()
    running, go_on = threading.Event(), threading.Event()

    def insert(batch: Sequence[Line]) -> None:
        running.set()
        assert go_on.wait(60)
        written.append([each.asker for each in batch])

    def write(who: str) -> None:
        lines.write(Line(0, who, "trail", None, "{}", "", ""), insert)
        assert who in {each for batch in written for each in batch}

    threads = [threading.Thread(target=write, args=(f"{number}",)) for number in range(6)]
    threads[0].start()
    assert running.wait(60)
    for thread in threads[1:]:
        thread.start()
    go_on.set()
    for thread in threads:
        thread.join(60)
    assert sorted(each for batch in written for each in batch) == [f"{number}" for number in range(6)]
    assert written[0] == ["0"]


def test_a_line_that_is_not_written_stops_its_question() -> None:
    """Whose insert fails is told; a line that waited is written by its own question."""
    lines, written = Lines(), list[str]()
    running, fail = threading.Event(), threading.Event()
    failed: list[StoreError] = []

    def broken(batch: Sequence[Line]) -> None:
        running.set()
        assert fail.wait(60)
        raise StoreError(f"no room for {len(batch)}")

    def first() -> None:
        try:
            lines.write(Line(0, "first", "trail", None, "{}", "", ""), broken)
        except StoreError as error:
            failed.append(error)

    one = threading.Thread(target=first)
    one.start()
    assert running.wait(60)
    two = threading.Thread(
        target=lines.write,
        args=(
            Line(0, "second", "trail", None, "{}", "", ""),
            lambda batch: written.extend(each.asker for each in batch),
        ),
    )
    two.start()
    fail.set()
    one.join(60)
    two.join(60)
    assert len(failed) == 1
    assert written == ["second"]
