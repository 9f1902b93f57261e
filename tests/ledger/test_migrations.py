"""Migrations: applied once, in order, and never changed afterwards."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from flowtrack.adapters.clickhouse.migrate import Migration, shipped
from flowtrack.adapters.clickhouse.settings import ClickHouseSettings
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.apps.cli import app
from flowtrack.errors import StoreError
from flowtrack.tracking.rows import COLUMNS


def test_migrations_are_applied_once(empty: Store) -> None:
    """The first call applies all, the next none, and the journal has each once."""
    assert empty.migrate() == [migration.name for migration in shipped()]
    assert empty.migrate() == []
    assert empty.rows("SELECT count(), uniqExact(number) FROM migrations") == [(len(shipped()), len(shipped()))]


def test_an_operator_migrates_from_the_command_line(
    settings: ClickHouseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`flowtrack store migrate` makes the tables of the store that the settings name, and says which files it took."""
    for name in ("url", "data_dir", "database"):
        monkeypatch.setenv(f"FLOWTRACK_CLICKHOUSE__{name.upper()}", str(getattr(settings, name)))
    if settings.password is not None:
        monkeypatch.setenv("FLOWTRACK_CLICKHOUSE__PASSWORD", settings.secret())
    applied = CliRunner().invoke(app, ["store", "migrate", "--json"])
    assert json.loads(applied.stdout) == {"applied": [migration.name for migration in shipped()]}
    assert CliRunner().invoke(app, ["store", "migrate"]).stdout == "nothing was missing\n"


def test_a_new_migration_is_applied_alone(store: Store) -> None:
    """What a later version adds is applied to a database that has the rest."""
    added = Migration(9000, "9000_more.sql", "-- more\nCREATE TABLE more (a UInt8) ENGINE = Memory;\n")
    assert store.migrate([*shipped(), added]) == ["9000_more.sql"]
    assert store.rows("SELECT count() FROM more") == [(0,)]


def test_a_changed_migration_is_refused(store: Store) -> None:
    """An applied file that reads otherwise now is named, and nothing is applied."""
    first, *rest = shipped()
    changed = first._replace(text=first.text + "\n-- changed")
    with pytest.raises(StoreError, match=first.name) as refused:
        store.migrate([changed, *rest])
    assert "next number" in refused.value.help


def test_a_database_of_a_newer_version_is_refused(store: Store) -> None:
    """An older version does not write to what it does not know."""
    store.note(Migration(9001, "9001_future.sql", ""))
    with pytest.raises(StoreError, match=r"9001_future\.sql"):
        store.migrate()


@pytest.mark.embedded
def test_a_table_that_is_gone_is_missed(store: Store) -> None:
    """What migrations made and nobody dropped is there, or the ledger is refused: not half of it answered from."""
    store.command("DROP TABLE consents SYNC")
    with pytest.raises(StoreError, match="`consents` was made and is not there") as refused:
        store.migrate()
    assert "backup" in refused.value.help


def test_a_migration_that_broke_off_is_applied_again(empty: Store) -> None:
    """A file whose second statement fails is not noted, and passes as a whole once it is mended."""
    create = "CREATE TABLE IF NOT EXISTS half (a UInt8) ENGINE = Memory;\n"
    with pytest.raises(StoreError):
        empty.migrate([Migration(1, "0001_half.sql", f"{create}CREATE TABLE nonsense;\n")])
    assert empty.migrate([Migration(1, "0001_half.sql", create)]) == ["0001_half.sql"]


def test_the_numbers_are_unique_and_rising() -> None:
    """Two files with one number would leave their order to chance."""
    numbers = [migration.number for migration in shipped()]
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize("table", COLUMNS)
def test_the_sink_fills_every_column(store: Store, table: str) -> None:
    """The columns of the writer's rows are those of the table, in both directions; computed ones aside."""
    rows = store.rows(
        "SELECT name FROM system.columns "
        "WHERE database = currentDatabase() AND table = {table:String} AND default_kind = ''",
        table=table,
    )
    assert {name for (name,) in rows} == set(COLUMNS[table])
