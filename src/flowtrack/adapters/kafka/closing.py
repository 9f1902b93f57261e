"""How a batch is closed: outputs and source offsets in one Kafka transaction, or one after the other.

Both closings hold the same contract.  `close` returns when the outputs and the offsets are durable.
`BatchUndoneError`: nothing of it counts, rewind and the same records come again.  `OutputRefusedError`: nothing of
it counts, and it would be refused again.  Any other BrokerError: the state is unknown and the process must end; the
broker sorts it out.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from flowtrack.adapters.kafka import metrics
from flowtrack.adapters.kafka.faults import FORBIDDEN, BatchUndoneError, broker_error, kafka_error, passes
from flowtrack.adapters.kafka.lag import Place
from flowtrack.adapters.kafka.plan import Plan
from flowtrack.adapters.kafka.settings import KafkaSettings
from flowtrack.errors import BrokerError
from flowtrack.tracking.records import Output

_CALL_S = 10.0  # one try of one call; a retriable failure is tried again
_INIT_S = 20.0  # fencing a dead worker may wait for its transaction's end
_TRANSACTION_TIMEOUT_MS = 10_000  # a killed worker's open transaction hides later records for so long at most
_LINGER_MS = 5  # long enough for large produce requests, short against a batch
_QUEUE_RECORDS = 1_000_000
_FULL_QUEUE_POLL_S = 0.1

_NO_NOTES: Mapping[Place, str] = MappingProxyType({})
_COMMIT_LOST = {
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError.FENCED_INSTANCE_ID,
    KafkaError._STATE,  # noqa: SLF001 - librdkafka's local codes are named so
}


_PAUSE = threading.Event()  # never set: waiting on it is a pause


class OutputRefusedError(BrokerError):
    """An output can never be written, e.g. it is too large; the batch is undone."""


class Closing(Protocol):
    """Closes batches; see the module's text for the contract."""

    def open(self) -> None:
        """Get ready, and end what a dead predecessor of the same name left open."""
        ...

    def close(
        self,
        outputs: Sequence[Output],
        ends: Mapping[Place, int],
        consumer: Consumer,
        notes: Mapping[Place, str] = _NO_NOTES,
    ) -> None:
        """Make the outputs and the offsets durable, with the place's note in the metadata of each offset."""
        ...

    def end(self) -> None:
        """Release the connections."""
        ...


class _Writer:
    """What both closings share: queueing outputs, within their windows."""

    def __init__(self, settings: KafkaSettings, plan: Plan, stopping: Callable[[], bool]) -> None:
        self._worker = plan.name
        self._stopping = stopping
        self._windows = {window.topic: window for window in plan.windows}
        self._refused: KafkaError | None = None
        self._config = settings.librdkafka() | {
            "linger.ms": _LINGER_MS,
            "compression.type": "lz4",
            "enable.idempotence": True,
            "queue.buffering.max.messages": _QUEUE_RECORDS,
            "delivery.report.only.error": True,
        }

    def _producer(self, extra: Mapping[str, str | int]) -> Producer:
        return Producer({**self._config, **extra, "on_delivery": self._not_delivered})

    def _not_delivered(self, error: KafkaError | None, _message: Message[bytes, bytes]) -> None:
        self._refused = error or self._refused

    def _queue(self, producer: Producer, outputs: Sequence[Output]) -> None:
        self._refused = None
        for topic, partition, key, value in outputs:
            window = self._windows.get(topic)
            if window is not None:
                size = len(key or b"") + len(value or b"")
                if not window.wait(partition, size, self._stopping):
                    raise BatchUndoneError("the worker stops while its outputs wait for room", where=topic)
            while True:
                try:
                    producer.produce(topic, value, key, partition)
                    break
                except BufferError:
                    producer.poll(_FULL_QUEUE_POLL_S)
                except KafkaException as error:
                    if kafka_error(error).code() == KafkaError.MSG_SIZE_TOO_LARGE:
                        raise OutputRefusedError("an output is too large", where=f"{topic}/{partition}") from error
                    raise
        producer.poll(0)


