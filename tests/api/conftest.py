"""An API in this process: over a ledger in memory, with accounts of several roles."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from flowtrack.adapters.http.api.app import build_api
from flowtrack.adapters.http.api.desk import Desk
from flowtrack.adapters.http.api.problems import Lost
from flowtrack.adapters.http.api.settings import ApiSettings
from flowtrack.adapters.http.api.tokens import make_token
from flowtrack.adapters.pages.site.lost import not_found
from flowtrack.apps.api import identify_by
from flowtrack.apps.api_reports import making
from flowtrack.audit.answers import CompleteUpTo
from flowtrack.audit.family import Question, about
from flowtrack.audit.ledger import Asks
from flowtrack.audit.lineage import Lineage, Vocabulary
from flowtrack.audit.roles import Asker, Role
from flowtrack.audit.streams import FlowRows, Stream, StreamForm, Streams
from flowtrack.errors import StoreError
from flowtrack.testing.ledger import MemoryLedger
from flowtrack.tracking.ledger import LedgerWriter
from tests.ledger.day import a_day
from tests.reports import day as reports_day

URL = "http://127.0.0.1"


PIECE = b'{"a": 1}\n' * 10_000


def clock() -> datetime:
    """The instant of every question."""
    return datetime(2026, 4, 1, tzinfo=UTC)


class Flowing:
    """Gives so many pieces, and breaks where it is told to."""

    def __init__(self, pieces: int, *, breaks: bool = False) -> None:
        self.pieces, self.breaks, self.closed = pieces, breaks, 0
        self.begun: list[tuple[Lineage, Vocabulary, Asker]] = []

    @contextmanager
    def flows(self, question: FlowRows, form: StreamForm, *, asker: Asker) -> Iterator[Stream]:
        """Give them."""
        del form, asker
        try:
            yield Stream(about(question, CompleteUpTo()), self.pieces * 10_000, self._chunks())
        finally:
            self.closed += 1

    def lineage_begins(self, question: Lineage, vocabulary: Vocabulary, *, asker: Asker) -> None:
        """Keep it."""
        self.begun.append((question, vocabulary, asker))

    def _chunks(self) -> Iterator[bytes]:
        for _ in range(self.pieces):
            yield bytes(PIECE)
        if self.breaks:
            raise StoreError("gone")


def ended(content: bytes) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The rows of an NDJSON export, and what its last line says, once that has been held against them."""
    lines = content.splitlines(keepends=True)
    end: dict[str, Any] = json.loads(lines[-1])["end"]
    assert end["rows"] == len(lines) - 1
    assert end["sha256"] == sha256(b"".join(lines[:-1])).hexdigest()
    return [json.loads(line) for line in lines[:-1]], end


@dataclass(eq=False)
class Api:
    """An API to ask.

    Args:
        ledger: answers.
        folder: for its tokens.
        settings: over the defaults.
    """

    ledger: Asks
    folder: Path
    settings: dict[str, Any] = field(default_factory=dict)
    streams: Streams | None = None
    lost: Lost | None = None

    def __post_init__(self) -> None:
        self.settings_read = ApiSettings(tokens_file=self.folder / "tokens.json", **self.settings)
        read = self.settings_read
        self.desk = Desk(
            self.ledger,
            questions_max=read.questions_max,
            waiting_max=read.waiting_max,
            exports_max=read.exports_max,
            timeout_s=read.timeout_s,
        )
        reports = making(lambda: nullcontext(reports_day.ledger()))
        identify = identify_by(read, self.folder)
        self.app: FastAPI = build_api(read, self.desk, identify, streams=self.streams, reports=reports, lost=self.lost)

    def token(self, *roles: Role, who: str = "jo") -> str:
        """Make a token."""
        path = self.settings_read.tokens_file
        assert path is not None
        return make_token(path, who=who, roles=roles, made_at=datetime.now(UTC))

    def client(self, *roles: Role, **headers: str) -> TestClient:
        """Give a client that shows a token of these roles, and says why it asks."""
        shown = {"authorization": f"Bearer {self.token(*roles)}", "flowtrack-purpose": "case 1", **headers}
        return TestClient(self.app, base_url=URL, headers=shown, raise_server_exceptions=False)

    def silent(self, *roles: Role) -> TestClient:
        """Give a client that shows a token of these roles, and does not say why it asks."""
        client = self.client(*roles)
        del client.headers["flowtrack-purpose"]
        return client

    def anonymous(self) -> TestClient:
        """Give a client that shows nothing."""
        return TestClient(self.app, base_url=URL, raise_server_exceptions=False)


@pytest.fixture(scope="session")
def day() -> MemoryLedger:
    """A ledger in memory with a day in it."""
    ledger = MemoryLedger(clock)
    LedgerWriter(ledger, "run").process(a_day(150))
    return ledger


@pytest.fixture
def make(day: MemoryLedger, tmp_path: Path) -> Iterator[Callable[..., Api]]:
    """Make an API with settings of a test's own."""
    made: list[Api] = []

    def one(ledger: Asks | None = None, streams: Streams | None = None, **settings: Any) -> Api:
        made.append(Api(ledger or day, tmp_path, settings, streams))
        return made[-1]

    yield one
    for each in made:
        each.desk.close()


@pytest.fixture
def api(make: Callable[..., Api]) -> Api:
    """An API as it is without settings."""
    return make()


@pytest.fixture(scope="session")
def paged(day: MemoryLedger, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """An API that has a page for browsers that are lost."""

    async def ask(question: Question[Any], asker: Asker) -> Any:
        return day.ask(question, asker=asker)

    api = Api(day, tmp_path_factory.mktemp("paged"), lost=lambda request, status: not_found(request, status, ask))
    yield api
    api.desk.close()


@pytest.fixture(scope="session")
def shared(day: MemoryLedger, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """An API for tests that leave it as it is, with no limit that they would meet."""
    unbounded = {"rate_per_minute": 1_000_000, "exports_per_minute": 1_000_000}
    api = Api(day, tmp_path_factory.mktemp("shared"), {**unbounded, "hosts": "testserver"}, Flowing(1))
    yield api
    api.desk.close()
