"""A broker in memory, for the tests of services that publish through `flowtrack.sdk`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from flowtrack.errors import BrokerError, DeliveryError, RuntimeStateError
from flowtrack.sdk.transport import CONSENTS_TOPIC, EVENTS_TOPIC, Acknowledgement, Position, Window

_NO_WINDOWS: Mapping[str, Window] = MappingProxyType({})
_RECORD_BYTES_MAX = 1_000_000  # as a broker's default


class Sent(NamedTuple):
    """A record as it was sent."""

    topic: str
    partition: int
    key: bytes
    value: bytes


class MemoryTransport:
    """Keeps what is sent, in order, and acknowledges it; obeys the same contract as the Kafka transport.

    Args:
        partitions: of each topic.
        windows: as for `flowtrack.sdk.kafka.KafkaTransport`.
    """

    def __init__(self, *, partitions: int = 4, windows: Mapping[str, Window] = _NO_WINDOWS) -> None:
        self.sent: list[Sent] = []
        self.started = False
        self._topics = dict.fromkeys((EVENTS_TOPIC, CONSENTS_TOPIC), partitions)
        self._windows = dict(windows)
        self._ends: dict[tuple[str, int], int] = {}
        self._failing = False
        self._failed: DeliveryError | None = None

    async def start(self) -> None:
        """Be ready."""
        self.started = True

    async def stop(self) -> None:
        """Take no more; what was sent stays to be looked at."""
        self.started = False

    async def partitions(self, topic: str) -> int:
        """Give the number of partitions.

        Raises:
            BrokerError: the topic is not one that services publish to.
        """
        self._check_started()
        if topic not in self._topics:
            raise BrokerError(
                f"there is no topic `{topic}`", where="memory transport", help="use one of the SDK's topics"
            )
        return self._topics[topic]

    async def send(self, topic: str, partition: int, key: bytes, value: bytes) -> Acknowledgement:
        """Keep a record.

        Raises:
            DeliveryError: the record is too large.
        """
        count = await self.partitions(topic)
        where = f"{topic}/{partition}"
        if not 0 <= partition < count:
            raise DeliveryError("there is no such partition", where=where, help="use `partition_of`")
        if len(key) + len(value) > _RECORD_BYTES_MAX:
            raise DeliveryError("a record is too large", where=where, help="send fewer categories at once")
        window = self._windows.get(topic)
        if window is not None:
            await window(partition, len(key) + len(value))
        acknowledgement: Acknowledgement = asyncio.get_running_loop().create_future()
        if self._failing:
            self._failed = DeliveryError("a record was not delivered", where=where, help="the test asked for it")
            acknowledgement.set_exception(self._failed)
            acknowledgement.exception()  # told by `flush` too: nobody has to await each one
            return acknowledgement
        offset = self._ends.get((topic, partition), 0)
        self._ends[topic, partition] = offset + 1
        self.sent.append(Sent(topic, partition, key, value))
        acknowledgement.set_result(Position(topic, partition, offset))
        return acknowledgement

    async def flush(self) -> None:
        """Tell the first failure since the last flush.

        Raises:
            DeliveryError: something was not delivered.
        """
        failed, self._failed = self._failed, None
        if failed is not None:
            raise failed

    def fail(self, *, failing: bool = True) -> None:
        """Let deliveries fail from now on, or succeed again: to test what a service does then."""
        self._failing = failing

    def published(self, topic: str = EVENTS_TOPIC) -> list[dict[str, Any]]:
        """Give the CloudEvents sent to a topic, decoded, in order."""
        return [json.loads(record.value) for record in self.sent if record.topic == topic]

    def _check_started(self) -> None:
        if not self.started:
            raise RuntimeStateError(
                "the transport is not started", help="use the client as `async with Flowtrack(...)`"
            )
