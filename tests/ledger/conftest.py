"""Ledgers to hold to one contract: in memory, and in the embedded engine."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest

from flowtrack.adapters.clickhouse.ledger import ClickHouseLedger
from flowtrack.adapters.clickhouse.settings import ClickHouseSettings
from flowtrack.adapters.clickhouse.sink import SinkStore
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.audit.ledger import Ledger
from flowtrack.testing.ledger import MemoryLedger
from flowtrack.tracking.ledger import LedgerStore

_numbers = itertools.count()


class Both(NamedTuple):
    """The two sides of one ledger."""

    store: LedgerStore
    ledger: Ledger


def clock() -> datetime:
    """The instant of every question."""
    return datetime(2026, 4, 1, tzinfo=UTC)


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The directory of this process's one engine, kept open: each test has a database of its own in it."""
    directory = tmp_path_factory.mktemp("store")
    with Store(ClickHouseSettings(data_dir=directory)):
        yield directory


@pytest.fixture
def settings(engine: Path) -> ClickHouseSettings:
    """A database that nobody else has."""
    return ClickHouseSettings(data_dir=engine, database=f"test{next(_numbers)}")


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


@pytest.fixture(params=["memory", "chdb"])
def both(request: pytest.FixtureRequest) -> Both:
    """A ledger of each kind, empty."""
    if request.param == "memory":
        ledger = MemoryLedger(clock)
        return Both(ledger, ledger)
    store: Store = request.getfixturevalue("store")
    return Both(SinkStore(store), ClickHouseLedger(store, clock=clock))
