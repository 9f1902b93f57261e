"""Rows in bulk over HTTP, from the database: directly, and by way of the process that holds it."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyarrow import parquet

from flowtrack.adapters.clickhouse.pool import LedgerPool
from flowtrack.adapters.clickhouse.sink import SinkStore
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.adapters.clickhouse.streams import _IN_CSV
from flowtrack.adapters.http.client import LedgerClient
from flowtrack.adapters.http.server import LoopbackServer
from flowtrack.adapters.http.service import build_app
from flowtrack.audit.roles import Role
from flowtrack.testing.ledger import MemoryLedger
from flowtrack.tracking.ledger import LedgerWriter
from tests.api.conftest import Api, Flowing, ended
from tests.ledger.conftest import clock
from tests.ledger.day import a_day


@pytest.fixture
def written(store: Store) -> Store:
    """A ledger with a day in it."""
    LedgerWriter(SinkStore(store), "run").process(a_day(150))
    return store


@pytest.fixture
def pool(written: Store) -> Iterator[LedgerPool]:
    """Connections to it."""
    with LedgerPool(written.settings, 3, clock=clock) as pool:
        yield pool


@pytest.mark.parametrize("by_way_of_another_process", [False, True])
def test_rows_in_bulk_are_those_of_the_ledger(
    written: Store, pool: LedgerPool, tmp_path: Path, *, by_way_of_another_process: bool
) -> None:
    """The ledger's rows come in each form, directly and by way of the process that holds the written."""
    (count,) = written.rows("SELECT count() FROM flows")[0]
    app = build_app(MemoryLedger(), many=pool)
    with LoopbackServer(app, 0) as server, LedgerClient(server.url) as client:
        asked = client if by_way_of_another_process else pool
        api = Api(asked, tmp_path, streams=asked).client(Role.AUDITOR)
        rows, end = ended(api.get("/v1/flows/export").content)
        assert len(rows) == count
        assert end["about"]["question"]["known_at"]
        assert "subject" not in rows[0]
        text = api.get("/v1/flows/export", params={"format": "csv"}).content.splitlines()
        assert len(text) == count + 2
        table = api.get("/v1/flows/export", params={"format": "parquet"}).content
        assert parquet.read_table(io.BytesIO(table)).num_rows == count
        later = {"since": "2036-01-01T00:00:00Z"}
        assert ended(api.get("/v1/flows/export", params=later).content)[0] == []


def test_pseudonyms_in_bulk_take_a_purpose(written: Store, pool: LedgerPool, tmp_path: Path) -> None:
    """With subjects an export takes a purpose, and every export stands in the audit log."""
    client = Api(pool, tmp_path, streams=pool).silent(Role.REGULATOR)
    assert client.get("/v1/flows/export", params={"subjects": "true"}).status_code == 400
    rows, _ = ended(client.get("/v1/flows/export", params={"subjects": "true", "why": "case 8"}).content)
    assert all(len(row["subject"]) == 32 for row in rows)
    line = written.named("SELECT asker, role, why, question, parameters FROM audit_log WHERE why = 'case 8'")[0]
    assert (line["asker"], line["role"], line["question"]) == ("jo", "regulator", "flows")
    assert json.loads(line["parameters"])["subjects"] is True


def test_ids_of_producers_stay_in_their_cell(written: Store) -> None:
    """In CSV, an id with a line feed or a formula in it is one cell of one line, which no spreadsheet carries out."""
    read = _IN_CSV.format("event_id")
    statement = f"SELECT {read} AS event_id FROM (SELECT arrayJoin({{ids:Array(String)}}) AS event_id) AS flows"  # noqa: S608 - a text of ours
    with written.stream(statement, "CSV", ids=["=1+1", "a\nb", "@x\r\n", "-", "plain=1"]) as pieces:
        lines = b"".join(pieces).decode().splitlines()
    assert lines == ['"\'=1+1"', '"a b"', '"\'@x  "', '"\'-"', '"plain=1"']


@pytest.mark.parametrize("by_way_of_another_process", [False, True])
def test_lineage_of_a_period_is_told_and_written_down(
    written: Store, pool: LedgerPool, tmp_path: Path, *, by_way_of_another_process: bool
) -> None:
    """Every edge of every day comes, from the database as from memory, and who exported it stands in the audit log."""
    memory = MemoryLedger(clock)
    LedgerWriter(memory, "run").process(a_day(150))
    said = {"since": "2026-01-01T00:00:00Z", "service": "shop", "why": "case 9"}
    with LoopbackServer(build_app(MemoryLedger(), many=pool), 0) as server, LedgerClient(server.url) as client:
        asked = client if by_way_of_another_process else pool
        api = Api(asked, tmp_path, streams=asked).client(Role.REGULATOR)
        rows, end = ended(api.get("/v1/lineage/export", params=said).content)
    expected = Api(memory, tmp_path, streams=Flowing(0)).client(Role.REGULATOR)
    assert rows == ended(expected.get("/v1/lineage/export", params=said).content)[0] != []
    assert end["about"]["question"]["service"] == "shop"
    line = written.named("SELECT asker, role, why, question, parameters FROM audit_log WHERE question = 'lineage'")[0]
    assert (line["asker"], line["role"], line["why"]) == ("jo", "regulator", "case 1")
    told = json.loads(line["parameters"])
    assert (told["vocabulary"], told["service"], told["since"]) == ("openlineage", "shop", "2026-01-01T00:00:00Z")
