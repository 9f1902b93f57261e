"""What the tests of the command line share."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from flowtrack.adapters.http.server import LoopbackServer
from flowtrack.adapters.http.service import build_app
from flowtrack.testing.ledger import MemoryLedger
from flowtrack.tracking.ledger import LedgerWriter
from tests.cli.commands import Commands
from tests.ledger.day import a_day


@pytest.fixture
def flowtrack(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Commands:
    """The command line, in a folder of its own."""
    return Commands(tmp_path, capfd, monkeypatch)


@pytest.fixture
def ledger(monkeypatch: pytest.MonkeyPatch) -> Iterator[MemoryLedger]:
    """A sample day behind the service of a sink, where commands look for it."""
    ledger = MemoryLedger(lambda: datetime(2026, 4, 1, tzinfo=UTC))
    LedgerWriter(ledger, "run").process(a_day(150))
    with LoopbackServer(build_app(ledger), 0) as server:
        monkeypatch.setenv("FLOWTRACK_HTTP__PORT", server.url.rsplit(":", 1)[1])
        yield ledger
