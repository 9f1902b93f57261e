"""The sink's timer: it cleans up after erasures, so that their bound holds without anybody thinking of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Self

import structlog

from flowtrack.apps.ledger_settings import LedgerSettings
from flowtrack.apps.settings import read
from flowtrack.audit.keeper import Keeper
from flowtrack.errors import FlowtrackError

if TYPE_CHECKING:
    from fastapi import FastAPI

    from flowtrack.adapters.clickhouse.settings import ClickHouseSettings

_WAIT_S = 60.0  # for old parts to be deleted, which the engine does every ten seconds; the next round proves the rest
_STOP_S = 5.0
_log = structlog.get_logger(__name__)


class VacuumTimer:
    """Cleans up every so often, in a thread of its own; use it as a context.

    Args:
        keeper: does it.
        every_s: the time from the end of one round to the beginning of the next.
    """

    def __init__(self, keeper: Keeper, every_s: float) -> None:
        self._keeper = keeper
        self._every_s = every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="vacuum", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self.wait(_STOP_S)

    def stop(self) -> None:
        """End with the round in hand."""
        self._stop.set()

    def wait(self, timeout_s: float) -> bool:
        """Wait for the end, and give whether it came."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stop.wait(self._every_s):
            try:
                done = self._keeper.vacuum(asker="timer", wait_s=_WAIT_S)
            except FlowtrackError as error:
                _log.exception("the clean-up failed; the next one tries again", error=str(error))
                continue
            if done.overdue:
                _log.error("erasures are past their bound", overdue=done.overdue, pending=done.pending)
            elif done.gone or done.came_in_late:
                _log.info("cleaned up", gone=done.gone, came_in_late=done.came_in_late, pending=done.pending)


@contextmanager
def kept(settings: ClickHouseSettings, app: FastAPI, lag: Callable[[], int | None]) -> Iterator[None]:
    """Look after an embedded store for as long as this process holds it: by a timer, and for whoever shows the token.

    A server is looked after by commands, from wherever its credentials are.

    Raises:
        RuntimeStateError: the token cannot be written.
    """
    if not settings.embedded:
        yield
        return
    from flowtrack.adapters.clickhouse.store import Store
    from flowtrack.adapters.http.keeping import add_keeping
    from flowtrack.adapters.http.token import make_token, token_file
    from flowtrack.apps.ledger_keeping import keeper_of

    with Store(settings) as store:
        keeper = keeper_of(store, lag)
        add_keeping(app, keeper, make_token(token_file(settings.data_dir)))
        with VacuumTimer(keeper, read(LedgerSettings).vacuum_every_s):
            yield
