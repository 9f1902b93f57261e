"""How a reader fetches: how long a batch fills, and how much is held of a backlog."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition

from flowtrack.adapters.kafka import reader
from flowtrack.adapters.kafka.reader import FETCH, FETCHED_KBYTES_MAX
from flowtrack.tracking.records import Output, Record
from tests.kafka.conftest import PARTITIONS, Copying, Rig, running, until

_RECORD_BYTES = 1_000
_CHUNK = 250


class Slow(Copying):
    """A processor whose batches take a while, by a clock of the test's own."""

    now_s = 0.0

    def process(self, records: Sequence[Record]) -> list[Output]:
        """Copy; meanwhile the clock goes on."""
        Slow.now_s += 0.004
        return super().process(records)


def test_a_batch_fills_while_the_last_one_is_worked(embedded: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a batch's work took is taken off the time that the next one may fill; else all of it is there."""
    waits: list[float] = []

    class Noting:
        """A consumer that notes how long it is to wait."""

        def __init__(self, config: dict[str, Any]) -> None:
            self._consumer = Consumer(config)

        def consume(self, count: int, wait_s: float) -> list[Any]:
            waits.append(round(wait_s, 6))
            return self._consumer.consume(count, wait_s)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._consumer, name)

    monkeypatch.setattr(reader, "Consumer", Noting)
    monkeypatch.setattr(reader, "time", SimpleNamespace(monotonic=lambda: 100.0 + Slow.now_s))
    events, copies = embedded.topic("events"), embedded.topic("copies")
    processor = Slow(copies)
    plan = embedded.plan(events)
    with running(embedded, plan, processor):
        for count in range(1, 4):
            embedded.produce(events, [b"x"], partition=0)
            until(lambda: len(processor.records) == count)  # noqa: B023 - called within the loop's turn
        batches = len(processor.batches)
        seen = len(waits)
        until(lambda: len(waits) > seen + 2)
    assert waits[0] == 0.0, "nothing has been taken yet: what is there is taken at once"
    assert waits.count(round(plan.batch_wait_s - 0.004, 6)) == batches
    assert waits[-1] == plan.batch_wait_s


def test_a_batch_is_bounded_by_its_bytes(embedded: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Large records make batches of few, however many a batch may have: what is held at once has a bound."""
    monkeypatch.setattr(reader, "FETCHED_KBYTES_MAX", 16)
    monkeypatch.setattr(reader, "_RECORD_BYTES", 1)
    monkeypatch.setattr(reader, "_AT_ONCE", 2)
    events, copies = embedded.topic("events"), embedded.topic("copies")
    processor = Copying(copies)
    embedded.produce(events, [b"x" * 4_096] * 40, partition=0)
    with running(embedded, embedded.plan(events, batch_records_max=1_000), processor):
        until(lambda: len(processor.records) == 40)
    assert [record.offset for record in processor.records] == list(range(40))
    assert max(map(len, processor.batches)) <= 6


@pytest.mark.real_kafka
def test_a_backlog_stays_at_the_broker(real: Rig) -> None:
    """A consumer that is asked for little holds no more than its bound and one answer, whatever the log holds."""
    events = real.topic("events")
    bound_bytes = FETCHED_KBYTES_MAX * 1024
    count = 3 * bound_bytes // _RECORD_BYTES
    real.produce(events, [b"x" * _RECORD_BYTES] * count)
    held: list[int] = []

    def note(text: str) -> None:
        partitions = json.loads(text)["topics"].get(events, {"partitions": {}})["partitions"]
        held.append(max((each["fetchq_size"] for each in partitions.values()), default=0))  # one queue for all

    consumer = Consumer(
        {
            **real.settings.consumer(f"{real.name}-held"),
            **FETCH,
            "auto.offset.reset": "earliest",
            "statistics.interval.ms": 50,
            "stats_cb": note,
        }
    )
    consumer.assign([TopicPartition(events, partition, 0) for partition in range(PARTITIONS)])
    taken = 0

    def take_some() -> bool:
        nonlocal taken
        taken += len(consumer.consume(_CHUNK, 0.1))
        return taken == count

    until(take_some)
    consumer.close()
    assert bound_bytes / 4 < max(held) < 1.5 * bound_bytes


SERVING = {"poll", "consume", "close", "list_topics"}
"""Calls of confluent-kafka's consumer that keep a state of their own for callbacks, one for each thread."""


def owned(processor: Copying) -> set[str]:
    """The partitions that a processor was given and not relieved of."""
    found: set[str] = set()
    for call in list(processor.calls):
        what, _, partition = call.partition(" ")
        if what == "assigned":
            found.add(partition)
        elif what == "revoked":
            found.discard(partition)
    return found


@pytest.mark.real_kafka
def test_a_group_callback_spoils_no_call_around_it(real: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within a callback of the group none of the calls is made that serve callbacks themselves.

    Each would take from the call around it what that one's next callback needs, and the client would end the process.
    """
    nested: list[str] = []

    class Watched:
        """A consumer that notes what is called while another call of it runs."""

        def __init__(self, config: dict[str, Any]) -> None:
            self._consumer = Consumer(config)
            self._inside = threading.local()

        def __getattr__(self, name: str) -> Any:
            return partial(self._call, name)

        def _call(self, name: str, *arguments: Any, **more: Any) -> Any:
            around = getattr(self._inside, "call", "")
            if around and name in SERVING:
                nested.append(f"{name} within {around}")
            self._inside.call = name
            try:
                return getattr(self._consumer, name)(*arguments, **more)
            finally:
                self._inside.call = around

    monkeypatch.setattr(reader, "Consumer", Watched)
    events, copies = real.topic("events"), real.topic("copies")
    plan = real.plan(events)
    first, second = Copying(copies), Copying(copies)
    with running(real, plan, first):
        until(lambda: len(owned(first)) == PARTITIONS)
        with running(real, plan, second):
            until(lambda: len(owned(second)) == len(owned(first)) == PARTITIONS / 2)
            real.produce(events, [str(number).encode() for number in range(40)])
            until(lambda: len(first.records) + len(second.records) == 40)
        until(lambda: len(owned(first)) == PARTITIONS)
    assert not nested
