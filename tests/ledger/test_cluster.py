"""One schema for every kind of store: what the migrations say on one engine, and how it is put for a cluster."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from flowtrack.adapters.clickhouse.cluster import refuse_split_partitions
from flowtrack.adapters.clickhouse.hiding import change, hide
from flowtrack.adapters.clickhouse.holds import Condition
from flowtrack.adapters.clickhouse.migrate import Migration, apply, for_servers, shipped, shipped_layout
from flowtrack.adapters.clickhouse.render import SHARDING_KEY, Layout
from flowtrack.adapters.clickhouse.store import READ_BACK, Store
from flowtrack.errors import ConfigurationError, StoreError
from flowtrack.wire.partition import partition_of
from tests.ledger.day import subject_of

CLUSTER = shipped_layout("flowtrack", "main")
SINGLE = shipped_layout("flowtrack", "")
CHECKSUMS = {  # of files that ledgers have applied: a change belongs into a new file
    "0001_flows.sql": "bdddf5",
    "0002_consents.sql": "49744c",
    "0003_around.sql": "9481ae",
    "0004_facts.sql": "fde960",
}
_APPLIED_ON = """
import json, sys
import chdb
connection = chdb.connect(sys.argv[1] + "?config-file=" + sys.argv[2])
connection.query("CREATE DATABASE flowtrack")
connection.query("USE flowtrack")
for statement in json.load(sys.stdin):
    connection.query(statement)
columns = "SELECT table, groupArray((name, type)) FROM (SELECT * FROM system.columns WHERE database = 'flowtrack'" \\
    " ORDER BY position) GROUP BY table FORMAT JSONCompactEachRow"
print(connection.query(columns).bytes().decode())
asked = "EXPLAIN SELECT * FROM flows WHERE {} SETTINGS optimize_skip_unused_shards = 1," \\
    " force_optimize_skip_unused_shards = 1"
connection.query(asked.format("subject = toUUID('00000001-0000-0000-0000-000000000000')"))
try:
    connection.query(asked.format("kind = 'share'"))
except RuntimeError as error:
    assert "UNABLE_TO_SKIP_UNUSED_SHARDS" in str(error)
else:
    raise AssertionError("shards are skipped for everything")
"""
_CONFIG = """<clickhouse><remote_servers><main>
<shard><replica><host>127.0.0.1</host><port>9</port></replica></shard>
<shard><replica><host>127.0.0.2</host><port>9</port></replica></shard>
</main></remote_servers></clickhouse>"""


def rendered(layout: Layout, migrations: list[Migration]) -> Iterator[str]:
    """Every statement as the layout runs it."""
    for migration in migrations:
        for statement in migration.statements():
            yield from layout.rendered(statement)


@pytest.fixture(scope="module")
def parser(engine: Path) -> Iterator[Store]:
    """Somebody who can parse."""
    from flowtrack.adapters.clickhouse.settings import ClickHouseSettings

    with Store(ClickHouseSettings(data_dir=engine)) as store:
        yield store


def test_on_one_engine_statements_run_as_they_are_written() -> None:
    """Embedded and on a single server nothing is put otherwise, byte for byte."""
    for migration in shipped():
        assert [*rendered(SINGLE, [migration])] == migration.statements()


def test_files_that_ledgers_have_applied_do_not_change() -> None:
    """A ledger refuses a file that reads otherwise than when it was applied, so the first ones stand for good."""
    now = {migration.name: migration.checksum for migration in shipped()}
    assert {name: now[name][:6] for name in CHECKSUMS} == CHECKSUMS


@pytest.mark.parametrize("layout", [SINGLE, CLUSTER], ids=["single", "cluster"])
def test_every_statement_parses(parser: Store, layout: Layout) -> None:
    """The engine's own parser takes each statement, those that only a server can run among them."""
    for statement in rendered(layout, shipped() + for_servers()):
        try:
            parser.rows(f"EXPLAIN AST {statement}")
        except StoreError as error:
            pytest.fail(f"{error}: {statement}")


def test_everything_happens_on_every_server() -> None:
    """No statement for a cluster is left to one server alone, and no table is left without copies."""
    for statement in rendered(CLUSTER, shipped() + for_servers()):
        assert " ON CLUSTER 'main'" in statement, statement
        if statement.startswith("CREATE TABLE"):
            assert re.search(r"ENGINE = (Replicated\w*MergeTree\('/clickhouse/tables/|Distributed\('main')", statement)
        assert "non_replicated_deduplication_window" not in statement


