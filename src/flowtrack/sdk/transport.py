"""What carries an encoded record to Kafka, as the SDK sees it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol

EVENTS_TOPIC = "flowtrack.events"
CONSENTS_TOPIC = "flowtrack.consents"


class Position(NamedTuple):
    """Where an acknowledged record stands; the offset is -1 where the broker had seen the record before."""

    topic: str
    partition: int
    offset: int


Acknowledgement = asyncio.Future[Position]
"""Done once the record is safe at the broker; await it, or leave it to `flush`."""

Window = Callable[[int, int], Awaitable[None]]
"""Awaited before a record is sent, with its partition and size in bytes: holds back what would overrun a broker."""


class Transport(Protocol):
    """Carries records; one may serve several clients of one process.

    The contract that every implementation keeps (tests/sdk/test_transport_contract.py):

    1. Records of one partition arrive in the order in which `send` was called.
    2. An acknowledgement is done only when its record is safe; what fails is told by its exception, a FlowtrackError.
    3. After `flush` every acknowledgement handed out before is done.
    """

    async def start(self) -> None:
        """Connect.

        Raises:
            BrokerError: nobody answers, or not with what is needed.
        """
        ...

    async def stop(self) -> None:
        """Flush and disconnect; harmless when not started."""
        ...

    async def partitions(self, topic: str) -> int:
        """Give the number of partitions of a topic.

        Raises:
            BrokerError: the topic does not exist, or the broker does not answer.
        """
        ...

    async def send(self, topic: str, partition: int, key: bytes, value: bytes) -> Acknowledgement:
        """Take a record over; waits only for room.

        Raises:
            DeliveryError: the record is too large, or there was no room in time.
        """
        ...

    async def flush(self) -> None:
        """Wait until everything that was taken over is safe or has failed."""
        ...
