"""A process that lets the engine merge a ledger as though it had been left alone for two days.

Usage: python resting_process.py DIRECTORY; prints how many parts of flows there were, how many are left of how many
months, and the books.
"""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

from benchmarks.rig.at_rest import make_old
from flowtrack.adapters.clickhouse.ledger import ClickHouseLedger
from flowtrack.adapters.clickhouse.settings import ClickHouseSettings
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.audit.questions import Books
from tests.ledger.conftest import clock

_DEADLINE_S = 200
_PARTS = "SELECT count(), uniqExact(partition) FROM system.parts WHERE active AND table = 'flows'"


def main(data_dir: Path) -> None:
    """Wait until each month is one part, or for the deadline."""
    flows = [part for part in make_old(data_dir) if (part / "daily.proj").exists()]
    with Store(ClickHouseSettings(data_dir=data_dir)) as store:
        until_s, pause = time.monotonic() + _DEADLINE_S, threading.Event()
        left, months = store.rows(_PARTS)[0]
        while left > months and time.monotonic() < until_s:
            pause.wait(0.2)
            left, months = store.rows(_PARTS)[0]
        books = ClickHouseLedger(store, clock=clock).books(Books())
        print(len(flows), f"{left} {months}", books.model_dump_json(), sep="\n")  # noqa: T201 - the test reads it


if __name__ == "__main__":
    main(Path(sys.argv[1]))
