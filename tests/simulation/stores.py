"""A ledger that fails as told."""

from __future__ import annotations

from datetime import UTC, datetime

from flowtrack.errors import StoreError
from flowtrack.testing.ledger import MemoryLedger
from flowtrack.tracking.rows import CONSENTS, FLOWS, Block
from tests.simulation.worker import Ended


class UncertainLedger(MemoryLedger):
    """A ledger whose inserts fail as told, and may take their writer with them."""

    def __init__(self) -> None:
        super().__init__(lambda: datetime(2026, 3, 3, tzinfo=UTC))
        self.faults: list[str] = []
        self.told: list[str] = []

    def insert(self, block: Block, token: str, deadline_ms: int = 0) -> None:
        """Insert, or fail: before or after it is done, with the token remembered and the rows lost, or by dying."""
        fault = self.faults.pop(0) if self.faults else ""
        if fault == "lost" and block.table in {FLOWS, CONSENTS}:
            self._tokens.add((block.table, token))
        elif fault not in {"before", "dies before"}:
            super().insert(block, token, deadline_ms)
        if fault.startswith("dies"):
            raise Ended
        if fault:
            raise StoreError("no answer", help="ask again")
