"""A process that writes a day into a store, batch by batch from the start, as a sink whose commits were all lost.

Usage: python writing_process.py DIRECTORY EVENTS BATCH; prints a line before each batch, and the books at the end.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from flowtrack.adapters.clickhouse.ledger import ClickHouseLedger
from flowtrack.adapters.clickhouse.settings import ClickHouseSettings
from flowtrack.adapters.clickhouse.sink import SinkStore
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.audit.questions import Books
from flowtrack.tracking.ledger import LedgerWriter
from tests.ledger.conftest import clock
from tests.ledger.day import a_day


def main(directory: str, events: int, batch: int) -> None:
    """Write everything, and say how it stands."""
    records = a_day(events)
    with Store(ClickHouseSettings(data_dir=Path(directory))) as store:
        store.migrate()
        writer = LedgerWriter(SinkStore(store), f"run{os.getpid()}")
        for at in range(0, len(records), batch):
            print(f"batch {at}", flush=True)  # noqa: T201 - the test reads it
            writer.process(records[at : at + batch])
        books = ClickHouseLedger(store, clock=clock).books(Books())
        print(books.model_dump_json(), flush=True)  # noqa: T201 - the test reads it


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
