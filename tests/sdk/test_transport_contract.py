"""What every transport keeps: the one by Kafka, here on the embedded broker, and the one in memory for tests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from flowtrack.adapters.kafka.embedded import EmbeddedBroker
from flowtrack.errors import BrokerError, DeliveryError, RuntimeStateError
from flowtrack.sdk import CONSENTS_TOPIC, EVENTS_TOPIC, Flowtrack, Transport, Window
from flowtrack.sdk.kafka import KafkaTransport
from flowtrack.testing import MemoryTransport

Make = Callable[..., Transport]
KEY = bytes(range(32))
_SUBJECT = b"ab" * 16


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    """The address of an embedded broker."""
    embedded = EmbeddedBroker()
    address = embedded.start()
    yield address
    embedded.stop()


@pytest.fixture(params=["kafka", "memory"])
def make(request: pytest.FixtureRequest) -> Make:
    """Makes a transport of each kind."""
    if request.param == "memory":
        return MemoryTransport
    address = request.getfixturevalue("broker")

    def kafka(windows: dict[str, Window] | None = None) -> Transport:
        return KafkaTransport(address, windows=windows or {})

    return kafka


async def _started(transport: Transport) -> Transport:
    await transport.start()
    return transport


def test_records_of_a_partition_keep_their_order(make: Make) -> None:
    """Offsets rise in the order of sending, whatever batches are made of it."""

    async def run() -> list[int]:
        transport = await _started(make())
        try:
            sent = [await transport.send(EVENTS_TOPIC, 1, _SUBJECT, b"%d" % n) for n in range(3_000)]
            return [(await acknowledgement).offset for acknowledgement in sent]
        finally:
            await transport.stop()

    offsets = asyncio.run(run())
    assert offsets == list(range(offsets[0], offsets[0] + 3_000))


def test_an_acknowledgement_says_where_the_record_stands(make: Make) -> None:
    """Topic and partition are those that were asked for."""

    async def run() -> None:
        transport = await _started(make())
        position = await (await transport.send(CONSENTS_TOPIC, 2, _SUBJECT, b"{}"))
        assert (position.topic, position.partition) == (CONSENTS_TOPIC, 2)
        assert position.offset >= 0
        await transport.stop()

    asyncio.run(run())


def test_after_flush_everything_is_acknowledged(make: Make) -> None:
    """No acknowledgement is open after flush."""

    async def run() -> None:
        transport = await _started(make())
        sent = [await transport.send(EVENTS_TOPIC, n % 4, _SUBJECT, b"{}") for n in range(500)]
        await transport.flush()
        assert all(acknowledgement.done() and acknowledgement.exception() is None for acknowledgement in sent)
        await transport.stop()

    asyncio.run(run())


def test_partitions_are_the_brokers(make: Make) -> None:
    """The count comes from the broker; the embedded one has four."""

    async def run() -> int:
        transport = await _started(make())
        try:
            return await transport.partitions(EVENTS_TOPIC)
        finally:
            await transport.stop()

    assert asyncio.run(run()) == 4


def test_the_window_is_asked_first(make: Make) -> None:
    """A window holds its own topic back, and is told partition and bytes."""

    async def run() -> None:
        asked: list[tuple[int, int]] = []
        reached, opened = asyncio.Event(), asyncio.Event()

        async def window(partition: int, size: int) -> None:
            asked.append((partition, size))
            reached.set()
            await opened.wait()

        transport = await _started(make(windows={EVENTS_TOPIC: window}))
        await (await transport.send(CONSENTS_TOPIC, 0, _SUBJECT, b"{}"))
        assert not asked
        sending = asyncio.create_task(transport.send(EVENTS_TOPIC, 3, _SUBJECT, b"{}"))
        await reached.wait()
        assert not sending.done()
        opened.set()
        assert (await (await sending)).partition == 3
        assert asked == [(3, len(_SUBJECT) + 2)]
        await transport.stop()

    asyncio.run(run())


def test_a_record_that_is_too_large_is_refused(make: Make) -> None:
    """More than a broker takes is refused at once, with the partition and without the record."""

    async def run() -> None:
        transport = await _started(make())
        try:
            await transport.send(EVENTS_TOPIC, 0, _SUBJECT, b"marker" * 200_000)
        finally:
            await transport.stop()

    with pytest.raises(DeliveryError, match=r"flowtrack\.events/0") as refusal:
        asyncio.run(run())
    assert "marker" not in str(refusal.value)


def test_nothing_is_sent_before_start_or_after_stop(make: Make) -> None:
    """A transport that does not run says so; starting or stopping twice is harmless."""

    async def run() -> None:
        transport = make()
        with pytest.raises(RuntimeStateError, match="not started"):
            await transport.send(EVENTS_TOPIC, 0, _SUBJECT, b"{}")
        await transport.start()
        await transport.start()
        await transport.stop()
        await transport.stop()
        with pytest.raises(RuntimeStateError, match="not started"):
            await transport.send(EVENTS_TOPIC, 0, _SUBJECT, b"{}")

    asyncio.run(run())


def test_nobody_there_is_an_error_of_ours() -> None:
    """A broker that does not answer is a BrokerError with the address."""
    with pytest.raises(BrokerError, match=r"127\.0\.0\.1:1"):
        asyncio.run(KafkaTransport("127.0.0.1:1", request_timeout_ms=1_000).start())


def test_an_event_arrives_as_published(broker: str) -> None:
    """What a service publishes is what a consumer of the partition reads: key, value, partition."""

    async def run() -> None:
        async with Flowtrack(service="checkout", key=KEY, bootstrap_servers=broker) as flowtrack:
            sent = await flowtrack.collect(
                "u", categories=["provided.name"], purpose="service.provide", method="provided"
            )
            position = await sent
        consumer = AIOKafkaConsumer(bootstrap_servers=broker, auto_offset_reset="earliest")
        await consumer.start()
        try:
            place = TopicPartition(position.topic, position.partition)
            consumer.assign([place])
            consumer.seek(place, position.offset)
            record = await asyncio.wait_for(consumer.getone(), 20)
        finally:
            await consumer.stop()
        assert record.offset == position.offset
        assert record.value.startswith(b'{"specversion":"1.0"')
        assert len(record.key) == 32

    asyncio.run(run())
