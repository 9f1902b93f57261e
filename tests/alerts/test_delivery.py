"""Alerts reach whoever is to be told: a real HTTP server here, a real Alertmanager where there is one."""

from __future__ import annotations

import io
import json
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from rich.console import Console

from flowtrack.adapters.alerts.alertmanager import PATH, AlertmanagerNotifier
from flowtrack.adapters.alerts.courier import Courier
from flowtrack.adapters.alerts.posting import Poster, RefusedError
from flowtrack.adapters.alerts.terminal import TerminalNotifier
from flowtrack.adapters.alerts.webhook import WebhookNotifier
from flowtrack.domain.decision import Alert
from flowtrack.errors import DeliveryError

ALERTMANAGER = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")


def alert(identity: str = "00000000000000aa", *, count: int = 1, now: datetime | None = None) -> Alert:
    """An open alert."""
    now = now or datetime.now(UTC)
    return Alert(
        identity=identity,
        state="open",
        what="denied",
        title="not allowed: ads → broker: no_own_consent",
        severity="high",
        service="ads",
        recipient="broker",
        purpose="recommendation.send",
        categories=["provided.email"],
        clauses=["c-3.2"],
        reasons=["no_own_consent"],
        gaps=[],
        first_at=now,
        last_at=now,
        count=count,
        examples=["e-1"],
    )


class Receiver:
    """An HTTP server that keeps what is posted and answers as told."""

    def __init__(self) -> None:
        self.documents: list[object] = []
        self.headers: list[dict[str, str]] = []
        self.answers: list[int] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                status = outer.answers.pop(0) if outer.answers else 200
                if status == 200:
                    outer.documents.append(json.loads(body))
                    outer.headers.append(dict(self.headers))
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Keep the tests' output quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self) -> None:
        """End the server."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver on a free port."""
    it = Receiver()
    yield it
    it.close()


@pytest.fixture
def poster() -> Iterator[Callable[..., Poster]]:
    """Makes posters that are closed in the end."""
    made: list[Poster] = []

    def make(url: str, **settings: object) -> Poster:
        made.append(Poster(url, who="the receiver", timeout_s=2.0, **settings))  # type: ignore[arg-type]  # as spelt by the test
        return made[-1]

    yield make
    for it in made:
        it.close()


def test_webhook_posts_one_document(receiver: Receiver, poster: Callable[..., Poster]) -> None:
    """A webhook gets alerts as JSON, with clause titles and the token in the header."""
    post = poster(receiver.url, headers={"authorization": "Bearer secret"})
    WebhookNotifier(post, titles={"c-3.2": "own consent"}).notify([alert(), alert("00000000000000bb")])
    (document,) = receiver.documents
    assert isinstance(document, dict)
    assert [a["identity"] for a in document["alerts"]] == ["00000000000000aa", "00000000000000bb"]
    assert document["alerts"][0]["titles"] == {"c-3.2": "own consent"}
    assert receiver.headers[0]["authorization"] == "Bearer secret"


def test_a_hiccup_is_retried(receiver: Receiver, poster: Callable[..., Poster]) -> None:
    """A server that fails twice and then takes it has been told once."""
    receiver.answers = [503, 503]
    WebhookNotifier(poster(receiver.url)).notify([alert()])
    assert len(receiver.documents) == 1


def test_a_refusal_is_not_repeated_and_shows_no_path(receiver: Receiver, poster: Callable[..., Poster]) -> None:
    """A 4xx is no reason to come again, and the error tells the server but not the path, which may be a secret."""
    receiver.answers = [403, 403]
    with pytest.raises(RefusedError, match="answers 403") as caught:
        WebhookNotifier(poster(receiver.url)).notify([alert()])
    assert "/hook" not in str(caught.value)
    assert receiver.answers == [403]


