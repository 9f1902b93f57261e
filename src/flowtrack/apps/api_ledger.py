"""The ledger as the API asks it: from several threads, wherever it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol

from flowtrack.apps.ledger import ledger_settings, service_of
from flowtrack.audit.ledger import Asks, Ledger
from flowtrack.audit.streams import Streams
from flowtrack.errors import StoreError


class Many(Asks, Streams, Protocol):
    """Answers several questions at once, and gives rows in bulk."""


class AskedByMany(NamedTuple):
    """A ledger, and whether it answers."""

    ledger: Many
    reason: Callable[[], str]
    """Says why it is not ready; empty when it is."""
    whole: Callable[[], AbstractContextManager[Ledger]]
    """Opens it for what is no question of a family, for one thread at a time."""


@contextmanager
def ledger_for_many(data_dir: Path, *, at_once: int) -> Iterator[AskedByMany]:
    """Give the ledger that the settings name, for questions from several threads.

    Args:
        data_dir: of an embedded Flowtrack; the process that holds it is asked over HTTP.
        at_once: so many questions at the same time.

    Raises:
        StoreError: there is no ledger, or it cannot be opened.
    """
    settings, directory = ledger_settings(data_dir)
    with ExitStack() as stack:
        service = "" if directory is None else service_of(directory)
        if service:
            from flowtrack.adapters.http.client import LedgerClient

            client = stack.enter_context(LedgerClient(service))
            yield AskedByMany(client, partial(_reason, client.ready), lambda: nullcontext(client))
            return
        from flowtrack.adapters.clickhouse.pool import LedgerPool
        from flowtrack.adapters.clickhouse.store import Store

        if directory is not None:
            stack.enter_context(directory)
        store = stack.enter_context(Store(settings))  # stays: the last connection closed would close the engine
        store.migrate()
        pool = stack.enter_context(LedgerPool(settings, at_once, clock=partial(datetime.now, UTC)))

        def answers() -> str:
            with pool.taken() as (one, _):
                one.rows("SELECT 1")
            return ""

        yield AskedByMany(pool, partial(_reason, answers), pool.whole)


def _reason(ready: Callable[[], str]) -> str:
    try:
        return ready()
    except StoreError as error:
        return error.what
