"""Batches that are promised before they are written: whoever dies where, each row is in the ledger once."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from flowtrack.adapters.kafka.lag import GroupOffsets
from flowtrack.adapters.kafka.planned import PlannedSource
from flowtrack.adapters.kafka.source import EXIT_FATAL, EXIT_OPERATOR
from flowtrack.audit.questions import Books
from flowtrack.errors import StoreError
from flowtrack.testing.ledger import MemoryLedger
from flowtrack.tracking.intent import Intent
from flowtrack.tracking.ledger import LedgerWriter
from flowtrack.tracking.records import Output, Record, Topic
from flowtrack.tracking.rows import FLOWS, Block
from tests.kafka.conftest import PARTITIONS, Rig, running, until
from tests.ledger.day import category, decision, record

EVENTS = 400
pytestmark = pytest.mark.real_kafka


class Killed(BaseException):
    """The process dies here."""


class MortalLedger(MemoryLedger):
    """A ledger whose writers die, or hear nothing, at the named points."""

    def __init__(self, *points: str) -> None:
        super().__init__()
        self.points = list(points)
        self.away = threading.Event()

    def insert(self, block: Block, token: str, deadline_ms: int = 0) -> None:
        """Insert, unless something happens before, meanwhile or after."""
        if self.away.is_set():
            raise StoreError("the store does not answer", help="start it")
        point = self.points.pop(0) if self.points and block.table == FLOWS else ""
        if point == "token only":
            self._tokens.add((block.table, token))
        elif point != "before":
            super().insert(block, token, deadline_ms)
        if point:
            raise Killed


class Sinking(LedgerWriter):
    """A sink of topics under other names."""

    def work(self, records: Sequence[Record], intent: Intent) -> list[Output]:
        """Write a batch."""
        return super().work([each._replace(topic=Topic.DECISIONS) for each in records], intent)

    def redo(self, partition: int, records: Sequence[Record], intent: Intent) -> list[Output]:
        """See to a share of one."""
        return super().redo(partition, [each._replace(topic=Topic.DECISIONS) for each in records], intent)


def published(real: Rig) -> str:
    """Decisions on a topic, round robin over the partitions; its name."""
    topic = real.topic("decisions")
    for partition in range(PARTITIONS):
        items = [decision(n, category("provided.email"), partition=partition) for n in range(EVENTS // PARTITIONS)]
        real.produce(topic, [record(item, 0).value or b"" for item in items], partition=partition)
    return topic


def is_whole(ledger: MemoryLedger) -> bool:
    """Whether each decision is in the ledger, once."""
    books = ledger.books(Books()).partitions
    each = EVENTS // PARTITIONS
    return [(p.judged, p.missing, p.repeated_rows) for p in books] == [(each, 0, 0)] * PARTITIONS


def test_what_is_done_is_committed_and_promises_nothing(real: Rig) -> None:
    """When there is nothing more, the offsets are those of the end, with no promise behind them."""
    topic, ledger = published(real), MemoryLedger()
    plan = real.plan(topic, closing="planned", batch_records_max=60)
    with running(real, plan, Sinking(ledger, "run"), kind=PlannedSource):
        until(lambda: sum(real.committed(plan.group, topic).values()) == EVENTS)
    assert is_whole(ledger)
    with GroupOffsets(real.settings, plan.group) as group:
        assert group.notes([(topic, partition) for partition in range(PARTITIONS)]) == []


@pytest.mark.parametrize("points", [["before"], ["after"], ["token only"], ["before", "after", "token only", "after"]])
def test_each_row_stands_once_wherever_the_sink_dies(real: Rig, points: list[str]) -> None:
    """After the promise, during the insert, after it and before the commit; also a successor dies on the way."""
    topic, ledger = published(real), MortalLedger("", *points)
    ledger.points = list(points)
    plan = real.plan(topic, closing="planned", batch_records_max=60)
    for life in range(len(points)):
        with running(real, plan, Sinking(ledger, f"run{life}"), kind=PlannedSource) as run:
            until(lambda: run.left == [EXIT_FATAL])
    with running(real, plan, Sinking(ledger, "last"), kind=PlannedSource):
        until(lambda: sum(real.committed(plan.group, topic).values()) == EVENTS)
    assert is_whole(ledger)


def test_two_sinks_share_the_partitions_and_one_dies(real: Rig) -> None:
    """The partitions of one that died with a batch in hand go to the other, and what it left is seen to."""
    topic, ledger = published(real), MortalLedger("after")
    plan = real.plan(topic, closing="planned", batch_records_max=60)
    with (
        running(real, plan, Sinking(ledger, "one"), kind=PlannedSource) as one,
        running(real, plan, Sinking(ledger, "two"), kind=PlannedSource) as two,
    ):
        until(lambda: one.left or two.left)
        (one if one.left else two).stop()
        until(lambda: sum(real.committed(plan.group, topic).values()) == EVENTS)
    assert is_whole(ledger)


def test_a_store_that_is_away_is_waited_for(real: Rig) -> None:
    """Nothing is lost and nobody dies: readiness says what to do, and the sink catches up when the store is back."""
    topic, ledger = published(real), MortalLedger()
    ledger.away.set()
    plan = real.plan(topic, closing="planned", batch_records_max=60)
    with running(real, plan, Sinking(ledger, "run"), kind=PlannedSource) as run:
        until(lambda: "start it" in run.source.status.outside)
        assert run.source.status.stuck_for_s() == 0
        ledger.away.clear()
        until(lambda: sum(real.committed(plan.group, topic).values()) == EVENTS)
        assert run.source.status.ready
        assert not run.left
    assert is_whole(ledger)


def test_a_decision_of_another_version_stops_the_sink_for_an_operator(real: Rig) -> None:
    """Nothing is skipped and nothing spins: the sink ends with 78, and says where and what to do."""
    topic, ledger = published(real), MemoryLedger()
    real.produce(topic, [b'{"type":"decision","event_id":"from tomorrow"}'], partition=0)
    plan = real.plan(topic, closing="planned", batch_records_max=1_000)
    with running(real, plan, Sinking(ledger, "run"), kind=PlannedSource) as run:
        until(lambda: run.left == [EXIT_OPERATOR])
        assert f"/0 at {EVENTS // PARTITIONS}" in run.source.status.reason
        assert "run the same" in run.source.status.reason
        assert "tomorrow" not in run.source.status.reason
