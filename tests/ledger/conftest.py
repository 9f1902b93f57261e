"""Ledgers to hold to one contract: in memory, in the embedded engine, and over HTTP as on a server.

Every test that takes `settings`, `empty` or `store` runs twice, on the embedded engine and through the HTTP front over
it; one that is about what only the embedded engine does says so by the marker `embedded`.  With a ClickHouse server at
FLOWTRACK_TEST_CLICKHOUSE (`http://host:8123`, user `default`, password in FLOWTRACK_TEST_CLICKHOUSE_PASSWORD) they run
there as well; each makes a database of its own and drops it.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pydantic import SecretStr

from flowtrack.adapters.clickhouse.ledger import ClickHouseLedger
from flowtrack.adapters.clickhouse.settings import ClickHouseSettings
from flowtrack.adapters.clickhouse.sink import SinkStore
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.audit.ledger import Ledger
from flowtrack.audit.roles import Asker, Role
from flowtrack.testing.ledger import MemoryLedger
from flowtrack.tracking.ledger import LedgerStore
from tests.ledger.http_front import HttpFront

ASKER = Asker(who="jo", role=Role.AUDITOR, why="case 7")

SERVER = "FLOWTRACK_TEST_CLICKHOUSE"
_numbers = itertools.count()
MEMORY_BYTES = 1 << 30
"""Of the one engine of all tests: hundreds of databases leave their mark on what it thinks it uses."""


Asked = list[tuple[str, dict[str, Any]]]
"""Queries with their parameters."""


class Both(NamedTuple):
    """The two sides of one ledger."""

    store: LedgerStore
    ledger: Ledger


def clock() -> datetime:
    """The instant of every question."""
    return datetime(2026, 4, 1, tzinfo=UTC)


@pytest.fixture(scope="package")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The directory of this process's one engine, kept open: each test has a database of its own in it."""
    directory = tmp_path_factory.mktemp("store")
    with Store(ClickHouseSettings(data_dir=directory, memory_bytes_max=MEMORY_BYTES)):
        yield directory


@pytest.fixture(scope="package")
def front(engine: Path) -> Iterator[HttpFront]:
    """The same engine over HTTP; a test that orders faults takes one of its own (`own_front`)."""
    with HttpFront(engine) as front:
        yield front


@pytest.fixture
def own_front(engine: Path) -> Iterator[HttpFront]:
    """An HTTP front that nobody else uses: faults that are ordered of it happen to this test only."""
    with HttpFront(engine) as front:
        yield front


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Let the tests of a store run on the embedded engine and over HTTP, those of a ledger in memory too."""
    ways = ["embedded"]
    if not metafunc.definition.get_closest_marker("embedded"):
        ways += ["http", "server"] if SERVER in os.environ else ["http"]
    if "both" in metafunc.fixturenames:
        metafunc.parametrize("way", ["memory", *ways])
    elif "way" in metafunc.fixturenames:
        metafunc.parametrize("way", ways)


@pytest.fixture
def settings(way: str, engine: Path, request: pytest.FixtureRequest) -> Iterator[ClickHouseSettings]:
    """A database that nobody else has."""
    database = f"test{next(_numbers)}"
    if way == "http":
        front: HttpFront = request.getfixturevalue("front")
        settings = ClickHouseSettings(url=front.url, database=database)
    elif way == "server":
        password = SecretStr(os.environ.get(f"{SERVER}_PASSWORD", ""))
        database = f"{database}_{os.getpid()}"
        settings = ClickHouseSettings(url=os.environ[SERVER], password=password, database=database)
    else:
        settings = ClickHouseSettings(data_dir=engine, database=database)
    yield settings
    dropped = settings if way == "server" else ClickHouseSettings(data_dir=engine, database=database)
    with Store(dropped) as store:  # each takes some 6 MiB of the engine's bound, and there are hundreds
        store.command(f"DROP DATABASE {database} SYNC")


@pytest.fixture
def empty(settings: ClickHouseSettings) -> Iterator[Store]:
    """A store without any table."""
    with Store(settings) as store:
        yield store


@pytest.fixture
def store(empty: Store) -> Store:
    """A store with its migrations applied."""
    empty.migrate()
    return empty


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """What stores are asked from now on: each query with its parameters."""
    found: Asked = []
    rows, named = Store.rows, Store.named

    def noted(self: Store, statement: str, **parameters: object) -> list[tuple[Any, ...]]:
        found.append((statement, parameters))
        return rows(self, statement, **parameters)

    def noted_named(self: Store, statement: str, **parameters: object) -> list[dict[str, Any]]:
        found.append((statement, parameters))
        return named(self, statement, **parameters)

    monkeypatch.setattr(Store, "rows", noted)
    monkeypatch.setattr(Store, "named", noted_named)
    return found


@pytest.fixture
def both(way: str, request: pytest.FixtureRequest) -> Both:
    """A ledger of each kind, empty."""
    if way == "memory":
        ledger = MemoryLedger(clock)
        return Both(ledger, ledger)
    store: Store = request.getfixturevalue("store")
    return Both(SinkStore(store), ClickHouseLedger(store, clock=clock))
