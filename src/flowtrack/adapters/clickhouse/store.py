"""One connection to the ledger's database: the same code for the embedded engine and for a server."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, cast

import pyarrow as pa
import structlog
from clickhouse_connect.driver.client import Client

from flowtrack.adapters.clickhouse import handing
from flowtrack.adapters.clickhouse.connect import INSERT_ROWS_MAX, SORTED, connect, hand_on, insert_settings
from flowtrack.adapters.clickhouse.damage import refuse_damaged, refuse_half_restored, refuse_missing
from flowtrack.adapters.clickhouse.faults import Doing, opening, ours
from flowtrack.adapters.clickhouse.footprint import release_code_pages
from flowtrack.adapters.clickhouse.kept import kept_of
from flowtrack.adapters.clickhouse.lines import lines_of
from flowtrack.adapters.clickhouse.migrate import (
    Migration,
    Rewriting,
    apply,
    for_servers,
    made_by,
    rewriting,
    shipped,
    shipped_layout,
)
from flowtrack.adapters.clickhouse.settings import ClickHouseSettings
from flowtrack.adapters.clickhouse.touched import touched_by
from flowtrack.errors import StoreError
from flowtrack.tracking.rows import FLOWS

# Asked before one is made: a writer needs no right to make databases.
_DATABASE = "SELECT 1 FROM system.databases WHERE name = {name:String}"
_log = structlog.get_logger(__name__)
# Dictionaries are made by the engine, which does it several times as fast as its client.
_LOW_CARDINALITY = re.compile(r"LowCardinality\((\w+)\)")

_PIECE_BYTES = 1 << 20

READ_BACK = frozenset({"flows", "consents", "judgements", "migrations"})
"""Tables whose writer asks what they hold, before it writes and after an outcome in doubt."""


class Store:
    """A connection; not for use by several threads at once (open one each: within a process they share the engine).

    Args:
        settings: where the database is.
    """

    def __init__(self, settings: ClickHouseSettings) -> None:
        self.settings = settings
        self._client: Client | None = None
        self.layout = shipped_layout(settings.database, settings.cluster)
        """Which tables hold the rows, for statements that are about how rows rest."""
        self._types: dict[str, dict[str, str]] = {}
        self.kept = kept_of(settings)
        """What this process has read and may give again; each write here is told to it."""
        self.lines = lines_of(settings)
        """Lines of the audit log that are on their way."""

    def open(self) -> Self:
        """Connect, and make the database where there is none; tables come with `migrate`.

        Raises:
            RuntimeStateError: another process has the embedded directory open.
            StoreError: the server does not answer, or not with what is needed.
        """
        if self._client is not None:
            return self
        with opening(self.settings.data_dir if self.settings.embedded else None, self.settings.address):
            client = connect(self.settings)
            try:
                if not client.query(_DATABASE, parameters={"name": self.settings.database}).result_rows:
                    client.command(f"CREATE DATABASE IF NOT EXISTS {self.settings.database}{self.layout.everywhere}")
                client.database = self.settings.database
            except BaseException:
                client.close()
                raise
        self._client = client
        self.kept.opened()
        self._slim()
        return self

    def close(self) -> None:
        """Disconnect; harmless when not connected."""
        if self._client is not None:
            self._client.close()
            self._client = None
            self.kept.closed()

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def migrate(self, migrations: Iterable[Migration] | None = None) -> list[str]:
        """Apply what is missing of the migrations (those that are shipped, unless said), and give their names.

        Older rows that have to be rewritten are rewritten in the background (`rewriting`).

        Raises:
            StoreError: an applied file has changed, the database is ahead, a statement failed, or something of what is
                there is damaged, or was put back by half.
        """
        if self.settings.embedded:
            refuse_half_restored(self, self.settings.address)
        if migrations is None:
            migrations = shipped() + (for_servers() if self.settings.manage_roles else [])
        wanted = list(migrations)
        done = apply(self, wanted, self.layout)
        if self.settings.embedded:  # a server shows tables to those only who may read them
            refuse_missing(self, made_by(wanted), self.settings.address)
        if not self.settings.cluster:
            refuse_damaged(self, self.settings.address)
        for left in self.rewriting():
            _log.info("older rows are rewritten in the background", **left._asdict())
        self._slim()
        return done

    def rewriting(self) -> list[Rewriting]:
        """What the engine is still rewriting; the embedded one only while a process has it open."""
        return rewriting(self, self.layout)

    def insert(self, table: str, columns: Mapping[str, Sequence[Any]], token: str, deadline_ms: int = 0) -> None:
        """Insert columns of equal length as one block: wholly there afterwards, or not at all.

        Args:
            table: one of the tables that the migrations made.
            columns: name to values; instants as whole units of the column's precision, subjects as 32 hex digits.
            token: names the insert; another insert under the same token adds nothing, whatever its rows.
            deadline_ms: of the wall clock; a table that has a constraint for it refuses the insert from then on.

        Raises:
            StoreUnavailableError: nothing was written; it may work later.
            StoreInDoubtError: the outcome is unknown: read back before doing it again.
            StoreError: it will not work until somebody acts.
        """
        rows = len(next(iter(columns.values())))
        if rows > INSERT_ROWS_MAX:
            raise StoreError(f"an insert of `{rows}` rows would not be one block", where=table, help="cut it before")
        types = self._types_of(table)
        touched = touched_by(columns, table)
        with ours(self._doing(f"insert into `{table}`", writes=True)), self.kept.writing(table, touched):
            context = self._open_client().create_insert_context(
                table,
                data=list(columns.values()),
                column_names=list(columns),
                column_type_names=[types[name] for name in columns],
                column_oriented=True,
                settings=insert_settings(self.settings, token, read_back=table in READ_BACK, deadline_ms=deadline_ms),
            )
            context.block_row_count = rows  # sent as one: of several, each would have a token of its own (handing)
            self._open_client().data_insert(context)

    def hand_on(self, columns: pa.RecordBatch, token: str, deadline_ms: int = 0) -> None:
        """Insert decisions into `flows` as one block.

        Args:
            columns: see `handing.columns_of`; of one partition of the table.
            token: as of `insert`.
            deadline_ms: likewise.

        Raises:
            StoreError: as of `insert`; also where something in them is none.
        """
        settings = {
            **insert_settings(self.settings, token, read_back=True, deadline_ms=deadline_ms),
            **handing.reading(columns),
        }
        touched = touched_by(columns, FLOWS)
        with ours(self._doing(f"insert into `{FLOWS}`", writes=True)), self.kept.writing(FLOWS, touched):
            hand_on(self._open_client(), self.settings, columns, settings)

    def insert_selected(self, statement: str, token: str, deadline_ms: int = 0, **parameters: object) -> None:
        """Run an `INSERT ... SELECT` whose rows become one block; again under the same token adds nothing.

        Args:
            statement: gives `INSERT_ROWS_MAX` rows at most, of one partition of the table, in an order of its own: as
                they are read, they come in blocks that another merge cuts otherwise, and each would have a token.
            token: as of `insert`.
            deadline_ms: likewise.
            parameters: its values, as of `rows`.

        Raises:
            StoreError: it failed, or its outcome is unknown.
        """
        settings = insert_settings(self.settings, token, read_back=True, deadline_ms=deadline_ms)
        self.command(statement, {**settings, **SORTED}, **parameters)

    def rows(self, statement: str, **parameters: object) -> list[tuple[Any, ...]]:
        """Run a query and give its rows; values go in as parameters (`{name:Type}`), never into the text.

        Raises:
            StoreError: it failed.
        """
        with ours(self._doing(f"query `{_label(statement)}`")):
            return [tuple(row) for row in self._open_client().query(statement, parameters=parameters).result_rows]

    def named(self, statement: str, **parameters: object) -> list[dict[str, Any]]:
        """Like `rows`, each row as a dictionary by column name."""
        with ours(self._doing(f"query `{_label(statement)}`")):
            return list(self._open_client().query(statement, parameters=parameters).named_results())

    def command(self, statement: str, settings: Mapping[str, object] | None = None, **parameters: object) -> None:
        """Run a statement that answers nothing; values go in as parameters (`{name:Type}`), never into the text.

        Args:
            statement: with its parameters' names in it.
            settings: of the engine, for this statement alone.
            **parameters: the values.

        Raises:
            StoreError: it failed.
        """
        try:
            with ours(self._doing(f"statement `{_label(statement)}`", writes=True)):
                self._open_client().command(statement, parameters=parameters or None, settings=dict(settings or {}))
        finally:
            self.kept.changed()

    def write_parquet(self, statement: str, path: Path, **parameters: object) -> None:
        """Run a query and write its rows to a file of this machine, in bounded memory.

        The embedded engine writes the file itself, since its answers in Parquet come whole; a server's come in pieces.

        Raises:
            StoreError: it failed; the file is not whole then.
        """
        with ours(self._doing(f"export `{path.name}`")):
            if self.settings.embedded:
                quoted = str(path).replace("\\", "\\\\").replace("'", "\\'")
                into = f"INSERT INTO FUNCTION file('{quoted}', 'Parquet') {statement}"
                self._open_client().command(into, parameters=parameters or None)
                return
            with (
                path.open("wb") as file,
                self._open_client().raw_stream(statement, parameters=parameters or None, fmt="Parquet") as stream,
            ):
                shutil.copyfileobj(stream, file)

    @contextmanager
    def stream(self, statement: str, form: str, **parameters: object) -> Iterator[Iterator[bytes]]:
        """Run a query and give its rows as the engine writes them, in pieces, in bounded memory.

        Args:
            statement: without its FORMAT.
            form: one that pieces can be put together of: `JSONEachRow`, `CSV`.
            **parameters: the values.

        Raises:
            StoreError: it failed; also while pieces come.
        """
        doing = self._doing(f"stream `{_label(statement)}`")
        with ours(doing):
            opened = self._open_client().raw_stream(statement, parameters=parameters or None, fmt=form)
        with opened as source:
            yield _pieces(cast("IO[bytes]", source), doing)

    def note(self, migration: Migration) -> None:
        """Write down that a migration has been applied."""
        columns: dict[str, Sequence[object]] = {
            "number": [migration.number],
            "name": [migration.name],
            "checksum": [migration.checksum],
        }
        self.insert("migrations", columns, f"{migration.name}:{migration.checksum}")

    def _slim(self) -> None:
        if self.settings.embedded:
            release_code_pages()

    def _doing(self, where: str, *, writes: bool = False) -> Doing:
        return Doing(where, self.settings.address, writes)

    def _open_client(self) -> Client:
        if self._client is None:
            raise StoreError("the store is not open", where="store", help="call `open` first")
        return self._client

    def _types_of(self, table: str) -> dict[str, str]:
        if table not in self._types:
            rows = self.rows(
                "SELECT name, type FROM system.columns WHERE database = currentDatabase() AND table = {table:String}",
                table=table,
            )
            self._types[table] = {name: _LOW_CARDINALITY.sub(r"\1", kind) for name, kind in rows}
        return self._types[table]


def _pieces(source: IO[bytes], doing: Doing) -> Iterator[bytes]:
    while True:
        with ours(doing):
            piece = source.read(_PIECE_BYTES)
        if not piece:
            return
        yield piece


def _label(statement: str) -> str:
    """The first words of a statement: enough to find it, and never a value, since those are parameters."""
    return " ".join(statement.split()[:4])
