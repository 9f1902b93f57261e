"""The one schema, as it is written in the migrations, put as each kind of store needs it.

The files are plain SQL for one engine: there and on a single server they run as they are, byte for byte.  For a cluster
each statement is put otherwise, here and nowhere else:

* a table whose key begins with `subject` is sharded.  Its rows rest in `<name>_local`, replicated within a shard; under
  its own name stands a Distributed table, so that whoever reads or inserts uses the same names everywhere;
* every other table is small: it is replicated as a whole on every server, so that joins find it where they run;
* everything runs ON CLUSTER.

Rows go to shards by the same 32 bits of the pseudonym that choose the partition of Kafka (`wire.partition`).  So with a
number of partitions that is a multiple of the number of shards, all rows of a partition rest on one shard, and an
insert of a partition's decisions is one block of one shard: there wholly or not at all, as on a single server.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from flowtrack.errors import StoreError

SHARDING_KEY = "toUInt32(bitShiftRight(toUInt128(subject), 96))"
"""The first eight hex digits of the pseudonym, as `wire.partition` takes them."""
_COMMENT = re.compile(r"^[ \t]*--[^\n]*\n", re.MULTILINE)
_CREATE_TABLE = re.compile(
    r"\ACREATE TABLE IF NOT EXISTS (?P<name>\w+)\b(?P<columns>.*?)\bENGINE = (?P<kind>\w*)MergeTree\b"
    r"(?:\((?P<arguments>[^()]*)\))?(?P<rest>.*)\Z",
    re.DOTALL,
)
_SUSPICIOUS = "allow_suspicious_low_cardinality_types = 1"  # asked for by columns, so by each table that has them
_BY_SUBJECT = re.compile(r"\bORDER BY \(?subject\b")
_ALTER = re.compile(r"\AALTER TABLE (?P<name>\w+)\s+(?P<what>.*)\Z", re.DOTALL)
_OF_COLUMNS = re.compile(r"\A(?:ADD|DROP|RENAME|MODIFY|COMMENT) COLUMN\b")
_OF_ROWS = re.compile(r",\s*(?:ADD|DROP|MODIFY|MATERIALIZE) (?:PROJECTION|INDEX|TTL|SETTING)\b")
_CODEC = re.compile(r"\s+CODEC\((?:[^()]|\([^()]*\))*\)")
_POLICY = re.compile(r"\ACREATE ROW POLICY IF NOT EXISTS (?P<name>\w+) ON (?P<table>\w+)\b(?P<rest>.*)\Z", re.DOTALL)
_GRANT = re.compile(r"\AGRANT (?P<what>.*?) ON (?P<table>\w+|\*) TO (?P<who>\w+)\Z", re.DOTALL)
# What takes ON CLUSTER behind its name, or behind its first word.
_NAMED = re.compile(
    r"\A(?P<head>(?:CREATE (?:VIEW|ROLE|QUOTA|SETTINGS PROFILE)|DROP (?:TABLE|VIEW)|CREATE DATABASE) "
    r"IF (?:NOT )?EXISTS \w+)\b(?P<rest>.*)\Z",
    re.DOTALL,
)
_GRANT_OTHER = re.compile(r"\A(?P<head>GRANT|REVOKE)(?P<rest> .*)\Z", re.DOTALL)


class Layout(NamedTuple):
    """Where tables stand.

    Attributes:
        database: that of the ledger.
        cluster: see `ClickHouseSettings.cluster`; empty where there is none.
        sharded: tables that rest in shards, by subject; none without a cluster.
    """

    database: str
    cluster: str = ""
    sharded: frozenset[str] = frozenset()

    def resting(self, table: str) -> str:
        """Name of the table that holds the rows: what mutations, partitions and parts are about."""
        return f"{table}_local" if table in self.sharded else table

    def changing(self, table: str) -> str:
        """What stands for a table in a statement that changes or removes rows or parts of it, on every server."""
        return f"{self.resting(table)}{self.everywhere}"

    def of_all(self, system_table: str) -> str:
        """What stands for a table like `system.parts` to see that of every server, and not of one alone."""
        return f"clusterAllReplicas('{self.cluster}', {system_table})" if self.cluster else system_table

    @property
    def everywhere(self) -> str:
        """What a statement that changes tables says behind the table's name, to run on every server."""
        return f" ON CLUSTER '{self.cluster}'" if self.cluster else ""

    def rendered(self, statement: str) -> list[str]:
        """Give a statement of a migration as this layout needs it; without a cluster, itself.

        Raises:
            StoreError: it is of a kind that nobody has said how to put for a cluster.
        """
        if not self.cluster:
            return [statement]
        plain = _COMMENT.sub("", f"{statement}\n").strip()
        for pattern, put in _PUT:
            match = pattern.match(plain)
            if match is not None:
                return list(put(self, match))
        raise StoreError(
            f"nobody has said how `{' '.join(plain.split()[:4])}` is put for a cluster",
            where="migrations",
            help="write it like the others, or teach adapters/clickhouse/render.py",
        )


