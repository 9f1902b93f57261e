"""The HTTP front of the tests: a ClickHouse server as far as its clients can tell, with faults on order."""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import clickhouse_connect
import pytest
from clickhouse_connect.driver.exceptions import ClickHouseError

from flowtrack.adapters.clickhouse.settings import ClickHouseSettings
from flowtrack.adapters.clickhouse.sink import SinkStore
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.errors import StoreError
from flowtrack.tracking.rows import FLOWS, Block, block_of, flow_rows
from tests.ledger.day import category, decision, record
from tests.ledger.http_front import HttpFront
from tests.ledger.http_requests import Fault, inserts, reads

COUNT = "SELECT count() FROM flows"
_numbers = itertools.count()
_INSERT = """
import sys
from flowtrack.adapters.clickhouse.settings import ClickHouseSettings
from flowtrack.adapters.clickhouse.store import Store
with Store(ClickHouseSettings(url=sys.argv[1], database=sys.argv[2])) as store:
    store.insert("flows", {"event_id": ["of another process"]}, "zombie:1")
"""


def block(*offsets: int) -> Block:
    """Rows of the ledger."""
    made = [flow_rows(decision(n, category("provided.email")), record(decision(n), n)) for n in offsets]
    return block_of(FLOWS, [row for rows in made for row in rows])


@pytest.fixture
def served(own_front: HttpFront) -> Iterator[Store]:
    """A store behind a front of its own."""
    with Store(ClickHouseSettings(url=own_front.url, database=f"front{next(_numbers)}")) as store:
        store.migrate()
        yield store


@pytest.mark.parametrize("compress", ["lz4", "zstd", "gzip", False])
def test_answers_come_in_the_encoding_asked_for(own_front: HttpFront, compress: str | bool) -> None:  # noqa: FBT001 - the client's
    """Queries and inserts work in every compression that the client knows."""
    port = int(own_front.url.rpartition(":")[2])
    client = clickhouse_connect.get_client(host="127.0.0.1", port=port, compress=compress)
    client.command("CREATE TABLE IF NOT EXISTS packed (a UInt64, s String) ENGINE = Memory")
    client.insert("packed", [[n, "x" * n] for n in range(2000)], column_names=["a", "s"])
    found = client.query("SELECT sum(a), sum(length(s)) FROM packed WHERE a < {n:UInt64}", parameters={"n": 2000})
    assert found.result_rows == [(1_999_000, 1_999_000)]
    client.command("DROP TABLE packed")
    client.close()


def test_long_parameters_come_as_a_form(own_front: HttpFront) -> None:
    """What is too long for a URL comes as form fields, and means the same."""
    port = int(own_front.url.rpartition(":")[2])
    client = clickhouse_connect.get_client(host="127.0.0.1", port=port)
    value = "é'\\\n" * 5_000
    assert client.query("SELECT {value:String}", parameters={"value": value}).result_rows == [(value,)]
    client.close()


def test_strangers_are_refused(engine: Path) -> None:
    """A wrong password is answered as a server answers it."""
    with HttpFront(engine, users={"writer": "right"}) as front:
        port = int(front.url.rpartition(":")[2])
        client = clickhouse_connect.get_client(host="127.0.0.1", port=port, username="writer", password="right")
        assert client.command("SELECT 1") == 1
        client.close()
        with pytest.raises(ClickHouseError) as refused:
            clickhouse_connect.get_client(host="127.0.0.1", port=port, username="writer", password="wrong")
    assert getattr(refused.value, "code", None) == 516


def test_an_insert_is_held_while_another_client_writes(own_front: HttpFront, served: Store) -> None:
    """One client's insert stands still, told by its token; the other's goes through; then the first one lands too."""
    with Store(served.settings) as zombie, own_front.hold(inserts(FLOWS, token="zombie:")) as held:
        late = threading.Thread(target=SinkStore(zombie).insert, args=(block(1, 2), "zombie:1"))
        late.start()
        assert held.reached().table == FLOWS
        SinkStore(served).insert(block(3), "owner:1")
        assert served.rows(COUNT) == [(1,)]
        held.release()
        late.join(30)
        assert served.rows(COUNT) == [(3,)]


def test_a_held_insert_of_a_killed_process_still_lands(own_front: HttpFront, served: Store) -> None:
    """What a dead process had sent is on its way: the server runs it later, whoever owns the partition by then."""
    argv = [sys.executable, "-c", _INSERT, own_front.url, served.settings.database]
    with own_front.hold(inserts(FLOWS, token="zombie:")) as held:
        process = subprocess.Popen(argv)
        held.reached(60)
        process.kill()
        process.wait(30)
        assert served.rows(COUNT) == [(0,)]
        held.release()
        held.ended()
    assert served.rows("SELECT event_id FROM flows") == [("of another process",)]


def test_nobody_is_there_for_a_while(own_front: HttpFront, served: Store) -> None:
    """Away, connections are refused; back at the same port, the same client works on."""
    own_front.away()
    with pytest.raises(StoreError, match="does not answer"):
        served.rows(COUNT)
    own_front.back()
    assert served.rows(COUNT) == [(0,)]


def test_a_broken_answer_is_no_answer(own_front: HttpFront, served: Store) -> None:
    """Half of a result is an error, never fewer rows."""
    own_front.fail(Fault.half(), reads("numbers"))
    with pytest.raises(StoreError):
        served.rows("SELECT number FROM numbers(100000)")
    assert len(served.rows("SELECT number FROM numbers(100000)")) == 100_000