def test_what_is_about_subjects_is_sharded() -> None:
    """Tables in the order of subjects rest in shards, under a Distributed table of their name; the others do not."""
    assert {"flows", "consents"} <= CLUSTER.sharded
    assert not {"judgements", "dead_letters", "alerts", "documents", "audit_log"} & CLUSTER.sharded
    (flows, distributed) = CLUSTER.rendered(shipped()[0].statements()[0])
    assert flows.startswith("CREATE TABLE IF NOT EXISTS flows_local ON CLUSTER 'main'\n(")
    assert "ReplicatedMergeTree('/clickhouse/tables/{shard}/flowtrack/flows', '{replica}')" in flows
    assert distributed == (
        "CREATE TABLE IF NOT EXISTS flows ON CLUSTER 'main' AS flows_local\n"
        f"ENGINE = Distributed('main', 'flowtrack', 'flows_local', {SHARDING_KEY})"
        " SETTINGS allow_suspicious_low_cardinality_types = 1"
    )
    judgements = CLUSTER.rendered(shipped()[0].statements()[1])
    assert len(judgements) == 1
    path = "/clickhouse/tables/all/flowtrack/judgements"
    assert f"ReplicatedReplacingMergeTree('{path}', '{{shard}}-{{replica}}', defined)" in judgements[0]


def test_the_tables_of_a_cluster_can_be_made(tmp_path: Path) -> None:
    """The engine makes them all, Distributed ones too, with the same columns; a subject's question goes to one shard.

    Copies need Keeper and other servers, so the plain engine stands for the replicated one here.
    """
    config = tmp_path / "config.xml"
    config.write_text(_CONFIG, encoding="utf-8")
    statements = [
        re.sub(
            r"Replicated(\w*MergeTree)\('[^']*', '[^']*'(?:, )?",
            r"\1(",
            statement.replace(" ON CLUSTER 'main'", "").replace(
                " replicated_deduplication_window", " non_replicated_deduplication_window"
            ),
        )
        for statement in rendered(CLUSTER, shipped())
    ]
    argv = [sys.executable, "-c", _APPLIED_ON, str(tmp_path / "store"), str(config)]
    made = subprocess.run(argv, input=json.dumps(statements), capture_output=True, text=True, timeout=100, check=False)
    assert made.returncode == 0, made.stderr[-2000:]
    columns = dict(json.loads(line) for line in made.stdout.splitlines() if line)
    for table in CLUSTER.sharded:
        assert columns[table] == columns[f"{table}_local"]
        assert len(columns[table]) > 10


def test_a_partition_is_on_one_shard(parser: Store) -> None:
    """The sharding key is the number that chooses the partition, so where shards divide partitions none is split."""
    subjects = [subject_of(n) for n in range(200)]
    asked = f"SELECT {SHARDING_KEY} FROM (SELECT arrayJoin({{subjects:Array(UUID)}}) AS subject)"  # noqa: S608 - of ours
    keys = dict(zip(subjects, (key for (key,) in parser.rows(asked, subjects=subjects)), strict=True))
    for partitions, shards in ((24, 2), (24, 3), (8, 4), (1, 1)):
        for subject, key in keys.items():
            assert key % partitions == partition_of(subject, partitions)
            assert key % shards == partition_of(subject, partitions) % shards


class Clusters:
    """A store that knows shards by number and weight."""

    def __init__(self, *shards: tuple[int, int]) -> None:
        self.shards = list(shards)

    def rows(self, statement: str, **parameters: object) -> list[tuple[int, int]]:
        """Give the shards."""
        assert "system.clusters" in statement
        assert parameters == {"cluster": "main"}
        return self.shards


def test_a_cluster_that_splits_partitions_is_refused() -> None:
    """Unknown, unequally weighted, or with shards that do not divide the partitions: each is named with a way out."""
    refuse_split_partitions(Clusters((1, 1), (2, 1)), "main", 24)
    refuse_split_partitions(Clusters(), "", 24)
    with pytest.raises(ConfigurationError, match="knows no cluster `main`"):
        refuse_split_partitions(Clusters(), "main", 24)
    with pytest.raises(ConfigurationError, match="different weights"):
        refuse_split_partitions(Clusters((1, 1), (2, 9)), "main", 24)
    with pytest.raises(ConfigurationError, match="`8` partitions do not divide among `3` shards"):
        refuse_split_partitions(Clusters((1, 1), (2, 1), (3, 1)), "main", 8)