def layout_of(database: str, cluster: str, statements: Iterable[str]) -> Layout:
    """Give the layout of a store whose migrations have these statements: which tables are sharded is read from them."""
    sharded = set()
    for statement in statements if cluster else ():
        match = _CREATE_TABLE.match(_COMMENT.sub("", statement).strip())
        if match is not None and _BY_SUBJECT.search(match["rest"]):
            sharded.add(match["name"])
    return Layout(database, cluster, frozenset(sharded))


def _create_table(layout: Layout, match: re.Match[str]) -> Iterator[str]:
    name, arguments = match["name"], match["arguments"]
    here = name in layout.sharded
    path = f"/clickhouse/tables/{'{shard}' if here else 'all'}/{layout.database}/{name}"
    replica = "{replica}" if here else "{shard}-{replica}"  # unique among all servers, not in its shard only
    engine = f"Replicated{match['kind']}MergeTree('{path}', '{replica}'{f', {arguments}' if arguments else ''})"
    rest = _with_window(match["rest"])
    resting = layout.resting(name)
    yield f"CREATE TABLE IF NOT EXISTS {resting}{layout.everywhere}{match['columns']}ENGINE = {engine}{rest}"
    if here:
        yield (
            f"CREATE TABLE IF NOT EXISTS {name}{layout.everywhere} AS {resting}\n"
            f"ENGINE = Distributed('{layout.cluster}', '{layout.database}', '{resting}', {SHARDING_KEY})"
            f"{f' SETTINGS {_SUSPICIOUS}' if _SUSPICIOUS in rest else ''}"
        )


def _with_window(settings: str) -> str:
    """Replicated tables remember tokens in Keeper, by a setting of their own."""
    return settings.replace("non_replicated_deduplication_window", "replicated_deduplication_window")


def _alter(layout: Layout, match: re.Match[str]) -> Iterator[str]:
    name, what = match["name"], match["what"]
    yield f"ALTER TABLE {layout.resting(name)}{layout.everywhere} {_with_window(what)}"
    if name in layout.sharded and _OF_COLUMNS.match(what):
        if _OF_ROWS.search(what):
            raise StoreError(
                f"a change of `{name}` is about columns and about how rows rest, both at once",
                where="migrations",
                help="write two statements: the Distributed table on a cluster takes the first only",
            )
        yield f"ALTER TABLE {name}{layout.everywhere} {_CODEC.sub('', what)}"


def _policy(layout: Layout, match: re.Match[str]) -> Iterator[str]:
    """Rows are filtered where they rest."""
    resting = layout.resting(match["table"])
    yield f"CREATE ROW POLICY IF NOT EXISTS {match['name']}{layout.everywhere} ON {resting}{match['rest']}"


def _grant(layout: Layout, match: re.Match[str]) -> Iterator[str]:
    """A shard is asked in the name of who asked, so the right is needed on both tables."""
    for table in dict.fromkeys((match["table"], layout.resting(match["table"]))):
        yield f"GRANT{layout.everywhere} {match['what']} ON {table} TO {match['who']}"


def _named(layout: Layout, match: re.Match[str]) -> Iterator[str]:
    yield f"{match['head']}{layout.everywhere}{match['rest']}".rstrip()


_PUT = (
    (_CREATE_TABLE, _create_table),
    (_ALTER, _alter),
    (_POLICY, _policy),
    (_GRANT, _grant),
    (_NAMED, _named),
    (_GRANT_OTHER, _named),
)
