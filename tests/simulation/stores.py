"""A ledger that fails as told, and takes what was sent to it long ago."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from flowtrack.errors import StoreError
from flowtrack.testing.ledger import MemoryLedger
from flowtrack.tracking.rows import CONSENTS, FLOWS, Block
from tests.simulation.worker import Ended

FAULTS = ("before", "after", "lost", "dies before", "dies after")
LATE = ("late", "dies late")
"""Further ones where the store is not in the sink's process."""


class Request(NamedTuple):
    """An insert that is on its way."""

    block: Block
    token: str
    deadline_ms: int


class UncertainLedger(MemoryLedger):
    """A ledger whose inserts fail as told, arrive late, and may take their writer with them."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        super().__init__(clock)
        self.faults: list[str] = []
        self.on_the_way: list[Request] = []

    def insert(self, block: Block, token: str, deadline_ms: int = 0) -> None:
        """Insert, or fail.

        Before or after it is done, with the token remembered and the rows lost, by dying, or with the request still
        on its way when the writer has stopped waiting for it.
        """
        fault = self.faults.pop(0) if self.faults else ""
        if fault.endswith("late"):
            self.on_the_way.append(Request(block, token, deadline_ms))
        elif fault == "lost" and block.table in {FLOWS, CONSENTS}:
            self._tokens.add((block.table, token))
        elif fault not in {"before", "dies before"}:
            super().insert(block, token, deadline_ms)
        if fault.startswith("dies"):
            raise Ended
        if fault:
            raise StoreError("no answer", help="ask again")

    def arrives(self, request: Request) -> None:
        """Let a request arrive, whoever sent it; nobody hears what comes of it."""
        self.on_the_way.remove(request)
        try:
            super().insert(*request)
        except StoreError:
            return  # refused: it came after its deadline

    def forgets_tokens(self) -> None:
        """More blocks were written than the engine remembers tokens."""
        self._tokens.clear()
