"""What a server or the way to it can do wrong: what is said, what is known afterwards, and no row lost or twice."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator

import pytest

from flowtrack.adapters.clickhouse.ledger import ClickHouseLedger
from flowtrack.adapters.clickhouse.settings import ClickHouseSettings
from flowtrack.adapters.clickhouse.sink import SinkStore
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.audit.questions import Books
from flowtrack.errors import StoreError, StoreInDoubtError, StoreUnavailableError
from flowtrack.testing.ledger import MemoryLedger
from flowtrack.tracking.ledger import LedgerWriter
from flowtrack.tracking.records import Record
from flowtrack.tracking.rows import FLOWS, Block, block_of, flow_rows
from tests.ledger.conftest import clock
from tests.ledger.day import a_day, category, decision, record
from tests.ledger.http_front import HttpFront
from tests.ledger.http_requests import Fault, inserts, reads

COUNT = "SELECT count() FROM flows"
SECRET = "of-nobody"
UNAVAILABLE, DOUBT, FINAL = StoreUnavailableError, StoreInDoubtError, StoreError
_numbers = itertools.count()

# fault, kind of error of an insert, rows there afterwards, words of the text
AN_INSERT = {
    "no answer, not done": (Fault.unanswered(runs=False), DOUBT, 0, "does not answer"),
    "no answer, done": (Fault.unanswered(runs=True), DOUBT, 1, "does not answer"),
    "503": (Fault.unavailable(), DOUBT, 0, "proxies"),
    "503, retry after": (Fault.unavailable(retry_after_s=1), DOUBT, 0, "proxies"),
    "502": (Fault.unavailable(502), DOUBT, 0, "proxies"),
    "504, done": (Fault(runs=True, status=504), DOUBT, 1, "proxies"),
    "too many parts": (Fault.says(252, "TOO_MANY_PARTS"), UNAVAILABLE, 0, "merges have caught up"),
    "read-only": (Fault.says(242, "TABLE_IS_READ_ONLY"), UNAVAILABLE, 0, "Keeper"),
    "no space": (Fault.says(243, "NOT_ENOUGH_SPACE"), UNAVAILABLE, 0, "make room"),
    "memory": (Fault.says(241, "MEMORY_LIMIT_EXCEEDED"), DOUBT, 0, "max_memory_usage"),
    "time-out": (Fault.says(159, "TIMEOUT_EXCEEDED", status=408), DOUBT, 0, "tried again"),
    "time-out, done": (Fault.says(159, "TIMEOUT_EXCEEDED", status=408, runs=True), DOUBT, 1, "tried again"),
    "quorum not reached, done": (Fault.says(319, "UNKNOWN_STATUS_OF_INSERT", runs=True), DOUBT, 1, "tried again"),
    "quorum of another": (Fault.says(286, "UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE"), UNAVAILABLE, 0, "tried again"),
    "too few replicas": (Fault.says(285, "TOO_FEW_LIVE_REPLICAS"), UNAVAILABLE, 0, "replicas back"),
    "keeper, done": (Fault.says(999, "KEEPER_EXCEPTION", runs=True), DOUBT, 1, "tried again"),
    "who": (Fault.says(516, "AUTHENTICATION_FAILED", status=403), FINAL, 0, "FLOWTRACK_CLICKHOUSE__USER"),
    "may not": (Fault.says(497, "ACCESS_DENIED", status=403), FINAL, 0, "grant the role"),
    "reads only": (Fault.says(164, "READONLY"), FINAL, 0, "role of a writer"),
    "no table": (Fault.says(60, "UNKNOWN_TABLE", status=404), FINAL, 0, "store migrate"),
    "unknown": (Fault.says(49, "LOGICAL_ERROR"), FINAL, 0, "engine's log"),
}


def block(*offsets: int) -> Block:
    """Rows of the ledger."""
    made = [flow_rows(decision(n, category("provided.email")), record(decision(n), n)) for n in offsets]
    return block_of(FLOWS, [row for rows in made for row in rows])


@pytest.fixture
def served(own_front: HttpFront) -> Iterator[Store]:
    """A store behind a front of its own, that waits for an answer for a second."""
    settings = ClickHouseSettings(url=own_front.url, database=f"faults{next(_numbers)}", timeout_s=1, password=SECRET)
    own_front.admit("default", SECRET)
    with Store(settings.model_copy(update={"timeout_s": 60})) as patient:
        patient.migrate()
    with Store(settings) as store:
        yield store


@pytest.mark.parametrize("name", AN_INSERT)
def test_an_insert_that_fails_says_what_is_known(own_front: HttpFront, served: Store, name: str) -> None:
    """Not done, in doubt, or for an operator: the kind says which, the text names host and next step, no secret."""
    fault, kind, there, words = AN_INSERT[name]
    own_front.fail(fault, inserts(FLOWS))
    with pytest.raises(StoreError) as failed:
        SinkStore(served).insert(block(1), "run:1")
    assert type(failed.value) is kind
    text = str(failed.value)
    assert words in text
    assert served.settings.address in text
    assert SECRET not in text
    assert "of a test" not in text  # the engine's own words may quote values
    assert served.rows(COUNT) == [(there,)]
    SinkStore(served).insert(block(1), "run:1")  # the token makes the second a repeat where the first was done
    assert served.rows(COUNT) == [(1,)]


@pytest.mark.parametrize("runs", [False, True])
def test_a_connection_that_breaks_once_is_mended_by_the_client(
    own_front: HttpFront, served: Store, *, runs: bool
) -> None:
    """The client itself sends the same again under the same token: once there, whether the first was done or not."""
    own_front.fail(Fault.dropped(runs=runs), inserts(FLOWS))
    SinkStore(served).insert(block(1), "run:1")
    assert served.rows(COUNT) == [(1,)]
    assert [request.token for request in own_front.seen if request.table == FLOWS] == ["run:1", "run:1"]


def test_a_connection_that_keeps_breaking_leaves_doubt(own_front: HttpFront, served: Store) -> None:
    """Broken twice, the first time after the insert was done: in doubt, although the second try never arrived."""
    own_front.fail(Fault.dropped(runs=True), inserts(FLOWS))
    own_front.fail(Fault.dropped(runs=False), inserts(FLOWS), times=2)
    with pytest.raises(StoreInDoubtError):
        SinkStore(served).insert(block(1), "run:1")
    own_front.mend()
    assert served.rows(COUNT) == [(1,)]


@pytest.mark.parametrize(
    "fault",
    [
        Fault.unanswered(runs=True),
        Fault.half(),
        Fault.unavailable(504),
        Fault.says(159, "TIMEOUT_EXCEEDED", status=408),
        Fault.says(241, "MEMORY_LIMIT_EXCEEDED"),
    ],
)
def test_a_query_that_fails_did_nothing(own_front: HttpFront, served: Store, fault: Fault) -> None:
    """For a read there is no doubt: it may be asked again, and the answer is whole or none."""
    own_front.fail(fault, reads("numbers"), times=5)  # the client asks several times by itself
    with pytest.raises(StoreUnavailableError):
        served.rows("SELECT number FROM numbers(100000)")
    own_front.mend()
    assert len(served.rows("SELECT number FROM numbers(100000)")) == 100_000


def test_a_slow_answer_is_waited_for(own_front: HttpFront, served: Store) -> None:
    """Within its time an answer may be slow."""
    own_front.fail(Fault.slow(0.3), inserts(FLOWS))
    SinkStore(served).insert(block(1), "run:1")
    assert served.rows(COUNT) == [(1,)]


def test_a_server_that_was_away_is_found_again(own_front: HttpFront, served: Store) -> None:
    """Refused connections are said to be so; the same store works once the server is back."""
    own_front.away()
    with pytest.raises(StoreError) as failed:
        SinkStore(served).insert(block(1), "run:1")
    assert isinstance(failed.value, StoreInDoubtError | StoreUnavailableError)
    with pytest.raises(StoreUnavailableError):
        served.rows(COUNT)
    own_front.back()
    assert served.rows(COUNT) == [(0,)]


def test_a_server_that_is_too_old_is_refused(own_front: HttpFront) -> None:
    """The version is read before anything is made, and the text says which one is needed."""
    own_front.fail(Fault.answers(b"25.3.2.39\tUTC\n"), reads("version()"))
    with pytest.raises(StoreError, match=r"`25\.3\.2\.39`.*26\.7 or newer"):
        Store(ClickHouseSettings(url=own_front.url)).open()


@pytest.mark.parametrize("seed", range(3))
def test_a_day_over_a_bad_line_is_written_once(own_front: HttpFront, served: Store, seed: int) -> None:
    """Faults of every kind that passes are strewn over a day's inserts; the books are those of an undisturbed day."""
    passing = [fault for fault, kind, _, _ in AN_INSERT.values() if kind is not FINAL and fault.answer == "whole"]
    passing += [Fault.half(), Fault.dropped(runs=True), Fault.dropped(runs=False)]
    records, writer = a_day(150), LedgerWriter(SinkStore(served), "run")
    for at in range(0, len(records), 40):
        own_front.fail(passing[(seed * 7 + at // 40) % len(passing)], inserts())
        own_front.fail(passing[(seed * 5 + at // 20) % len(passing)], inserts(FLOWS))
        _written(writer, records[at : at + 40])
        own_front.mend()
    undisturbed = MemoryLedger()
    LedgerWriter(undisturbed, "run").process(records)
    assert ClickHouseLedger(served, clock=clock).books(Books()) == undisturbed.books(Books())


def _written(writer: LedgerWriter, records: list[Record]) -> None:
    """Write a batch as the sink's source does: a batch that failed is undone, and comes again."""
    for _ in range(10):
        try:
            writer.process(records)
        except StoreError:
            writer.aborted()
        else:
            writer.committed()
            return
    pytest.fail("the batch was never taken")


def test_a_stalled_insert_keeps_no_other_client_from_writing(own_front: HttpFront, served: Store) -> None:
    """While one sink's insert stands still at the server, its client gives up in doubt and another sink writes."""
    failed: list[StoreError] = []

    def insert() -> None:
        with Store(served.settings) as stalled:
            try:
                SinkStore(stalled).insert(block(1), "zombie:1")
            except StoreError as error:
                failed.append(error)

    with own_front.hold(inserts(FLOWS, token="zombie:")) as held:
        thread = threading.Thread(target=insert)
        thread.start()
        held.reached()
        thread.join(30)
        assert isinstance(failed[0], StoreInDoubtError)
        SinkStore(served).insert(block(2), "owner:1")
        assert served.rows(COUNT) == [(1,)]
        held.release()
        held.ended()
    assert served.rows(COUNT) == [(2,)]
