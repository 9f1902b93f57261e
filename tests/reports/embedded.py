"""Writes the day into an embedded ledger and runs commands over it, in a process of its own: one engine a process.

Takes the data directory; commands come as JSON lists of arguments, one a line; ends with the first that fails.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from flowtrack.adapters.clickhouse.settings import ClickHouseSettings
from flowtrack.adapters.clickhouse.sink import SinkStore
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.apps.cli import app
from flowtrack.apps.directory import DataDirectory
from tests.reports.day import write


def main() -> None:
    """Write the day, and run what standard input says."""
    folder = sys.argv[1]
    with Store(ClickHouseSettings(data_dir=DataDirectory(Path(folder)).store)) as store:
        store.migrate()
        write(SinkStore(store))
    for line in sys.stdin:
        app([*json.loads(line), "--data-dir", folder], standalone_mode=False)


if __name__ == "__main__":
    main()
