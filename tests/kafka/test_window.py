"""The bound on what is in flight on the embedded broker."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from flowtrack.adapters.kafka.embedded import PARTITION_BYTES_KEPT
from flowtrack.adapters.kafka.lag import start_offsets
from flowtrack.adapters.kafka.window import Window
from tests.kafka.conftest import Copying, Rig, running, until

LIMIT = 50_000


class Group:
    """A consumer group whose commits the test makes."""

    def __init__(self, rig: Rig, name: str) -> None:
        self.consumer = Consumer(rig.settings.consumer(name))

    def commit(self, topic: str, partition: int, offset: int) -> None:
        """Commit as a worker of that group would."""
        self.consumer.commit(offsets=[TopicPartition(topic, partition, offset)], asynchronous=False)


@pytest.fixture
def sink(embedded: Rig) -> Iterator[Group]:
    """A group called sink."""
    group = Group(embedded, "sink")
    yield group
    group.consumer.close()


def _fill(window: Window, partition: int, size: int) -> int:
    count = 0
    while window.admit(partition, size):
        count += 1
    return count


def test_no_more_than_the_limit_is_admitted(embedded: Rig, sink: Group) -> None:
    """A partition takes records up to the limit and no further, until the group has committed some."""
    topic = embedded.topic("events")
    window = Window(embedded.settings, topic, ["sink"], LIMIT)
    admitted = _fill(window, 0, 920)
    assert admitted == LIMIT // 1_000
    assert window.outstanding(0) <= LIMIT
    assert window.admit(1, 920), "partitions count apart"
    sink.commit(topic, 0, 10)
    until(lambda: window.admit(0, 920))
    assert _fill(window, 0, 920) == 9
    window.close()


def test_the_slowest_group_counts(embedded: Rig, sink: Group) -> None:
    """A record counts until every named group has committed it."""
    topic = embedded.topic("decisions")
    window = Window(embedded.settings, topic, ["sink", "alerter"], LIMIT)
    _fill(window, 0, 920)
    sink.commit(topic, 0, 50)
    window.wait(0, 920, abandoned=lambda: True)
    assert window.outstanding(0) == LIMIT
    alerter = Group(embedded, "alerter")
    alerter.commit(topic, 0, 50)
    assert window.wait(0, 920)
    assert window.outstanding(0) == 1_000
    alerter.consumer.close()
    window.close()


def test_a_record_larger_than_the_limit_goes_alone(embedded: Rig) -> None:
    """A large record does not wait for ever: it goes when nothing else is in flight, and is followed by nothing."""
    window = Window(embedded.settings, embedded.topic("events"), ["sink"], LIMIT)
    assert window.admit(0, 2 * LIMIT)
    assert not window.admit(0, 1)
    window.close()


def test_waiting_ends_when_abandoned(embedded: Rig) -> None:
    """A worker that is told to stop does not wait for room."""
    window = Window(embedded.settings, embedded.topic("events"), ["sink"], LIMIT)
    _fill(window, 0, 920)
    stop = threading.Event()
    threading.Timer(0.1, stop.set).start()
    assert not window.wait(0, 920, stop.is_set)
    window.close()


def test_what_a_former_producer_left_counts_as_full(embedded: Rig, sink: Group) -> None:
    """A producer that starts anew does not know what is in flight: it waits until that is consumed."""
    topic = embedded.topic("decisions")
    embedded.produce(topic, [b"x"] * 100, partition=0)
    window = Window(embedded.settings, topic, ["sink"], LIMIT)
    assert not window.admit(0, 920)
    sink.commit(topic, 0, 100)
    assert window.wait(0, 920)
    window.close()


def test_waiting_in_an_event_loop_does_not_hold_it_up(embedded: Rig, sink: Group) -> None:
    """`wait_async` lets other tasks run; one of them makes the room."""
    topic = embedded.topic("events")
    window = Window(embedded.settings, topic, ["sink"], LIMIT)
    _fill(window, 0, 920)

    async def scene() -> None:
        waiting = asyncio.create_task(window.wait_async(0, 920))
        await asyncio.sleep(0)
        assert not waiting.done()
        sink.commit(topic, 0, 50)
        await asyncio.wait_for(waiting, 10)

    asyncio.run(scene())
    window.close()


def test_a_pipeline_larger_than_the_broker_loses_nothing(embedded: Rig) -> None:
    """Three times as much as the broker keeps goes through a copying worker: both ends wait, nothing is dropped."""
    events, copies = embedded.topic("events"), embedded.topic("copies")
    to_copies = Window(embedded.settings, copies, [f"{embedded.name}-group", "drain"], PARTITION_BYTES_KEPT // 4)
    first = embedded.plan(events, windows=(to_copies,))
    to_events = Window(embedded.settings, events, [first.group], PARTITION_BYTES_KEPT // 4)
    second = embedded.plan(copies)
    drained = Copying(embedded.topic("none"))
    count, size = 1_600, 10_000
    with running(embedded, first, Copying(copies)) as copying, running(embedded, second, drained) as draining:
        producer = Producer({**embedded.settings.librdkafka(), "linger.ms": 1})
        for number in range(count):
            assert to_events.wait(0, size)
            producer.produce(events, b"%d" % number + b"x" * size, b"k", 0)
        producer.flush()
        until(lambda: len(drained.records) == count)
        assert not copying.left
        assert not draining.left
    assert start_offsets(embedded.settings, events)[0] > 0, "the broker has dropped records that were done"
