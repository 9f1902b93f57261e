"""Backups of the embedded store: taken by the engine while it works, read back before they count, and put back.

TARGET/manifest.json    what there must be: rows by table, every file with its size and hash
TARGET/data/            the engine's own backup (BACKUP DATABASE … TO File)
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from flowtrack.adapters.clickhouse.books import books
from flowtrack.adapters.clickhouse.completeness import completeness
from flowtrack.adapters.clickhouse.damage import RESTORING
from flowtrack.adapters.clickhouse.files import MANIFEST, copied, copied_all, write_manifest, writing
from flowtrack.adapters.clickhouse.settings import ClickHouseSettings
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.audit.answers import CompleteUpTo
from flowtrack.audit.copies import FORMAT, BackupAnswer, BackupManifest
from flowtrack.audit.questions import Books
from flowtrack.errors import StoreError

_DATA: Final = "data"
_READ_BACK: Final = "_read_back"
"""What the database's name ends with, into which a backup is read back."""
_TAKE_ANOTHER: Final = "take another backup, and see whether the disk is sound"
_RESTORING: Final = {"allow_suspicious_low_cardinality_types": 1}
"""The type of one column of ours needs it whenever the table is made (migrations/0001)."""
_TABLES: Final = """
SELECT name FROM system.tables
WHERE database = currentDatabase() AND engine LIKE '%MergeTree' ORDER BY name"""
_UNJUDGED: Final = """
SELECT count() FROM
(SELECT DISTINCT pack, toUInt64(situation) AS situation FROM flows WHERE category != '')
WHERE (pack, situation) NOT IN (SELECT pack, situation FROM judgements)"""


def back_up(store: Store, target: Path, at: datetime) -> BackupAnswer:
    """Copy the whole ledger into a new folder, and prove that it can be put back.

    What is hidden must have been cleaned up before: the engine's backup leaves patch parts out.

    Raises:
        StoreError: the store is a server's, the folder is there already, or what was written is not what was read back.
    """
    if not store.settings.embedded:
        raise StoreError(
            "a server backs itself up",
            where="backup",
            help="use BACKUP DATABASE or clickhouse-backup there; this command is for the embedded store",
        )
    target = target.resolve()
    with writing(target, "backup"):
        complete = completeness(store, None).complete_up_to  # before the rows: what comes in between is not promised
        store.command(f"BACKUP DATABASE {store.settings.database} TO File('{_quoted(target / _DATA)}')")
        tables = _read_back(store, target)
        manifest = BackupManifest(
            format=FORMAT,
            taken_at=at,
            database=store.settings.database,
            migrations=sorted(name for (name,) in store.rows("SELECT DISTINCT name FROM migrations")),
            complete_up_to=complete,
            tables=tables,
            files=copied_all(target),
        )
        digest = write_manifest(target, manifest)
    return BackupAnswer(
        target=str(target),
        rows=sum(tables.values()),
        files=len(manifest.files),
        bytes=sum(file.bytes for file in manifest.files),
        manifest_sha256=digest,
        complete_up_to=manifest.complete_up_to,
    )


def read_manifest(source: Path) -> BackupManifest:
    """Read a backup's manifest, and hold every file against it.

    Raises:
        StoreError: there is none, it is of another format, or a file is missing, changed or too many.
    """
    path = source / MANIFEST
    refuse_no_backup(source)
    try:
        manifest = BackupManifest.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise _damaged(source, MANIFEST) from error
    if manifest.format != FORMAT:
        raise StoreError(
            f"the backup is of format `{manifest.format}`", where=str(source), help="use the version that took it"
        )
    for file in manifest.files:
        try:
            found = copied(source, source / file.path)
        except OSError as error:
            raise _damaged(source, file.path) from error
        if found != file:
            raise _damaged(source, file.path)
    return manifest


def refuse_no_backup(source: Path) -> None:
    """Refuse a folder that is no backup, or one that broke off.

    Raises:
        StoreError: it has no manifest.
    """
    if not (source / MANIFEST).is_file():
        raise StoreError(
            "there is no whole backup here",
            where=str(source),
            help="one without a manifest broke off: take another one",
        )


@contextmanager
def restoring(settings: ClickHouseSettings) -> Iterator[Store]:
    """Give an empty store beside the ledger's place, and put it there when all that is done to it has ended well.

    Killed at any instant, it leaves no ledger that answers without rows: until the last statement there is none in its
    place, which is then refused (`damage.refuse_half_restored`) and can be restored into again.

    Raises:
        StoreError: there is a ledger already.
    """
    beside = f"{settings.database}{RESTORING}"
    with Store(settings) as place:
        _refuse_full(place)
        place.command(f"DROP DATABASE IF EXISTS {beside} SYNC")  # of one that was killed
        with Store(settings.model_copy(update={"database": beside})) as store:
            yield store
        place.command(f"DROP DATABASE {settings.database} SYNC")
        place.command(f"RENAME DATABASE {beside} TO {settings.database}")