class Transactional(_Writer):
    """Outputs and offsets in one transaction, fenced by the group's generation (KIP-447): exactly once."""

    def __init__(self, settings: KafkaSettings, plan: Plan, stopping: Callable[[], bool] = lambda: False) -> None:
        super().__init__(settings, plan, stopping)
        self._transactional_id = f"{plan.group}-{settings.instance or secrets.token_hex(8)}"
        self._live: Producer | None = None

    def open(self) -> None:
        """Fence and end what a dead worker of the same instance name left open.

        Raises:
            BrokerError: the broker refuses.
        """
        self._live = self._producer(
            {"transactional.id": self._transactional_id, "transaction.timeout.ms": _TRANSACTION_TIMEOUT_MS}
        )
        try:
            _persist(self._live.init_transactions, _INIT_S, self._stopping)
        except KafkaException as error:
            raise broker_error(error, f"transactional id {self._transactional_id}") from error

    def close(
        self,
        outputs: Sequence[Output],
        ends: Mapping[Place, int],
        consumer: Consumer,
        notes: Mapping[Place, str] = _NO_NOTES,
    ) -> None:
        """Commit the outputs and the offsets together.

        Raises:
            BatchUndoneError: the transaction was aborted, e.g. the partitions have gone to another worker.
            OutputRefusedError: an output is too large.
            BrokerError: the state is unknown.
        """
        producer = self._live
        if producer is None:
            raise BrokerError("the transaction's producer is not open", help="call `open` first")
        offsets = [TopicPartition(*place, end, notes.get(place, "")) for place, end in ends.items()]
        try:
            producer.begin_transaction()
            self._queue(producer, outputs)
            if offsets:
                group = consumer.consumer_group_metadata()
                _persist(lambda s: producer.send_offsets_to_transaction(offsets, group, s), _CALL_S)
            _persist(producer.commit_transaction, _CALL_S)
        except (BatchUndoneError, OutputRefusedError):
            self._abort(producer)
            raise
        except KafkaException as error:
            if not kafka_error(error).txn_requires_abort():
                raise broker_error(error, "transaction") from error
            self._abort(producer)
            refused = self._refused
            if refused is not None and refused.code() == KafkaError.MSG_SIZE_TOO_LARGE:
                raise OutputRefusedError("the broker finds an output too large") from error
            for cause in (kafka_error(error), refused):
                if cause is not None and cause.code() in FORBIDDEN:  # nothing was written, and nothing would be
                    raise broker_error(cause, "transaction") from error
            raise BatchUndoneError(broker_error(error).what, where="transaction") from error
        metrics.TRANSACTIONS.labels(self._worker).inc()

    def _abort(self, producer: Producer) -> None:
        try:
            _persist(producer.abort_transaction, _CALL_S)
        except KafkaException as error:
            raise broker_error(error, "aborting a transaction") from error

    def end(self) -> None:
        """Close the producer; nothing is open between batches."""
        self._live = None


class Checkpoint(_Writer):
    """Outputs flushed, then offsets committed: at least once; who reads drops repeats by source offset."""

    def __init__(self, settings: KafkaSettings, plan: Plan, stopping: Callable[[], bool] = lambda: False) -> None:
        super().__init__(settings, plan, stopping)
        self._live: Producer | None = None

    def open(self) -> None:
        """Get a producer id, which takes up to a second: there is nothing that a predecessor could have left open."""
        self._live = self._producer({})

    def close(
        self,
        outputs: Sequence[Output],
        ends: Mapping[Place, int],
        consumer: Consumer,
        notes: Mapping[Place, str] = _NO_NOTES,
    ) -> None:
        """Flush the outputs, then commit the offsets.

        Raises:
            BatchUndoneError: an output was not acknowledged, or the partitions have gone to another worker.
            OutputRefusedError: an output is too large.
            BrokerError: the state is unknown.
        """
        if self._live is None:
            raise BrokerError("the checkpoint's producer is not open", help="call `open` first")
        if outputs:
            self._flush(self._live, outputs)
        if ends:
            self._commit([TopicPartition(*place, end, notes.get(place, "")) for place, end in ends.items()], consumer)

    def _flush(self, producer: Producer, outputs: Sequence[Output]) -> None:
        try:
            self._queue(producer, outputs)
            while producer.flush(_CALL_S):
                if self._stopping():
                    raise BatchUndoneError("the worker stops while the broker does not acknowledge its outputs")
        except KafkaException as error:
            raise broker_error(error, "writing outputs") from error
        if self._refused is not None:
            if self._refused.code() == KafkaError.MSG_SIZE_TOO_LARGE:
                raise OutputRefusedError("the broker finds an output too large")
            if self._refused.code() in FORBIDDEN:
                raise broker_error(self._refused, "writing outputs")
            raise BatchUndoneError(broker_error(self._refused).what, where="writing outputs")

    def _commit(self, offsets: list[TopicPartition], consumer: Consumer) -> None:
        try:
            _persist(lambda _s: consumer.commit(offsets=offsets, asynchronous=False), _CALL_S)
        except KafkaException as error:
            if kafka_error(error).code() in _COMMIT_LOST:
                raise BatchUndoneError(broker_error(error).what, where="committing offsets") from error
            raise broker_error(error, "committing offsets") from error

    def end(self) -> None:
        """Close the producer; everything has been flushed."""
        self._live = None


def closing_for(settings: KafkaSettings, plan: Plan, stopping: Callable[[], bool]) -> Closing:
    """Give the plan's closing; on the embedded broker, which has no transactions, the checkpoint."""
    if plan.closing != "checkpoint" and not settings.embedded:
        return Transactional(settings, plan, stopping)
    return Checkpoint(settings, plan, stopping)


def _persist(call: Callable[[float], object], timeout_s: float, stopping: Callable[[], bool] = lambda: False) -> None:
    """Call until it succeeds or fails for good: what librdkafka calls retriable goes on where it stopped."""
    while True:
        began_s = time.monotonic()
        try:
            call(timeout_s)
        except KafkaException as error:
            cause = kafka_error(error)
            if cause.fatal() or cause.txn_requires_abort() or not passes(error) or stopping():
                raise
            if time.monotonic() - began_s < _FULL_QUEUE_POLL_S:
                _PAUSE.wait(_FULL_QUEUE_POLL_S)
        else:
            return
