"""Exports: whole, in constant memory, and visibly broken when they break."""

from __future__ import annotations

import csv
import io
import socket
import time
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import httpx
import pytest
from pyarrow import parquet

from flowtrack.adapters.http.api.desk import BusyError
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
    complete = day.ask(Violations(), asker=Asker(who="jo")).about.completeness.complete_up_to
    assert complete is not None
    assert last.decode() == f"#end,rows={count},sha256={digest},complete-up-to={complete.isoformat()}"
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


@pytest.mark.parametrize("address", ["flows", "violations"])
def test_a_client_that_reads_nothing_loses_its_place(make: Callable[..., Api], day: MemoryLedger, address: str) -> None:
    """An export that its client opened and does not read ends, and another one may begin."""
    flowing = Flowing(100_000)
    api = make(Endless(day), streams=flowing, exports_max=1, export_stall_s=0.2)
    with LoopbackServer(api.app, 0) as server, socket.socket() as idle:
        token = api.token(Role.AUDITOR)
        idle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        idle.connect(("127.0.0.1", int(server.url.rpartition(":")[2])))
        request = f"GET /v1/{address}/export?why=1 HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {token}\r\n\r\n"
        idle.sendall(request.encode())
        assert idle.recv(12) == b"HTTP/1.1 200"
        deadline_s = time.monotonic() + 30
        while _places_free(api) == 0:
            assert time.monotonic() < deadline_s
            assert httpx.get(f"{server.url}/healthz").status_code == 200
        assert flowing.closed == (address == "flows")
        headers = {"authorization": f"Bearer {token}"}
        with httpx.stream("GET", f"{server.url}/v1/{address}/export?why=2", headers=headers) as response:
            assert response.status_code == 200
            assert next(response.iter_raw())


def _places_free(api: Api) -> int:
    try:
        with api.desk.exporting():
            return 1
    except BusyError:
        return 0


class Endless:
    """A ledger whose answers have a next page for ever."""

    def __init__(self, ledger: MemoryLedger) -> None:
        self.ledger = ledger

    def ask(self, question: Any, *, asker: Asker) -> Any:
        """Give the first page again, which says that there is another."""
        first = self.ledger.ask(question.model_copy(update={"after": ""}), asker=asker)
        return first.model_copy(update={"about": first.about.cut(None, "more")})
