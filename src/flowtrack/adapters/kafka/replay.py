"""Bounded reads of a log: to load state, to reconcile, to read a control topic whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import stamina
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from flowtrack.adapters.kafka.faults import broker_error
from flowtrack.adapters.kafka.lag import LogOffsets, Place
from flowtrack.adapters.kafka.settings import KafkaSettings
from flowtrack.errors import BrokerError
from flowtrack.tracking.records import Record

_GROUP = "flowtrack-replay"  # never joined, nothing committed: librdkafka wants a name
_BATCH_RECORDS = 5_000
_POLL_S = 0.02  # a full batch is not waited for: the end may be near
_SILENCE_S = 30.0  # a broker that delivers nothing for so long before the end is reached is not just slow
OPEN_MAX_S = 30.0
"""How long a dead worker's transaction may stay open: it times out after 10 s, and the broker looks every 10 s."""


class _OpenTransactionError(BrokerError):
    """Not everything that is committed can be read yet."""


def record_of(message: Message[Any, Any], topic: str, partition: int, offset: int) -> Record:
    """Take a record out of a message of librdkafka, whose place the caller has looked up.

    Made by `tuple.__new__`, which `Record(...)` calls too, but in Python: that would double the cost of this function,
    which is called for every record there is.
    """
    headers = message.headers()
    return tuple.__new__(
        Record,
        (
            topic,
            partition,
            offset,
            message.timestamp()[1],
            message.key(),
            message.value(),
            () if headers is None else tuple(headers),
        ),
    )


def read_partition(settings: KafkaSettings, topic: str, partition: int, start: int, end: int) -> Iterator[Record]:
    """Read the committed records of [start, end) of one partition, in order.

    Offsets that compaction or transaction markers took are skipped; `start` below the log's beginning begins there.

    Raises:
        BrokerError: the broker delivers nothing for 30 s before `end`, or refuses.
    """
    if start >= end:
        return
    consumer = Consumer(
        {
            **settings.consumer(_GROUP),
            "auto.offset.reset": "earliest",
            "enable.partition.eof": True,
        }
    )
    try:
        consumer.assign([TopicPartition(topic, partition, start)])
        silent_s = 0.0
        while True:
            messages = consumer.consume(_BATCH_RECORDS, _POLL_S)
            for message in messages:
                at_end = _is_end(message, f"{topic}/{partition}")
                offset = message.offset() or 0
                if not at_end and offset < end:
                    yield record_of(message, topic, partition, offset)
                    offset += 1
                if offset >= end:
                    return
            silent_s = 0.0 if messages else silent_s + _POLL_S
            if silent_s >= _SILENCE_S:
                raise BrokerError(
                    f"no record for {_SILENCE_S:g} s before offset {end}",
                    where=f"{topic}/{partition}",
                    help="check that the broker runs",
                )
    except KafkaException as error:
        raise broker_error(error, f"{topic}/{partition}") from error
    finally:
        consumer.close()


def _is_end(message: Message[Any, Any], where: str) -> bool:
    """Tell the note that a log's end is reached, which carries the offset, from a record."""
    error = message.error()
    if error is None:
        return False
    if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's local codes are named so
        return True
    raise broker_error(error, where)


def read_topic(settings: KafkaSettings, topic: str) -> Iterator[Record]:
    """Read a topic whole, partition by partition, up to where each ends now.

    What lies behind the beginning of an open transaction is not read, even if it is committed: see `read_settled`.

    Raises:
        BrokerError: the topic does not exist, or the broker stops answering.
    """
    log = LogOffsets(settings)
    places = _places(log, topic)
    yield from _read(settings, log.starts(places), log.ends(places))


def read_settled(
    settings: KafkaSettings, topic: str, waiting: Callable[[str], object], within_s: float = OPEN_MAX_S
) -> Iterator[Record]:
    """Read a topic whole, once every transaction that is open in it now has ended: nothing committed is missing.

    Args:
        settings: where Kafka is.
        topic: what to read.
        waiting: is told what is waited for, and the empty string when nothing is any more.
        within_s: for how long.

    Raises:
        BrokerError: the topic does not exist, a transaction stays open, or the broker stops answering.
    """
    log = LogOffsets(settings)
    places = _places(log, topic)
    written = log.written_ends(places)

    @stamina.retry(on=_OpenTransactionError, timeout=within_s, attempts=None, wait_initial=0.05, wait_max=0.5)
    def settled() -> None:
        behind = [at for at, end in log.ends(places).items() if end < written[at]]
        if behind:
            waiting(f"waiting for an open transaction in {behind[0][0]}/{behind[0][1]} to end")
            raise _OpenTransactionError(
                f"a transaction has been open for {within_s:g} s: what others committed behind it cannot be seen",
                where=f"{behind[0][0]}/{behind[0][1]}",
                help="end who holds it: `kafka-transactions.sh find-hanging` names it, `abort` ends it",
            )

    settled()
    waiting("")
    yield from _read(settings, log.starts(places), written)


def _places(log: LogOffsets, topic: str) -> list[Place]:
    return [(topic, partition) for partition in log.partitions(topic)]


def _read(settings: KafkaSettings, starts: Mapping[Place, int], ends: Mapping[Place, int]) -> Iterator[Record]:
    for place, end in ends.items():
        yield from read_partition(settings, *place, starts[place], end)
