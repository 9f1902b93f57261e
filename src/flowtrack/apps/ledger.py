"""Where commands find the ledger: a server, the service of an embedded Flowtrack that runs, or its directory."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from flowtrack.apps.directory import DataDirectory
from flowtrack.apps.settings import read
from flowtrack.errors import StoreError

if TYPE_CHECKING:
    from flowtrack.adapters.clickhouse.settings import ClickHouseSettings
    from flowtrack.audit.ledger import Ledger
    from flowtrack.audit.roles import Asker


@contextmanager
def open_ledger(data_dir: Path) -> Iterator[Ledger]:
    """Give the ledger that the settings name; without any, that of an embedded Flowtrack.

    Only one process can open the embedded store: while one runs, it is asked over HTTP.  A sink that was started by
    itself is found by `FLOWTRACK_HTTP__PORT`.

    Raises:
        StoreError: there is no ledger, or it cannot be opened.
    """
    settings, directory = ledger_settings(data_dir)
    service = "" if directory is None else service_of(directory)
    if service:
        from flowtrack.adapters.http.client import LedgerClient

        with LedgerClient(service) as client:
            yield client
        return
    if directory is not None:
        with directory, _opened(settings) as ledger:
            yield ledger
        return
    with _opened(settings) as ledger:
        yield ledger


def ledger_settings(data_dir: Path) -> tuple[ClickHouseSettings, DataDirectory | None]:
    """Give where the ledger is: a server, or a directory that is there (or that a process holds).

    Raises:
        StoreError: there is no ledger.
    """
    from flowtrack.adapters.clickhouse.settings import ClickHouseSettings

    settings = read(ClickHouseSettings)
    if not settings.embedded:
        return settings, None
    directory = DataDirectory(data_dir)
    if not service_of(directory) and not directory.store.is_dir():
        raise StoreError(
            f"there is no ledger in `{data_dir}`",
            help="run `flowtrack up`, name another directory with --data-dir, or set FLOWTRACK_CLICKHOUSE__URL",
        )
    return settings.model_copy(update={"data_dir": directory.store}), directory


def service_of(directory: DataDirectory) -> str:
    """Give the address of the sink that holds the embedded store; empty where none runs, as far as is known."""
    from flowtrack.adapters.http.settings import HOST, HttpSettings

    running = directory.running()
    if running is not None:
        return running.ledger
    http = read(HttpSettings)
    return f"http://{HOST}:{http.port}" if "port" in http.model_fields_set else ""


@contextmanager
def _opened(settings: ClickHouseSettings) -> Iterator[Ledger]:
    from flowtrack.adapters.clickhouse.ledger import ClickHouseLedger
    from flowtrack.adapters.clickhouse.store import Store

    with Store(settings) as store:
        store.migrate()
        yield ClickHouseLedger(store, clock=partial(datetime.now, UTC))


def asker() -> str:
    """Give who asks, for the ledger's log of questions: the name of this account."""
    return getpass.getuser()


def asking(why: str = "") -> Asker:
    """Give who asks from the command line, and why: who can open the ledger may ask everything.

    Args:
        why: the purpose of the question, e.g. the number of a case.
    """
    from flowtrack.audit.roles import Asker, Role

    return Asker(who=asker(), role=Role.AUDITOR, why=why)