def clear_read_back(store: Store) -> None:
    """Drop the copy that a backup which was killed has read back: nobody asks it, and it may have who was erased."""
    if store.settings.embedded:
        store.command(f"DROP DATABASE IF EXISTS {store.settings.database}{_READ_BACK} SYNC")


def put_back(store: Store, source: Path, known: Collection[str]) -> BackupManifest:
    """Put a backup back into an empty store; its migrations are still to be brought up to date.

    Args:
        store: open, without a table.
        source: the backup's folder.
        known: the migrations that this version knows.

    Raises:
        StoreError: the backup is damaged or of a newer version, or the store has tables.
    """
    source = source.resolve()
    manifest = read_manifest(source)
    unknown = sorted(set(manifest.migrations) - set(known))
    if unknown:
        raise StoreError(
            f"the backup has `{unknown[0]}`, which this version does not know",
            where=str(source),
            help="restore it with the version of Flowtrack that took it, or a newer one",
        )
    _refuse_full(store)
    try:
        _restore(store, source, manifest.database, store.settings.database)
        _refuse_other_counts(_count(store), manifest, source)
    except StoreError:
        with suppress(StoreError):  # the first error says what is wrong
            store.command(f"DROP DATABASE {store.settings.database} SYNC")
            store.command(f"CREATE DATABASE {store.settings.database}")
        raise
    return manifest


def _refuse_full(store: Store) -> None:
    if store.rows("SELECT count() FROM system.tables WHERE database = currentDatabase()") != [(0,)]:
        raise StoreError(
            "the store is not empty",
            where=store.settings.address,
            help="restore into a new data directory; a backup never replaces what is there",
        )


def _read_back(store: Store, target: Path) -> dict[str, int]:
    """Put what was written into a database beside the ledger, look at it, and give its rows by table."""
    clear_read_back(store)
    beside = f"{store.settings.database}{_READ_BACK}"
    try:
        _restore(store, target, store.settings.database, beside)
        with Store(store.settings.model_copy(update={"database": beside})) as copy:
            tables = _count(copy)
            _look(copy, target)
            return tables
    finally:
        clear_read_back(store)


def _look(copy: Store, target: Path) -> None:
    """Read every byte of a copy, and hold it against the ledger's laws.

    No row twice, no offset both judged and dead, no verdict without why.  The laws are read from projections: of the
    rows themselves only their checksums tell that they can be read.
    """
    for (table,) in copy.rows(_TABLES):
        if copy.rows(f"CHECK TABLE {table} SETTINGS check_query_single_value_result = 1") != [(1,)]:
            raise StoreError(
                f"`{table}` cannot be read back: its files are damaged, in the ledger too",
                where=str(target),
                help="put the ledger back from an earlier backup, and look after the disk; this one is none",
            )
    partitions = books(copy, Books(), CompleteUpTo()).partitions
    wrong = [part for part in partitions if part.repeated_rows or part.both]
    unjudged = copy.rows(_UNJUDGED)[0][0]
    if wrong or unjudged:
        what = f"the books of partition {wrong[0].partition} do not balance" if wrong else "verdicts lack their reasons"
        raise StoreError(what, where=str(target), help="see `flowtrack reconcile`; then take another backup")


def _refuse_other_counts(counted: dict[str, int], manifest: BackupManifest, source: Path) -> None:
    tables = sorted(name for name, rows in manifest.tables.items() if counted.get(name) != rows)
    if tables:
        raise StoreError(
            f"`{', '.join(tables)}` came back with another number of rows", where=str(source), help=_TAKE_ANOTHER
        )


def _restore(store: Store, source: Path, database: str, into: str) -> None:
    statement = f"RESTORE DATABASE {database} AS {into} FROM File('{_quoted(source / _DATA)}')"
    store.command(f"{statement} SETTINGS allow_different_database_def = 1", _RESTORING)


def _count(store: Store) -> dict[str, int]:
    return {name: _rows(store, name) for (name,) in store.rows(_TABLES)}


def _rows(store: Store, table: str) -> int:
    return int(store.rows(f"SELECT count() FROM {table}")[0][0])  # noqa: S608 - a table of the schema


def _quoted(path: Path) -> str:
    return str(path).replace("\\", "\\\\").replace("'", "\\'")


def _damaged(source: Path, path: str) -> StoreError:
    return StoreError(
        f"the backup is damaged: `{path}` is not as it was written", where=str(source), help="use another backup"
    )
