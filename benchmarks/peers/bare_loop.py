"""The bare loop of librdkafka, as a worker: consume, decode, one output of a decision's size, commit.

Neither judges nor looks anything up: the ceiling of what a Python worker on librdkafka can do.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import msgspec
from confluent_kafka import Consumer, Producer, TopicPartition

_BATCH = 8_000
_DECISION = b"x" * 900  # the size of a decision on two categories


class _Event(msgspec.Struct):
    id: str
    subject: str
    type: str


def main(group: str) -> None:
    """Run until SIGTERM."""
    servers = os.environ["FLOWTRACK_KAFKA__BOOTSTRAP_SERVERS"]
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": group,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "fetch.wait.max.ms": 20,
        }
    )
    producer = Producer(
        {
            "bootstrap.servers": servers,
            "linger.ms": 5,
            "compression.type": "lz4",
            "queue.buffering.max.messages": 1_000_000,
        }
    )
    decode = msgspec.json.Decoder(_Event).decode
    consumer.subscribe(["flowtrack.events"])
    stopping: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stopping.append(number))
    Path(os.environ["FLOWTRACK_READY_FILE"]).write_text("ready", encoding="utf-8")
    while not stopping:
        records = consumer.consume(_BATCH, 0.05)
        ends: dict[int, int] = {}
        for record in records:
            partition, offset, value = record.partition(), record.offset(), record.value()
            if record.error() or partition is None or offset is None or value is None:
                continue
            decode(value)
            producer.produce("flowtrack.amendments", _DECISION, record.key(), partition)
            ends[partition] = offset + 1
        if ends:
            producer.flush(30)
            consumer.commit(
                offsets=[TopicPartition("flowtrack.events", p, end) for p, end in ends.items()], asynchronous=False
            )
    consumer.close()


if __name__ == "__main__":
    main(sys.argv[1])
