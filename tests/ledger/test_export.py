"""Export to Parquet: what was asked for, by months, with a manifest that says how complete it is."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from pyarrow.parquet import read_table

from flowtrack.adapters.clickhouse.store import Store
from flowtrack.audit.copies import Export, ExportTable
from flowtrack.domain.instants import instant_us
from flowtrack.errors import StoreError
from tests.ledger.day import category, decision, record, subject_of
from tests.ledger.keeping import filled, keeper_of, write

MARCH, APRIL = (datetime(2026, month, 10, tzinfo=UTC) for month in (3, 4))


def two_months(store: Store) -> None:
    """Three events in March, two in April."""
    for offset in range(5):
        at = MARCH if offset < 3 else APRIL
        item = decision(offset, category("provided.email"), happened_at=at)
        write(store, [record(item, offset, at_ms=int(at.timestamp() * 1000))])


def test_rows_come_by_months_with_a_manifest(store: Store, tmp_path: Path) -> None:
    """A file for each month of recording; the manifest has rows and hash of each, and up to when it is complete."""
    two_months(store)
    target = tmp_path / "out's"
    keeper_of(store).export(Export(target=str(target)), asker="auditor")
    manifest = json.loads((target / "manifest.json").read_text(encoding="utf-8"))
    assert [(file["path"], file["rows"]) for file in manifest["files"]] == [
        ("flows-202603.parquet", 3),
        ("flows-202604.parquet", 2),
    ]
    for file in manifest["files"]:
        assert hashlib.sha256((target / file["path"]).read_bytes()).hexdigest() == file["sha256"]
    assert manifest["rows"] == 5
    assert datetime.fromisoformat(manifest["complete_up_to"]) == APRIL


def test_the_rows_are_those_of_the_ledger(store: Store, tmp_path: Path) -> None:
    """Read back, each value is what a query gives."""
    filled(store)
    keeper_of(store).export(Export(target=str(tmp_path / "out"), with_subjects=True), asker="auditor")
    rows = read_table(tmp_path / "out" / "flows-202603.parquet").to_pylist()
    asked = store.rows(
        "SELECT lower(replaceAll(toString(subject), '-', '')), toUnixTimestamp64Micro(happened_at), event_id, "
        "category, verdict, "
        "toUInt64(situation), source_offset FROM flows"
    )
    for row in rows:
        row["happened_at"] = instant_us(row["happened_at"])
    names = ("subject", "happened_at", "event_id", "category", "verdict", "situation", "source_offset")
    assert sorted(tuple(row[name] for name in names) for row in rows) == sorted(asked)


def test_subjects_are_left_out_unless_asked_for(store: Store, tmp_path: Path) -> None:
    """Without the option no column has a pseudonym; the audit log says what was exported, and by whom."""
    filled(store)
    keeper_of(store).export(Export(target=str(tmp_path / "out")), asker="auditor")
    table = read_table(tmp_path / "out" / "flows-202603.parquet")
    assert "subject" not in table.column_names
    assert subject_of(3) not in str(table.to_pylist())
    ((asker, parameters),) = store.rows("SELECT asker, parameters FROM audit_log WHERE question = 'export'")
    assert (asker, json.loads(parameters)["with_subjects"]) == ("auditor", False)


@pytest.mark.parametrize(
    ("bounds", "rows"),
    [
        ({"since": APRIL}, 2),
        ({"until": APRIL}, 3),
        ({"known_at": MARCH + timedelta(days=1)}, 3),
        ({"as_of": MARCH - timedelta(days=1)}, 0),
        ({"since": MARCH, "as_of": APRIL}, 5),
    ],
    ids=["since", "until", "known at", "as of", "both"],
)
def test_periods_and_times_narrow_it(store: Store, tmp_path: Path, bounds: dict[str, datetime], rows: int) -> None:
    """Recorded since and until, known at, as of: each leaves out what lies beyond."""
    two_months(store)
    manifest = keeper_of(store).export(Export(target=str(tmp_path / "out"), **bounds), asker="a")
    assert manifest.rows == rows


@pytest.mark.parametrize("table", ExportTable)
def test_every_table_can_be_exported(store: Store, tmp_path: Path, table: ExportTable) -> None:
    """Each gives as many rows as it has, under all bounds at once."""
    filled(store)
    wide = {"since": MARCH - timedelta(days=999), "until": APRIL + timedelta(days=999)}
    request = Export(
        target=str(tmp_path / "out"),
        table=table,
        **wide,
        as_of=wide["until"],
        known_at=wide["until"],
        with_subjects=True,
    )
    manifest = keeper_of(store).export(request, asker="a")
    rows = store.rows(f"SELECT count() FROM {table}")  # noqa: S608 - a table of ours
    assert manifest.rows == rows[0][0]


@pytest.mark.parametrize(
    ("free", "said"), [(1 << 40, "was not written whole"), (0, "no room left")], ids=["room", "full"]
)
def test_a_file_that_breaks_off_is_no_export(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, said: str
) -> None:
    """The engine may say nothing of a full disk: the file is read, and what to do is said; there is no manifest."""
    filled(store)
    monkeypatch.setattr(Store, "write_parquet", lambda _store, _statement, path, **_: path.write_bytes(b"PAR1"))
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=free))
    with pytest.raises(StoreError, match=said) as refused:
        keeper_of(store).export(Export(target=str(tmp_path / "e")), asker="ops")
    assert "room" in refused.value.help
    assert not (tmp_path / "e" / "manifest.json").exists()


def test_an_export_never_goes_over_another(store: Store, tmp_path: Path) -> None:
    """A folder that is there is refused, and nothing is written into it."""
    with pytest.raises(StoreError, match="is there already"):
        keeper_of(store).export(Export(target=str(tmp_path)), asker="a")
    assert list(tmp_path.iterdir()) == []
