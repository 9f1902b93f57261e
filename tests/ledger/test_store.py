"""The store: one block an insert, one place for foreign errors, one process a directory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from flowtrack.adapters.clickhouse.connect import INSERT_ROWS_MAX
from flowtrack.adapters.clickhouse.footprint import release_code_pages
from flowtrack.adapters.clickhouse.settings import ClickHouseSettings
from flowtrack.adapters.clickhouse.sink import SinkStore
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.errors import StoreError, StoreUnavailableError
from flowtrack.tracking.rows import FLOWS, block_of, flow_rows
from tests.ledger.day import category, decision, record, subject_of

_OPEN = """
import sys
from pathlib import Path
from flowtrack.adapters.clickhouse.settings import ClickHouseSettings
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.errors import RuntimeStateError
try:
    Store(ClickHouseSettings(data_dir=Path(sys.argv[1]))).open()
except RuntimeStateError as error:
    print(error)
"""


def test_a_directory_held_by_another_process_is_said_to_be_so(engine: Path) -> None:
    """The error names the directory and what to do, not the engine's lock file."""
    asked = subprocess.run(
        [sys.executable, "-c", _OPEN, str(engine)], capture_output=True, text=True, timeout=60, check=True
    )
    assert "open in another process" in asked.stdout
    assert str(engine) in asked.stdout
    assert "help: ask that process" in asked.stdout


def test_an_insert_is_one_part(store: Store) -> None:
    """However many rows, an insert is one part: it is there wholly or not at all."""
    one = flow_rows(decision(1, category("provided.email")), record(decision(1), 1))
    SinkStore(store).insert(block_of(FLOWS, one * 150_000), "a")
    parts = store.rows(
        "SELECT count(), sum(rows) FROM system.parts "
        "WHERE database = currentDatabase() AND table = 'flows' AND level = 0"
    )
    assert parts == [(1, 150_000)]


def test_an_insert_that_would_be_cut_is_refused(store: Store) -> None:
    """More rows than surely make one block are refused before anything is written."""
    with pytest.raises(StoreError, match="would not be one block"):
        store.insert("audit_log", {"asker": ["a"] * (INSERT_ROWS_MAX + 1)}, "a")


def test_errors_carry_no_values(store: Store) -> None:
    """A statement that fails is named by its first words and the engine's code; what was asked about stays out."""
    secret = subject_of(1)
    with pytest.raises(StoreError) as refused:
        store.rows("SELECT toUInt8({subject:String}) FROM flows_of_nobody", subject=secret)
    assert "UNKNOWN_TABLE" in str(refused.value)
    assert secret not in str(refused.value)


def test_values_are_never_part_of_a_statement(store: Store) -> None:
    """What looks like SQL in a value is a value."""
    value = "'; DROP TABLE flows; --"
    assert store.rows("SELECT {value:String}", value=value) == [(value,)]
    assert store.rows("SELECT count() FROM flows") == [(0,)]


def test_a_closed_store_says_so() -> None:
    """Using a store that is not open is refused with what to do."""
    with pytest.raises(StoreError, match="not open"):
        Store(ClickHouseSettings()).rows("SELECT 1")


def test_a_server_that_does_not_answer_is_a_store_error() -> None:
    """Errors of the network become ours."""
    with pytest.raises(StoreUnavailableError, match=r"127\.0\.0\.1:9, .*: the server does not answer"):
        Store(ClickHouseSettings(url="http://127.0.0.1:9")).open()


def test_letting_code_pages_go_changes_nothing(store: Store) -> None:
    """The engine answers as before after its code was given back."""
    assert release_code_pages() >= 0
    assert store.rows("SELECT sum(number) FROM numbers(1000)") == [(499_500,)]