@pytest.mark.parametrize(
    ("statement", "put"),
    [
        ("ALTER TABLE flows ADD COLUMN IF NOT EXISTS x String CODEC(Delta(4)) AFTER facts",
         ["ALTER TABLE flows_local ON CLUSTER 'main' ADD COLUMN IF NOT EXISTS x String CODEC(Delta(4)) AFTER facts",
          "ALTER TABLE flows ON CLUSTER 'main' ADD COLUMN IF NOT EXISTS x String AFTER facts"]),
        ("-- why\nALTER TABLE flows MODIFY TTL recorded_at + INTERVAL 1 YEAR",
         ["ALTER TABLE flows_local ON CLUSTER 'main' MODIFY TTL recorded_at + INTERVAL 1 YEAR"]),
        ("ALTER TABLE flows ADD PROJECTION p (SELECT count())",
         ["ALTER TABLE flows_local ON CLUSTER 'main' ADD PROJECTION p (SELECT count())"]),
        ("ALTER TABLE alerts ADD COLUMN a UInt8", ["ALTER TABLE alerts ON CLUSTER 'main' ADD COLUMN a UInt8"]),
        ("DROP TABLE IF EXISTS old", ["DROP TABLE IF EXISTS old ON CLUSTER 'main'"]),
        ("GRANT SELECT(subject) ON flows TO a",
         ["GRANT ON CLUSTER 'main' SELECT(subject) ON flows TO a",
          "GRANT ON CLUSTER 'main' SELECT(subject) ON flows_local TO a"]),
        ("GRANT SELECT ON system.parts TO a", ["GRANT ON CLUSTER 'main' SELECT ON system.parts TO a"]),
    ],
)  # fmt: skip
def test_changes_reach_the_table_that_they_are_about(statement: str, put: list[str]) -> None:
    """Columns change on both tables, how rows rest on the one that holds them; rights are needed on both."""
    assert CLUSTER.rendered(statement) == put


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE MATERIALIZED VIEW v TO t AS SELECT 1 FROM flows",
        "OPTIMIZE TABLE flows",
        "ALTER TABLE flows ADD COLUMN a UInt8, ADD PROJECTION p (SELECT count())",
    ],
)
def test_what_nobody_has_said_how_to_put_is_refused(statement: str) -> None:
    """Rather no ledger on a cluster than one with half of a migration; a single server runs the same as it is."""
    with pytest.raises(StoreError) as refused:
        CLUSTER.rendered(statement)
    assert refused.value.help
    assert SINGLE.rendered(statement) == [statement]


class Told:
    """A store on a cluster that notes what it is told."""

    def __init__(self) -> None:
        self.layout = CLUSTER
        self.statements: list[str] = []

    def command(self, statement: str, _settings: object, **_parameters: object) -> None:
        """Note it."""
        self.statements.append(statement)


def test_what_goes_goes_on_every_server(parser: Store) -> None:
    """Rows are taken out where they rest, on every server; and gone they are when no server has them any more."""
    store = cast("Store", Told())
    rows = Condition("subject = {subject:UUID}", {"subject": subject_of(1)})
    hide(store, "flows", rows)
    change(store, "audit_log", "subject = NULL", rows)
    told = cast("Told", store).statements
    assert told == [
        "DELETE FROM flows_local ON CLUSTER 'main' WHERE subject = {subject:UUID}",
        "UPDATE audit_log ON CLUSTER 'main' SET subject = NULL WHERE subject = {subject:UUID}",
    ]
    for statement in (*told, f"DESCRIBE TABLE {CLUSTER.of_all('system.parts')}"):
        parser.rows(f"EXPLAIN AST {statement.replace('{subject:UUID}', 'generateUUIDv4()')}")
    assert (SINGLE.changing("flows"), SINGLE.of_all("system.parts")) == ("flows", "system.parts")


class Journal:
    """A database that notes what it is told."""

    def __init__(self) -> None:
        self.statements: list[str] = []
        self.applied: list[Migration] = []

    def command(self, statement: str) -> None:
        """Note it."""
        self.statements.append(statement)

    def rows(self, statement: str) -> list[tuple[object, ...]]:
        """Give the journal, or whether there is one."""
        if "system.tables" in statement:
            return [(1,)] if self.statements else []
        return [(migration.name, migration.checksum) for migration in self.applied]

    def note(self, migration: Migration) -> None:
        """Note it."""
        self.applied.append(migration)


def test_roles_come_where_they_are_asked_for_and_disturb_nobody() -> None:
    """First the schema, later the roles; a sink that is not told of roles takes a database that has them."""
    database = Journal()
    first = apply(database, shipped(), CLUSTER)
    assert apply(database, shipped() + for_servers(), CLUSTER) == [migration.name for migration in for_servers()]
    assert apply(database, shipped(), CLUSTER) == []
    assert "server/5001_roles.sql" not in first
    assert database.statements[0].startswith("CREATE TABLE IF NOT EXISTS migrations ON CLUSTER 'main'")


def test_a_database_that_is_up_to_date_is_only_read() -> None:
    """A writer that may neither make nor change tables starts on a ledger that somebody else has made."""
    database = Journal()
    apply(database, shipped(), SINGLE)
    ran = len(database.statements)
    assert apply(database, shipped(), SINGLE) == []
    assert len(database.statements) == ran


def test_what_is_read_back_exists() -> None:
    """The tables whose inserts come one after the other are tables of the schema."""
    database = Journal()
    apply(database, shipped(), SINGLE)
    every = "\n".join(database.statements)
    assert all(f"CREATE TABLE IF NOT EXISTS {table}\n" in every for table in READ_BACK)
