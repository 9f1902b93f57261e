"""Exports: whole, in constant memory, and visibly broken when they break."""

from __future__ import annotations

import csv
import io
import json
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import httpx
import pytest
from pyarrow import parquet

from flowtrack.adapters.clickhouse.pool import LedgerPool
from flowtrack.adapters.clickhouse.settings import ClickHouseSettings
from flowtrack.adapters.clickhouse.sink import SinkStore
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.adapters.clickhouse.streams import _IN_CSV
from flowtrack.adapters.http.client import LedgerClient
from flowtrack.adapters.http.server import LoopbackServer
from flowtrack.adapters.http.service import build_app
from flowtrack.audit.roles import Asker, Role
from flowtrack.audit.violations import Violations
from flowtrack.testing.ledger import MemoryLedger
from flowtrack.tracking.ledger import LedgerWriter
from tests.api.conftest import PIECE, Api, Flowing, clock
from tests.ledger.day import a_day


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A ledger with a day in it, in the embedded engine."""
    with Store(ClickHouseSettings(data_dir=tmp_path_factory.mktemp("exports") / "store")) as store:
        store.migrate()
        LedgerWriter(SinkStore(store), "run").process(a_day(150))
        yield store


@pytest.fixture(scope="module")
def pool(store: Store) -> Iterator[LedgerPool]:
    """Connections to it."""
    with LedgerPool(store.settings, 3, clock=clock) as pool:
        yield pool


def taken(response: httpx.Response, into: bytearray) -> None:
    """Read a response to its end, or to where it breaks off."""
    for piece in response.iter_raw():
        into += piece


def ended(content: bytes) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The rows of an NDJSON export, and what its last line says, once that has been held against them."""
    lines = content.splitlines(keepends=True)
    end: dict[str, Any] = json.loads(lines[-1])["end"]
    assert end["rows"] == len(lines) - 1
    assert end["sha256"] == sha256(b"".join(lines[:-1])).hexdigest()
    return [json.loads(line) for line in lines[:-1]], end


def test_all_pages_of_a_family_come(api: Api, day: MemoryLedger) -> None:
    """An export of a family has every row once, and ends with their number and hash."""
    response = api.client(Role.AUDITOR).get("/v1/violations/export")
    whole = day.ask(Violations(limit=10_000), asker=Asker(who="jo"))
    rows, end = ended(response.content)
    assert rows == [row.model_dump(mode="json") for row in whole.rows]
    assert end["about"]["completeness"]["truncated"] is False
    assert response.headers["content-disposition"] == 'attachment; filename="violations.ndjson"'


def test_families_come_as_csv_and_parquet(api: Api, day: MemoryLedger) -> None:
    """The same rows as CSV, with a last line that counts them, and as Parquet."""
    client, count = api.client(Role.AUDITOR), len(day.ask(Violations(limit=10_000), asker=Asker(who="jo")).rows)
    text = client.get("/v1/violations/export", params={"format": "csv"}).content
    body, _, last = text.rstrip().rpartition(b"\r\n")
    digest = sha256(body + b"\r\n").hexdigest()
    assert last.decode() == f"#end,rows={count},sha256={digest}"
    assert len(list(csv.DictReader(io.StringIO(body.decode())))) == count
    table = parquet.read_table(io.BytesIO(client.get("/v1/violations/export", params={"format": "parquet"}).content))
    assert table.num_rows == count


@pytest.mark.parametrize("by_way_of_another_process", [False, True])
def test_rows_in_bulk_are_those_of_the_ledger(
    make: Callable[..., Api], store: Store, pool: LedgerPool, *, by_way_of_another_process: bool
) -> None:
    """The ledger's rows come in each form, directly and by way of the process that holds the store."""
    (count,) = store.rows("SELECT count() FROM flows")[0]
    app = build_app(MemoryLedger(), many=pool)
    with LoopbackServer(app, 0) as server, LedgerClient(server.url) as client:
        asked = client if by_way_of_another_process else pool
        api = make(asked, asked).client(Role.AUDITOR)
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