def test_who_is_down_raises_in_bounded_time(poster: Callable[..., Poster]) -> None:
    """Nobody behind the address: a delivery error that says what to check."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(DeliveryError, match="cannot be reached") as caught:
        WebhookNotifier(poster(f"http://127.0.0.1:{port}/")).notify([alert()])
    assert caught.value.help


class Moody:
    """A notifier that is down as long as told, and refuses alerts by identity."""

    name = "moody"

    def __init__(self) -> None:
        self.down = False
        self.refuses = ""
        self.told: list[Alert] = []
        self.failed = threading.Event()

    def notify(self, alerts: Sequence[Alert]) -> None:
        """Take alerts, according to mood."""
        if self.down:
            self.failed.set()
            raise DeliveryError("down")
        if self.refuses in [a.identity for a in alerts]:
            self.failed.set()
            raise RefusedError("no")
        self.told.extend(alerts)


def test_an_outage_loses_nothing_and_keeps_only_the_newest() -> None:
    """What comes while the receiver is away waits, one state for each alert, and is delivered when it is back."""
    moody = Moody()
    moody.down = True
    courier = Courier(moody, retry_after_s=0.01, retry_after_max_s=0.02)
    courier.start()
    for count in range(1, 1001):
        courier.tell([alert(count=count), alert(f"{count % 10:016x}", count=count)])
    assert moody.failed.wait(10)
    assert courier.pending == 11
    moody.down = False
    assert courier.settled(10)
    assert courier.stop(5) == 0
    assert len(moody.told) == 11
    assert max(a.count for a in moody.told) == 1000


def test_one_refused_alert_holds_up_no_other() -> None:
    """An alert that the receiver refuses stays pending; those beside it and those after it are delivered."""
    moody = Moody()
    moody.refuses = "00000000000000aa"
    courier = Courier(moody, retry_after_s=60)
    courier.tell([alert(), alert("00000000000000bb")])
    courier.start()
    assert moody.failed.wait(10)
    courier.tell([alert("00000000000000cc")])
    with courier._changed:
        assert courier._changed.wait_for(lambda: list(courier._pending) == ["00000000000000aa"], 10)
    assert courier.stop(5) == 1
    assert {a.identity for a in moody.told} == {"00000000000000bb", "00000000000000cc"}


def test_terminal_writes_plain_lines_in_a_pipe() -> None:
    """Without a terminal an alert is a line without colour codes, and a line for each clause with its title."""
    out = io.StringIO()
    TerminalNotifier(Console(file=out), {"c-3.2": "own consent"}).notify([alert(count=12)])
    assert out.getvalue().splitlines() == [
        "high      not allowed: ads → broker: no_own_consent  ×12",
        "          § c-3.2  own consent",
    ]


@pytest.fixture
def alertmanager(tmp_path: Path) -> Iterator[str]:
    """A real Alertmanager on a free port."""
    if ALERTMANAGER is None:
        pytest.skip("no Alertmanager: install the Debian package prometheus-alertmanager")
    config = tmp_path / "alertmanager.yml"
    config.write_text("route: {receiver: none}\nreceivers: [{name: none}]\n")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [
            ALERTMANAGER,
            f"--config.file={config}",
            f"--storage.path={tmp_path}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--cluster.listen-address=",
        ],
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    transport = httpx.HTTPTransport(retries=8)  # doubling waits, together some 60 s
    with httpx.Client(transport=transport) as client:
        client.get(f"{url}/-/ready").raise_for_status()
    yield url
    process.terminate()
    process.wait(10)


@pytest.mark.alertmanager
def test_alertmanager_takes_an_alert(alertmanager: str, poster: Callable[..., Poster]) -> None:
    """A real Alertmanager shows the alert as active, once, with the labels that route it and the newest annotations."""
    notifier = AlertmanagerNotifier(
        poster(alertmanager + PATH),
        resolve_after=timedelta(hours=1),
        titles={"c-3.2": "제3자 제공 동의 · own consent"},
        generator_url="http://flowtrack.example/alerts",
    )
    first = alert()
    notifier.notify([first])
    notifier.notify([first.model_copy(update={"count": 10})])
    (shown,) = httpx.get(f"{alertmanager}{PATH}").json()
    assert shown["status"]["state"] == "active"
    assert shown["labels"] == {
        "alertname": "FlowtrackDenied",
        "severity": "high",
        "service": "ads",
        "recipient": "broker",
        "clause": "c-3.2",
        "reason": "no_own_consent",
        "identity": first.identity,
    }
    assert shown["annotations"]["count"] == "10"
    assert shown["annotations"]["description"] == "c-3.2 제3자 제공 동의 · own consent"


@pytest.mark.alertmanager
def test_alertmanager_ends_a_resolved_alert(alertmanager: str, poster: Callable[..., Poster]) -> None:
    """A resolved alert is no longer among the active ones."""
    notifier = AlertmanagerNotifier(poster(alertmanager + PATH), resolve_after=timedelta(hours=1))
    first = alert(now=datetime.now(UTC) - timedelta(minutes=5))
    notifier.notify([first])
    notifier.notify([first.model_copy(update={"state": "resolved", "last_at": first.last_at + timedelta(minutes=1)})])
    assert httpx.get(f"{alertmanager}{PATH}", params={"active": "true"}).json() == []


@pytest.mark.alertmanager
def test_alertmanager_ends_what_late_knowledge_lifts(alertmanager: str, poster: Callable[..., Poster]) -> None:
    """Denied late, told as active with how it came; lifted later, it is no longer among the active ones."""
    notifier = AlertmanagerNotifier(poster(alertmanager + PATH), resolve_after=timedelta(hours=1))
    late = alert(now=datetime.now(UTC) - timedelta(minutes=5)).model_copy(update={"amended": 1})
    notifier.notify([late])
    (shown,) = httpx.get(f"{alertmanager}{PATH}", params={"active": "true"}).json()
    assert (shown["annotations"]["judged_anew"], "lifted" in shown["annotations"]) == ("1", False)
    notifier.notify([late.model_copy(update={"lifted": 1, "state": "resolved"})])
    assert httpx.get(f"{alertmanager}{PATH}", params={"active": "true"}).json() == []
