"""Who looks after the ledger (`audit.keeper.Keeper`), on ClickHouse."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from threading import Lock

from flowtrack.adapters.clickhouse.backup import back_up, put_back
from flowtrack.adapters.clickhouse.erasure import Erasing
from flowtrack.adapters.clickhouse.export import export
from flowtrack.adapters.clickhouse.holds import Holds
from flowtrack.adapters.clickhouse.journal import write_down
from flowtrack.adapters.clickhouse.migrate import shipped
from flowtrack.adapters.clickhouse.proofs import Proofs
from flowtrack.adapters.clickhouse.retention import Retention
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.adapters.clickhouse.vacuum import Vacuum
from flowtrack.audit.copies import BackUp, BackupAnswer, Export, ExportManifest, RestoreAnswer
from flowtrack.audit.erasure import Erase, Erasure, ErasureAnswer, VacuumAnswer
from flowtrack.audit.holds import Hold, PlacedHold
from flowtrack.audit.retention import Retain, RetentionAnswer


class ClickHouseKeeper:
    """One thing at a time, whoever asks: an erasure does not run into a clean-up.

    Args:
        store: open, with its migrations applied; used by this keeper only.
        clock: gives the instant of a request.
        gone_within: the bound on the time from asking for an erasure to its bytes being gone.
        lag: tells how many decisions are not in the ledger yet; None when that is not known now.
        services: an `erase` event of one of these, naming no category, erases the subject here too.
        new_id: gives an id unlike any other.
    """

    def __init__(
        self,
        store: Store,
        *,
        clock: Callable[[], datetime],
        gone_within: timedelta,
        lag: Callable[[], int | None] = lambda: None,
        services: Sequence[str] = (),
        new_id: Callable[[], str] = lambda: secrets.token_hex(16),
    ) -> None:
        self._lock = Lock()
        self._store = store
        self._clock = clock
        self._lag = lag
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

    def back_up(self, request: BackUp, *, asker: str) -> BackupAnswer:
        """Copy the embedded store into a new folder, and prove that it can be put back."""
        with self._lock:
            at = self._clock()
            write_down(self._store, at, asker, "backup", request.model_dump(mode="json"))
            self._vacuum.purge()  # the engine leaves patch parts out: what they hide would come back
            return back_up(self._store, Path(request.target), at)

    def put_back(self, source: Path, erasures: Sequence[Erasure], *, asker: str) -> RestoreAnswer:
        """Put a backup back into the store, which is empty, bring it up to date, and erase whoever was erased since.

        Args:
            source: the backup's folder.
            erasures: those of the ledger that was lost, of after the backup too.
            asker: who asks.
        """
        with self._lock:
            manifest = put_back(self._store, source, [each.name for each in shipped()])
            migrated = self._store.migrate()
            write_down(self._store, self._clock(), asker, "restore", {"taken_at": manifest.taken_at.isoformat()})
            known = {each.id for each in self._proofs.all()}
            since = [each for each in erasures if each.id not in known]
            self._proofs.note(since, "asked", self._clock())
            return RestoreAnswer(
                source=str(source),
                rows=sum(manifest.tables.values()),
                taken_at=manifest.taken_at,
                complete_up_to=manifest.complete_up_to,
                migrated=migrated,
                erased_again=self._vacuum.sweep_all() if since else 0,
            )

    def export(self, request: Export, *, asker: str) -> ExportManifest:
        """Write rows of a table into a new folder, as Parquet."""
        with self._lock:
            at = self._clock()
            write_down(self._store, at, asker, "export", request.model_dump(mode="json", exclude_none=True))
            return export(self._store, request, at, lag_records=self._lag())
