"""The ledger's service and its client."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

import httpx
import pytest
from prometheus_client import CollectorRegistry, Counter

from flowtrack.adapters.http.client import LedgerClient
from flowtrack.adapters.http.server import LoopbackServer
from flowtrack.adapters.http.service import build_app
from flowtrack.audit.alerts import Alerts
from flowtrack.audit.family import Answer, Question
from flowtrack.audit.groups import OrphansAnswer
from flowtrack.audit.overview import Overview
from flowtrack.audit.questions import Books, DeadLetterList, Orphans
from flowtrack.audit.roles import Asker
from flowtrack.audit.trail import Trail
from flowtrack.domain.consent import ConsentRecord
from flowtrack.errors import RuntimeStateError, StoreError, StoreMemoryError, StoreUnavailableError
from flowtrack.testing.ledger import MemoryLedger
from flowtrack.tracking.ledger import LedgerWriter
from tests.ledger.conftest import ASKER, clock
from tests.ledger.counting import rules_hit
from tests.ledger.day import START, a_day, subject_of

SUBJECT = subject_of(2)
A = TypeVar("A", bound=Answer)


class BrokenLedger(MemoryLedger):
    """A ledger whose store is away."""

    def orphans(self, question: Orphans) -> OrphansAnswer:  # noqa: ARG002 - the protocol's
        """Fail."""
        raise StoreError("the store does not answer", where="here", help="start it")

    def consents_all(self) -> Iterator[ConsentRecord]:
        """Break off after the first."""
        yield from list(super().consents_all())[:1]
        raise StoreError("the store does not answer")


class FailingLedger(MemoryLedger):
    """A ledger that fails by one kind of error."""

    def __init__(self, kind: type[StoreError]) -> None:
        super().__init__(clock)
        self._kind = kind

    def ask(self, question: Question[A], *, asker: Asker) -> A:  # noqa: ARG002 - the protocol's
        """Fail."""
        raise self._kind("it did not work", where="here", help="ask for less")


@pytest.fixture
def ledger() -> MemoryLedger:
    """A ledger with a day in it."""
    ledger = MemoryLedger(clock)
    LedgerWriter(ledger, "run").process(a_day(60))
    return ledger


@pytest.fixture
def url(ledger: MemoryLedger) -> Iterator[str]:
    """Where it answers over HTTP."""
    registry = CollectorRegistry()
    Counter("flowtrack_test", "a counter", registry=registry).inc()
    with LoopbackServer(build_app(ledger, metrics=registry), 0) as server:
        yield server.url


def test_answers_come_over_http_as_they_are(ledger: MemoryLedger, url: str) -> None:
    """Every question has the same answer whether the ledger is asked itself or through its service."""
    trail = Trail(subject=SUBJECT, as_of=START.replace(minute=1), known_at=START.replace(year=2027))
    with LedgerClient(url) as client:
        assert client.ask(trail, asker=ASKER) == ledger.ask(trail, asker=ASKER)
        assert client.ask(Overview(as_of=START), asker=ASKER) == ledger.ask(Overview(as_of=START), asker=ASKER)
        assert client.ask(Overview(), asker=ASKER) == ledger.ask(Overview(), asker=ASKER)
        assert client.ask(Alerts(state="open"), asker=ASKER) == ledger.ask(Alerts(state="open"), asker=ASKER)
        assert rules_hit(client) == rules_hit(ledger)
        assert client.orphans(Orphans()) == ledger.orphans(Orphans())
        assert client.books(Books(holes_max=3)) == ledger.books(Books(holes_max=3))
        assert client.dead_letters(DeadLetterList(limit=2)) == ledger.dead_letters(DeadLetterList(limit=2))
        assert list(client.consents_all()) == list(ledger.consents_all())
        assert client.documents() == ledger.documents()
        assert client.ready() == ""


def test_who_asked_is_written_down(ledger: MemoryLedger, url: str) -> None:
    """The audit log of the process that answers names who asked the client."""
    with LedgerClient(url) as client:
        client.ask(Trail(subject=SUBJECT), asker=ASKER)
    assert [(asked.asker, asked.subject) for asked in ledger.audit_log] == [("jo", SUBJECT)]


def test_a_wrong_question_is_refused_without_its_value(url: str) -> None:
    """The answer names the parameter at fault and not what it held, which may be a person's name."""
    asked = {"asker": ASKER.model_dump(mode="json"), "question": {"subject": "jane.doe@example.org"}}
    answer = httpx.post(f"{url}/ask/trail", json=asked)
    assert answer.status_code == 400
    assert "subject" in answer.json()["error"]
    assert "jane" not in answer.text
    assert httpx.post(f"{url}/situations", json={"known_at": "yesterday"}).status_code == 422


def test_only_requests_for_this_machine_are_answered(url: str) -> None:
    """A web page that lets its own name point here gets nothing."""
    assert httpx.get(f"{url}/healthz").status_code == 200
    assert httpx.get(f"{url}/healthz", headers={"host": "evil.example"}).status_code == 400


def test_readiness_says_why_not(ledger: MemoryLedger) -> None:
    """Alive and ready are two things; what is waited for is named."""
    with LoopbackServer(build_app(ledger, reason=lambda: "no partition"), 0) as server:
        assert httpx.get(f"{server.url}/healthz").status_code == 200
        answer = httpx.get(f"{server.url}/readyz")
        with LedgerClient(server.url) as client:
            assert client.ready() == "no partition"
    assert (answer.status_code, answer.json()["reason"]) == (503, "no partition")


def test_metrics_are_shown(url: str) -> None:
    """What the process counts stands under /metrics."""
    assert "flowtrack_test_total 1.0" in httpx.get(f"{url}/metrics").text


def test_an_error_of_the_store_reaches_who_asked() -> None:
    """What was wrong and what to do comes over HTTP; consents that break off are never taken for all."""
    ledger = BrokenLedger(clock)
    LedgerWriter(ledger, "run").process(a_day(60))
    with LoopbackServer(build_app(ledger), 0) as server, LedgerClient(server.url) as client:
        with pytest.raises(StoreError, match="does not answer") as refused:
            client.orphans(Orphans())
        with pytest.raises(StoreError):
            list(client.consents_all())
    assert (refused.value.where, refused.value.help) == ("here", "start it")


@pytest.mark.parametrize("kind", [StoreError, StoreUnavailableError, StoreMemoryError])
def test_the_kind_of_an_error_reaches_who_asked(kind: type[StoreError]) -> None:
    """Whether to ask again, or for less, is known on the other side, too."""
    ledger = FailingLedger(kind)
    served = LoopbackServer(build_app(ledger), 0)
    with served as server, LedgerClient(server.url) as client, pytest.raises(StoreError) as failed:
        client.ask(Overview(), asker=ASKER)
    assert (type(failed.value), failed.value.help) == (kind, "ask for less")


def test_a_ledger_that_is_not_there_is_said_so() -> None:
    """Nobody on the port: the error says what to start."""
    with LedgerClient("http://127.0.0.1:9") as client, pytest.raises(StoreError, match="does not answer"):
        client.books(Books())


def test_a_port_in_use_is_said_so(url: str, ledger: MemoryLedger) -> None:
    """A second service on the port is refused at its start."""
    with pytest.raises(RuntimeStateError, match="in use"):
        LoopbackServer(build_app(ledger), int(url.rpartition(":")[2])).start()
