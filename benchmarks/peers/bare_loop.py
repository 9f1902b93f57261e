"""The bare loop of librdkafka: consume, decode, one output of a decision's size, commit; the ceiling for Python.

Usage: `python -m benchmarks.peers.bare_loop GROUP [--transactions]`.  Neither judges nor looks anything up.  At least
once, or with a transaction for each batch of at most 8,000, as the checker does it.
"""

from __future__ import annotations

import os
import signal
import sys

from confluent_kafka import Consumer, Producer, TopicPartition

from benchmarks.peers.answer import announce, answering

_BATCH = 8_000
_CALL_S = 30.0


def _consumer(servers: str, group: str) -> Consumer:
    return Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": group,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "fetch.wait.max.ms": 20,
        }
    )


def _producer(servers: str, transactional_id: str) -> Producer:
    config: dict[str, str | int | float | bool] = {
        "bootstrap.servers": servers,
        "linger.ms": 5,
        "compression.type": "lz4",
        "queue.buffering.max.messages": 1_000_000,
    }
    if transactional_id:
        config["transactional.id"] = transactional_id
    return Producer(config)


def main(group: str, *, transactions: bool) -> None:
    """Run until SIGTERM."""
    servers = os.environ["FLOWTRACK_KAFKA__BOOTSTRAP_SERVERS"]
    consumer, producer = _consumer(servers, group), _producer(servers, group if transactions else "")
    if transactions:
        producer.init_transactions(_CALL_S)
    answer = answering()
    consumer.subscribe(["flowtrack.events"])
    stopping: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stopping.append(number))
    announce()
    while not stopping:
        records = consumer.consume(_BATCH, 0.05)
        if not records:
            continue
        if transactions:
            producer.begin_transaction()
        ends: dict[int, int] = {}
        for record in records:
            partition, offset, value = record.partition(), record.offset(), record.value()
            if record.error() or partition is None or offset is None or value is None:
                continue
            producer.produce("flowtrack.amendments", answer(value), record.key(), partition)
            ends[partition] = offset + 1
        offsets = [TopicPartition("flowtrack.events", partition, end) for partition, end in ends.items()]
        if transactions:
            producer.send_offsets_to_transaction(offsets, consumer.consumer_group_metadata(), _CALL_S)
            producer.commit_transaction(_CALL_S)
        elif offsets:
            producer.flush(_CALL_S)
            consumer.commit(offsets=offsets, asynchronous=False)
    consumer.close()


if __name__ == "__main__":
    main(sys.argv[1], transactions="--transactions" in sys.argv[2:])