def test_pseudonyms_in_bulk_take_a_purpose(make: Callable[..., Api], store: Store, pool: LedgerPool) -> None:
    """With subjects an export takes a purpose, and every export stands in the audit log."""
    client = make(pool, pool).client(Role.REGULATOR)
    assert client.get("/v1/flows/export", params={"subjects": "true"}).status_code == 400
    rows, _ = ended(client.get("/v1/flows/export", params={"subjects": "true", "why": "case 8"}).content)
    assert all(len(row["subject"]) == 32 for row in rows)
    line = store.named("SELECT asker, role, why, question, parameters FROM audit_log WHERE why = 'case 8'")[0]
    assert (line["asker"], line["role"], line["question"]) == ("jo", "regulator", "flows")
    assert json.loads(line["parameters"])["subjects"] is True


def test_ids_of_producers_stay_in_their_cell(store: Store) -> None:
    """In CSV, an id with a line feed or a formula in it is one cell of one line, which no spreadsheet carries out."""
    read = _IN_CSV.format("event_id")
    statement = f"SELECT {read} AS event_id FROM (SELECT arrayJoin({{ids:Array(String)}}) AS event_id) AS flows"  # noqa: S608 - a text of ours
    with store.stream(statement, "CSV", ids=["=1+1", "a\nb", "@x\r\n", "-", "plain=1"]) as pieces:
        lines = b"".join(pieces).decode().splitlines()
    assert lines == ['"\'=1+1"', '"a b"', '"\'@x  "', '"\'-"', '"plain=1"']


def test_a_break_is_visible(make: Callable[..., Api]) -> None:
    """What breaks off has no end line, and the connection closes before the last chunk."""
    flowing = Flowing(2, breaks=True)
    api = make(streams=flowing)
    with LoopbackServer(api.app, 0) as server:
        headers = {"authorization": f"Bearer {api.token(Role.AUDITOR)}"}
        got = bytearray()
        with (
            httpx.stream("GET", f"{server.url}/v1/flows/export", headers=headers) as response,
            pytest.raises(httpx.RemoteProtocolError, match="incomplete"),
        ):
            taken(response, got)
    assert response.status_code == 200
    assert b'"end"' not in got
    assert flowing.closed == 1


def test_a_client_that_goes_away_frees_the_place(make: Callable[..., Api]) -> None:
    """An export that nobody reads any more is given up, and another one may begin."""
    flowing = Flowing(100_000)
    api = make(streams=flowing, exports_max=1)
    with LoopbackServer(api.app, 0) as server:
        headers = {"authorization": f"Bearer {api.token(Role.AUDITOR)}"}
        with httpx.stream("GET", f"{server.url}/v1/flows/export", headers=headers) as response:
            pieces = response.iter_raw()
            next(pieces)
            with httpx.stream("GET", f"{server.url}/v1/flows/export", headers=headers) as other:
                assert other.status_code == 503
            del pieces
        deadline = datetime.now(UTC).timestamp() + 20
        while flowing.closed == 0:
            assert datetime.now(UTC).timestamp() < deadline
            httpx.get(f"{server.url}/healthz")
    assert flowing.closed == 1


def test_memory_stays_as_it_is(make: Callable[..., Api]) -> None:
    """Ten times the rows take no more memory: pieces are handed on one by one."""
    peaks = []
    for pieces in (20, 200):
        api = make(streams=Flowing(pieces))
        with LoopbackServer(api.app, 0) as server:
            headers = {"authorization": f"Bearer {api.token(Role.AUDITOR)}"}
            httpx.get(f"{server.url}/healthz")
            tracemalloc.start()
            size = 0
            with httpx.stream("GET", f"{server.url}/v1/flows/export", headers=headers) as response:
                for chunk in response.iter_raw():
                    size += len(chunk)
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        assert size > pieces * len(PIECE)
    assert peaks[1] < peaks[0] * 1.5 + len(PIECE) * 10
