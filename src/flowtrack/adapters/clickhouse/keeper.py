"""Who looks after the ledger (`audit.keeper.Keeper`), on ClickHouse."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from threading import Lock

from flowtrack.adapters.clickhouse.erasure import Erasing
from flowtrack.adapters.clickhouse.holds import Holds
from flowtrack.adapters.clickhouse.proofs import Proofs
from flowtrack.adapters.clickhouse.retention import Retention
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.adapters.clickhouse.vacuum import Vacuum
from flowtrack.audit.erasure import Erase, ErasureAnswer, VacuumAnswer
from flowtrack.audit.holds import Hold, PlacedHold
from flowtrack.audit.retention import Retain, RetentionAnswer


class ClickHouseKeeper:
    """One thing at a time, whoever asks: an erasure does not run into a clean-up.

    Args:
        store: open, with its migrations applied; used by this keeper only.
        clock: gives the instant of a request.
        gone_within: the bound on the time from asking for an erasure to its bytes being gone.
        services: an `erase` event of one of these, naming no category, erases the subject here too.
        new_id: gives an id unlike any other.
    """

    def __init__(
        self,
        store: Store,
        *,
        clock: Callable[[], datetime],
        gone_within: timedelta,
        services: Sequence[str] = (),
        new_id: Callable[[], str] = lambda: secrets.token_hex(16),
    ) -> None:
        self._lock = Lock()
        self._proofs = Proofs(store, gone_within)
        self._holds = Holds(store, clock=clock, new_id=new_id)
        self._erasing = Erasing(store, self._holds, self._proofs, clock=clock, new_id=new_id)
        self._vacuum = Vacuum(store, self._erasing, self._proofs, clock=clock, services=services)
        self._retention = Retention(store, self._holds, clock=clock)

    def erase(self, request: Erase, *, asker: str) -> ErasureAnswer:
        """Hide subjects at once; their bytes go with the next clean-up."""
        with self._lock:
            return self._erasing.erase(request, asker=asker)

    def erasures(self) -> ErasureAnswer:
        """Give every erasure, with its proof."""
        with self._lock:
            return ErasureAnswer(erasures=self._proofs.all())

    def vacuum(self, *, asker: str, wait_s: float) -> VacuumAnswer:
        """Clean up: the bytes of what is hidden go, and that they are gone is proved."""
        with self._lock:
            return self._vacuum.run(asker=asker, wait_s=wait_s)

    def hold(self, hold: Hold, *, asker: str) -> PlacedHold:
        """Place a legal hold."""
        with self._lock:
            return self._holds.place(hold, asker=asker)

    def release(self, number: str, reason: str, *, asker: str) -> PlacedHold:
        """Release a legal hold."""
        with self._lock:
            return self._holds.release(number, reason, asker=asker)

    def holds(self) -> list[PlacedHold]:
        """Give every legal hold there ever was."""
        with self._lock:
            return self._holds.all()

    def retain(self, request: Retain, *, asker: str) -> RetentionAnswer:
        """Let go what a retention policy no longer keeps."""
        with self._lock:
            return self._retention.apply(request, asker=asker)
