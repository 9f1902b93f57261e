"""The sink, as `flowtrack worker sink` runs it, that tells when a batch can be queried, or dies where it is told to.

Usage: `python -m benchmarks.rig.told_sink GROUP BATCH [POINT PASSES]`; everything else stands in the environment.

With TOLD in the environment, a line goes into that file after each insert of decisions: the monotonic clock, and for
each partition the last offset that the insert made known.  With a point (`POINTS`) the process kills itself with -9
when it passes there for the given time.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flowtrack.adapters.clickhouse import sink as stores
from flowtrack.adapters.kafka.planned import PlannedSource
from flowtrack.apps import sink
from flowtrack.tracking.ledger import LedgerWriter, Share
from flowtrack.tracking.months import Month
from flowtrack.tracking.parting import Parted
from flowtrack.tracking.records import Output
from flowtrack.tracking.repeats import Event, Sighting
from flowtrack.tracking.rows import Block

TOLD = "FLOWTRACK_BENCH_TOLD"
POINTS = (
    "before the promise",
    "after the promise",
    "before rows around",
    "after rows around",
    "suspects looked up",
    "before decisions",
    "within decisions",
    "after decisions",
    "markers acted on",
    "share looked for",
    "share seen to",
)
_WITHIN_S = 0.02


class Fate:
    """Where the process dies.

    Args:
        point: one of `POINTS`, or empty.
        passes: the one on which it dies.
    """

    def __init__(self, point: str = "", passes: int = 1) -> None:
        self._point = point
        self._left = passes

    def passes(self, point: str) -> None:
        """Come by a point."""
        if self.is_due(point):
            os.kill(os.getpid(), signal.SIGKILL)

    def is_due(self, point: str) -> bool:
        """Count a pass, and say whether it is the one."""
        if point != self._point:
            return False
        self._left -= 1
        return self._left == 0


fate = Fate()


class Store(stores.SinkStore):
    """The sink's store, with its points."""

    def insert(self, block: Block, token: str, deadline_ms: int = 0) -> None:
        """Insert a block."""
        fate.passes("before rows around")
        super().insert(block, token, deadline_ms)
        fate.passes("after rows around")

    def sightings(self, events: Sequence[Event]) -> list[Sighting]:
        """Look suspects up."""
        found = super().sightings(events)
        fate.passes("suspects looked up")
        return found

    def present(self, table: str, share: Share) -> set[Month]:
        """Look for a share."""
        found = super().present(table, share)
        fate.passes("share looked for")
        return found

    def insert_decisions(
        self, decisions: Sequence[Parted], repeats: frozenset[tuple[int, int]], token: str, deadline_ms: int
    ) -> None:
        """Insert decisions, and tell."""
        fate.passes("before decisions")
        if fate.is_due("within decisions"):
            delay_s = _WITHIN_S * (int.from_bytes(os.urandom(2), "big") / 65_536)
            threading.Timer(delay_s, lambda: os.kill(os.getpid(), signal.SIGKILL)).start()
        super().insert_decisions(decisions, repeats, token, deadline_ms)
        fate.passes("after decisions")
        _tell(decisions)


class Writer(LedgerWriter):
    """The sink's writer, with its points."""

    def _amend(self, *given: Any) -> list[Output]:
        outputs = super()._amend(*given)
        fate.passes("markers acted on")
        return outputs


class Source(PlannedSource):
    """The sink's source, with its points."""

    def _commit(self, *given: Any) -> None:
        fate.passes("before the promise")
        super()._commit(*given)
        fate.passes("after the promise")

    def _redo(self, *given: Any) -> None:
        super()._redo(*given)
        fate.passes("share seen to")


def _tell(decisions: Sequence[Parted]) -> None:
    path = os.environ.get(TOLD)
    if path:
        last = {str(each.record.partition): each.record.offset for each in decisions}
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(json.dumps([time.monotonic(), last]) + "\n")


def main(group: str, batch: str, point: str = "", passes: str = "1") -> None:
    """Run the sink with the points in it."""
    from flowtrack.adapters.kafka import worker
    from flowtrack.tracking import ledger

    fate.__init__(point, int(passes))  # type: ignore[misc]  # the one that everything refers to
    stores.SinkStore = Store  # type: ignore[misc]  # `apps.sink` takes what stands there when it runs
    ledger.LedgerWriter = Writer  # type: ignore[misc]  # likewise
    worker.PlannedSource = Source  # type: ignore[attr-defined]  # likewise, of the worker
    sink.SINK_GROUP = group  # type: ignore[attr-defined]  # lines side by side have a group each
    sink._BATCH_RECORDS = int(batch)  # noqa: SLF001 - many small batches have many points
    sys.exit(sink.run())


if __name__ == "__main__":
    main(*sys.argv[1:])
