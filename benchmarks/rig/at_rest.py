"""A ledger as the embedded engine leaves it when nothing is written for a day: merged as far as it merges."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Final

from flowtrack.adapters.clickhouse.settings import ClickHouseSettings
from flowtrack.adapters.clickhouse.store import Store

_AGE_S: Final = 2 * 86_400
_QUIET_S: Final = 75.0
"""The engine looks for something to merge once a minute at least."""
_PARTS = "SELECT count() FROM system.parts WHERE active AND table = 'flows'"


def make_old(data_dir: Path) -> list[Path]:
    """Make all parts of a ledger that nobody has open look two days old, and give them."""
    at_s = time.time() - _AGE_S
    parts = [part for part in data_dir.glob("store/*/*/*_*_*_*") if part.is_dir()]
    for part in parts:
        os.utime(part, (at_s, at_s))
    return parts


def bring_to_rest(data_dir: Path, memory_bytes: int, quiet_s: float = _QUIET_S) -> int:
    """Make all parts of a ledger look two days old, let the engine merge them, and give how many are left.

    Args:
        data_dir: of a ledger that nobody has open.
        memory_bytes: what the engine may use.
        quiet_s: so long without a merge is rest.
    """
    make_old(data_dir)
    with Store(ClickHouseSettings(data_dir=data_dir, memory_bytes_max=memory_bytes)) as store:
        since_s, pause = time.monotonic(), threading.Event()
        while time.monotonic() < since_s + quiet_s:
            if store.rows("SELECT count() FROM system.merges")[0][0]:
                since_s = time.monotonic()
            pause.wait(0.5)
        return int(store.rows(_PARTS)[0][0])
