"""Numbered migrations: each file is applied once, in order, and never changed afterwards.

The files of the folder itself are the schema, the same for every store (`render` puts it for a cluster).  Those in
`server/` are about users, which the embedded engine has not: roles, row policies, quotas.  They come after the others,
and only where they are asked for.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from importlib.resources import files
from typing import NamedTuple, Protocol

from flowtrack.adapters.clickhouse.render import Layout, layout_of
from flowtrack.errors import StoreError

_NAME = re.compile(r"^(\d{4})_[a-z0-9_]+\.sql$")
_END = re.compile(r";[ \t]*(?:--[^\n]*)?$", re.MULTILINE)
_JOURNAL = "SELECT 1 FROM system.tables WHERE database = currentDatabase() AND name = 'migrations'"
_CREATE_JOURNAL = """
CREATE TABLE IF NOT EXISTS migrations
(number UInt32, name String, checksum String, applied_at DateTime64(3, 'UTC') DEFAULT now64(3))
ENGINE = MergeTree ORDER BY number"""
_MADE = re.compile(r"^CREATE TABLE IF NOT EXISTS (\w+)", re.MULTILINE)
_DROPPED = re.compile(r"^DROP TABLE (?:IF EXISTS )?(\w+)", re.MULTILINE)
# What rewrites parts that are there takes minutes for a hundred million rows, and is right while it is under way: where
# a part has no projection yet, rows are read. So nobody waits for it; the engine goes on with it after a restart.
_REWRITES = re.compile(r"^ALTER TABLE \w+ (?:MATERIALIZE|DROP PROJECTION)\b", re.MULTILINE)
_IN_BACKGROUND = " SETTINGS alter_sync = 0, mutations_sync = 0"  # the embedded engine waits for both by default
_LEFT = """
SELECT table, sum(parts_to_do), max(latest_fail_reason != '') FROM system.mutations
WHERE database = currentDatabase() AND NOT is_done GROUP BY table ORDER BY table"""


class Migration(NamedTuple):
    """One file; `checksum` is the SHA-256 of its text."""

    number: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        """Hex SHA-256, by which a changed file is found out."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def statements(self) -> list[str]:
        """The file's statements, in order; a semicolon at a line's end closes one."""
        parts = (part.strip() for part in _END.split(self.text))
        return [part for part in parts if _has_code(part)]


class Rewriting(NamedTuple):
    """A table of which older parts are being rewritten in the background."""

    table: str
    parts: int
    """That are left, of all servers."""
    failing: bool
    """Whether the engine has tried one in vain (for want of memory or disk, mostly); it goes on trying."""


class Database(Protocol):
    """What applying migrations needs of a store."""

    def command(self, statement: str) -> None:
        """Run a statement that answers nothing."""
        ...

    def rows(self, statement: str) -> list[tuple[object, ...]]:
        """Run a query."""
        ...

    def note(self, migration: Migration) -> None:
        """Write down that a migration has been applied."""
        ...


def shipped() -> list[Migration]:
    """The migrations that come with this version, in order."""
    return _found("")


def for_servers() -> list[Migration]:
    """The migrations that only a server can have, in order; they follow the others."""
    return _found("server/")


def made_by(migrations: Iterable[Migration]) -> set[str]:
    """The tables that there are after migrations, in their order."""
    tables: set[str] = set()
    for migration in migrations:
        tables.update(_MADE.findall(migration.text))
        tables.difference_update(_DROPPED.findall(migration.text))
    return tables


def shipped_layout(database: str, cluster: str) -> Layout:
    """Give the layout of a database whose schema is that of this version."""
    every = (statement for migration in shipped() for statement in migration.statements())
    return layout_of(database, cluster, [_CREATE_JOURNAL, *every])


def apply(database: Database, migrations: Iterable[Migration], layout: Layout) -> list[str]:
    """Bring a database up to date, and give the names of what was applied.

    A migration that failed half-way is applied again as a whole, so its statements say IF NOT EXISTS.  Where nothing is
    missing, nothing but reading is needed.

    Raises:
        StoreError: an applied file has changed since, or the database is ahead of this version.
    """
    if not database.rows(_JOURNAL):
        _run(database, _CREATE_JOURNAL, layout)
    applied = {
        str(name): str(checksum)
        for name, checksum in database.rows("SELECT name, any(checksum) FROM migrations GROUP BY name")
    }
    wanted = list(migrations)
    unknown = sorted(set(applied) - {migration.name for migration in (*wanted, *for_servers())})
    if unknown:
        raise StoreError(
            f"the database has `{unknown[0]}`, which this version does not know",
            where="migrations",
            help="run the version of Flowtrack that wrote it, or a newer one",
        )
    done = []
    for migration in wanted:
        if migration.name in applied:
            _refuse_changed(migration, applied[migration.name])
            continue
        for statement in migration.statements():
            _run(database, statement, layout)
        database.note(migration)
        done.append(migration.name)
    return done


def rewriting(database: Database, layout: Layout) -> list[Rewriting]:
    """What the engine is still rewriting, of migrations and clean-ups: all is answered meanwhile, only slower."""
    left = database.rows(_LEFT.replace("system.mutations", layout.of_all("system.mutations")))
    return [Rewriting(str(table), int(str(parts)), bool(failing)) for table, parts, failing in left]


def _found(folder: str) -> list[Migration]:
    here = files("flowtrack.adapters.clickhouse.migrations").joinpath(folder)
    found = [
        Migration(int(match.group(1)), f"{folder}{entry.name}", entry.read_text(encoding="utf-8"))
        for entry in here.iterdir()
        if (match := _NAME.match(entry.name))
    ]
    return sorted(found)


def _run(database: Database, statement: str, layout: Layout) -> None:
    background = _IN_BACKGROUND if _REWRITES.search(statement) else ""
    for rendered in layout.rendered(statement):
        database.command(f"{rendered}{background}")


def _refuse_changed(migration: Migration, checksum: str) -> None:
    if checksum != migration.checksum:
        raise StoreError(
            f"`{migration.name}` has changed since it was applied",
            where="migrations",
            help="restore the file and put the change into a new one with the next number",
        )


def _has_code(part: str) -> bool:
    return any(line.strip() and not line.strip().startswith("--") for line in part.splitlines())
