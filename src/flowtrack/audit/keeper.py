"""Who looks after the ledger: the database, or its service over HTTP; both alike."""

from __future__ import annotations

from typing import Protocol

from flowtrack.audit.copies import BackUp, BackupAnswer, Export, ExportManifest
from flowtrack.audit.erasure import Erase, ErasureAnswer, VacuumAnswer
from flowtrack.audit.holds import Hold, PlacedHold
from flowtrack.audit.retention import Retain, RetentionAnswer


class Keeper(Protocol):
    """Changes what the ledger keeps; each method raises StoreError when it cannot, and writes down who asked for it."""

    def erase(self, request: Erase, *, asker: str) -> ErasureAnswer:
        """Hide subjects at once; their bytes go with the next clean-up."""
        ...

    def erasures(self) -> ErasureAnswer:
        """Give every erasure, with its proof."""
        ...

    def vacuum(self, *, asker: str, wait_s: float) -> VacuumAnswer:
        """Clean up: the bytes of what is hidden go, and that they are gone is proved."""
        ...

    def hold(self, hold: Hold, *, asker: str) -> PlacedHold:
        """Place a legal hold."""
        ...

    def release(self, number: str, reason: str, *, asker: str) -> PlacedHold:
        """Release a legal hold."""
        ...

    def holds(self) -> list[PlacedHold]:
        """Give every legal hold there ever was."""
        ...

    def retain(self, request: Retain, *, asker: str) -> RetentionAnswer:
        """Let go what a retention policy no longer keeps."""
        ...

    def back_up(self, request: BackUp, *, asker: str) -> BackupAnswer:
        """Copy the embedded store into a new folder, and prove that it can be put back."""
        ...

    def export(self, request: Export, *, asker: str) -> ExportManifest:
        """Write rows of a table into a new folder, as Parquet."""
        ...
