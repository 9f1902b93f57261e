"""Exports: whole, in constant memory, and visibly broken when they break."""

from __future__ import annotations

import csv
import io
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256

import httpx
import pytest
from pyarrow import parquet

from flowtrack.adapters.http.server import LoopbackServer
from flowtrack.audit.roles import Asker, Role
from flowtrack.audit.violations import Violations
from flowtrack.testing.ledger import MemoryLedger
from tests.api.conftest import PIECE, Api, Flowing, ended


def taken(response: httpx.Response, into: bytearray) -> None:
    """Read a response to its end, or to where it breaks off."""
    for piece in response.iter_raw():
        into += piece


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
