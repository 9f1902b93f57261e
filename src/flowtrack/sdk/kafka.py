"""Records to a real or embedded Kafka, by aiokafka."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from types import MappingProxyType

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from flowtrack.errors import BrokerError, DeliveryError, RuntimeStateError
from flowtrack.sdk.transport import Acknowledgement, Position, Window

_BATCH_BYTES = 128 * 1024  # some 300 events: lz4 finds their common names
_LINGER_MS = 5  # waits for company; well below the quarter of a second in which an alert is due
_NO_WINDOWS: Mapping[str, Window] = MappingProxyType({})


class KafkaTransport:
    """An idempotent producer: acknowledged by all replicas, in order, without repeats of its own.

    Args:
        bootstrap_servers: `host:port`, several separated by commas.
        windows: for each topic that must be held back, what to await before a record is sent.
        connection: further keyword arguments of aiokafka's producer, e.g. `ssl_context`.
    """

    def __init__(
        self, bootstrap_servers: str, *, windows: Mapping[str, Window] = _NO_WINDOWS, **connection: object
    ) -> None:
        self.bootstrap_servers = bootstrap_servers
        self._windows = dict(windows)
        self._connection = connection
        self._producer: AIOKafkaProducer | None = None
        self._open: set[Acknowledgement] = set()
        self._failed: DeliveryError | None = None

    async def start(self) -> None:
        """Connect.

        Raises:
            BrokerError: nobody answers.
        """
        if self._producer is not None:
            return
        producer = AIOKafkaProducer(
            bootstrap_servers=self.bootstrap_servers,
            enable_idempotence=True,
            acks="all",
            compression_type="lz4",
            linger_ms=_LINGER_MS,
            max_batch_size=_BATCH_BYTES,
            **self._connection,
        )
        try:
            await producer.start()
        except KafkaError as error:
            await producer.stop()
            raise self._broker_error(error) from error
        self._producer = producer

    async def stop(self) -> None:
        """Send what is left and disconnect."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.stop()

    async def partitions(self, topic: str) -> int:
        """Give the number of partitions of a topic, as the broker knows it.

        Raises:
            BrokerError: the topic does not exist, or the broker does not answer.
        """
        try:
            return len(await self._started().partitions_for(topic))
        except KafkaError as error:
            raise self._broker_error(error, topic) from error

    async def send(self, topic: str, partition: int, key: bytes, value: bytes) -> Acknowledgement:
        """Take a record over.

        Raises:
            DeliveryError: the record is too large, or there was no room in time.
        """
        producer = self._started()
        window = self._windows.get(topic)
        if window is not None:
            await window(partition, len(key) + len(value))
        try:
            sent = await producer.send(topic, value, key, partition)
        except KafkaError as error:
            raise _delivery_error(error, topic, partition) from error
        acknowledgement: Acknowledgement = asyncio.get_running_loop().create_future()
        self._open.add(acknowledgement)
        sent.add_done_callback(partial(self._settle, acknowledgement, topic, partition))
        return acknowledgement

    async def flush(self) -> None:
        """Wait until every acknowledgement handed out is done.

        Raises:
            DeliveryError: the first failure since the last flush.
        """
        while self._open:
            await asyncio.wait(self._open)
        failed, self._failed = self._failed, None
        if failed is not None:
            raise failed

    def _started(self) -> AIOKafkaProducer:
        if self._producer is None:
            raise RuntimeStateError(
                "the transport is not started", help="use the client as `async with Flowtrack(...)`"
            )
        return self._producer

    def _settle(
        self, acknowledgement: Acknowledgement, topic: str, partition: int, sent: asyncio.Future[object]
    ) -> None:
        self._open.discard(acknowledgement)
        error = None if sent.cancelled() else sent.exception()
        if not sent.cancelled() and error is None:
            if not acknowledgement.done():
                acknowledgement.set_result(Position(topic, partition, getattr(sent.result(), "offset", -1)))
            return
        self._failed = self._failed or _delivery_error(error, topic, partition)
        if not acknowledgement.done():
            acknowledgement.set_exception(self._failed)
            acknowledgement.exception()  # told by `flush` too: nobody has to await each one

    def _broker_error(self, error: KafkaError, topic: str = "") -> BrokerError:
        return BrokerError(
            f"`{type(error).__name__}` from the broker",
            where=f"{self.bootstrap_servers}, {topic}" if topic else self.bootstrap_servers,
            help="check the address, and that `flowtrack topics create` has run",
        )


def _delivery_error(error: BaseException | None, topic: str, partition: int) -> DeliveryError:
    """Say that a record was not delivered; the client library's own text is left out, it may carry the record."""
    return DeliveryError(
        f"a record was not delivered: `{type(error).__name__ if error else 'cancelled'}`",
        where=f"{topic}/{partition}",
        help="send fewer categories or events at once"
        if isinstance(error, MessageSizeTooLargeError)
        else "publish it again with the same id once the broker answers: the repeat is told as one",
    )
