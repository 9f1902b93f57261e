"""Publish a sample day: its services, each by the SDK, in the order of time and as fast as the broker takes it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from flowtrack.sample.day import SampleDay
from flowtrack.sample.diary import Item
from flowtrack.sample.truth import BadMessage
from flowtrack.sdk.client import Flowtrack
from flowtrack.sdk.transport import EVENTS_TOPIC, Acknowledgement, Transport
from flowtrack.wire.partition import partition_of

_SLICE = 2_000
"""Records between two waits for acknowledgements: a consent is never later than the events that rest on it, and so
few that memory stays flat."""


@dataclass(slots=True)
class Emitted:
    """What was published and acknowledged."""

    consents: int = 0
    events: int = 0
    """Repeats by a service included, bad messages not."""
    bad_messages: int = 0
    value_bytes: int = 0


async def emit(
    day: SampleDay,
    transport: Transport,
    *,
    bad_messages: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> Emitted:
    """Publish the day; in each slice of time the consent records first, and the events once those are safe.

    Args:
        day: what to publish.
        transport: carries the records of all services; its windows bound what is in flight.  It is started where
            it is not, and left running.
        bad_messages: whether to send what must end as dead letters, too.
        progress: told after each slice how many records are published, and how many there are.

    Raises:
        DeliveryError: a record was not delivered.
        BrokerError: the broker does not answer, or a topic does not exist.
    """
    emitted = Emitted()
    slices = list(_slices(day.items))
    bad = list(day.truth.bad_messages) if bad_messages else []
    done = 0
    async with AsyncExitStack() as stack:
        clients: dict[str, Flowtrack] = {}
        for service in sorted({item.service for item in day.items}):
            clients[service] = await stack.enter_async_context(Flowtrack(service=service, transport=transport))
        for number, items in enumerate(slices):
            await _consents(clients, items, emitted)
            await _events(clients, items, emitted)
            # Spread over the day, so that the good neighbours of each are many.
            for message in bad[number :: len(slices)]:
                emitted.bad_messages += await _bad_message(transport, message)
            done += len(items)
            if progress is not None:
                progress(done, len(day.items))
    return emitted


def _slices(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    return (items[start : start + _SLICE] for start in range(0, len(items), _SLICE))


async def _consents(clients: dict[str, Flowtrack], items: Sequence[Item], emitted: Emitted) -> None:
    acknowledgements: list[Acknowledgement] = []
    for item in items:
        if item.consent:
            sent = await clients[item.service].publish_encoded_consent(item.subject, item.key, item.value)
            acknowledgements.append(sent)
            emitted.value_bytes += len(item.value)
    await asyncio.gather(*acknowledgements)
    emitted.consents += len(acknowledgements)


async def _events(clients: dict[str, Flowtrack], items: Sequence[Item], emitted: Emitted) -> None:
    acknowledgements: list[Acknowledgement] = []
    for item in items:
        if not item.consent:
            acknowledgements.append(await clients[item.service].publish_encoded(item.subject, item.value))
            emitted.value_bytes += len(item.value)
    await asyncio.gather(*acknowledgements)
    emitted.events += len(acknowledgements)


async def _bad_message(transport: Transport, message: BadMessage) -> int:
    """Send what the SDK would refuse, around it; gives how many were sent."""
    partitions = await transport.partitions(EVENTS_TOPIC)
    if message.partition_shift % partitions == 0 and message.partition_shift:
        return 0  # a topic of one partition has no wrong one
    partition = (partition_of(message.subject, partitions) + message.partition_shift) % partitions
    await (await transport.send(EVENTS_TOPIC, partition, message.subject.encode(), message.value))
    return 1
