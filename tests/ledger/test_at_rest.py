"""What the embedded engine does by itself with a ledger that is left alone: few parts, of a size that it can merge."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from flowtrack.adapters.clickhouse.settings import ClickHouseSettings
from flowtrack.adapters.clickhouse.store import Store
from tests.ledger.conftest import MEMORY_BYTES

EVENTS, BATCH = 240, 40
_DEADLINE_S = 300


@pytest.mark.parametrize("mib", [400, 2048])
def test_a_part_is_as_large_as_memory_allows(tmp_path: Path, mib: int) -> None:
    """Half a gigabyte, or as much as the engine may use."""
    options = ClickHouseSettings(data_dir=tmp_path, memory_bytes_max=mib << 20).engine_options()
    assert options["merge_tree.max_bytes_to_merge_at_max_space_in_pool"] == str(max(512, mib) << 20)


@pytest.mark.embedded
def test_the_engine_takes_these_settings(store: Store) -> None:
    """Not only whole months are merged when they are a day old: between large parts no run of small ones is left."""
    found = dict(
        store.rows(
            "SELECT name, value FROM system.merge_tree_settings WHERE name IN ('min_age_to_force_merge_seconds',"
            " 'min_age_to_force_merge_on_partition_only', 'max_bytes_to_merge_at_max_space_in_pool')"
        )
    )
    assert found == {
        "min_age_to_force_merge_seconds": "86400",
        "min_age_to_force_merge_on_partition_only": "0",
        "max_bytes_to_merge_at_max_space_in_pool": str(MEMORY_BYTES),
    }


def test_parts_that_are_old_become_one(tmp_path: Path) -> None:
    """A day after the last insert, each month is one part, and the ledger says the same as before."""
    data_dir = tmp_path / "store"
    written = _run("tests.ledger.writing_process", str(data_dir), str(EVENTS), str(BATCH))
    rested = _run("tests.ledger.resting_process", str(data_dir))
    before, after, books = rested.splitlines()[-3:]
    months = int(after.split()[1])
    assert int(before) > months == int(after.split()[0])
    assert books == written.splitlines()[-1]


def _run(module: str, *arguments: str) -> str:
    argv = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=_DEADLINE_S, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
