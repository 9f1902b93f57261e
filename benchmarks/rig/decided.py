"""Decisions to feed a sink with: what a checker says of a sample day, made in memory and published as it stands."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import NamedTuple

from confluent_kafka import Producer

from benchmarks.checker import day_of
from benchmarks.judging import batches, checker_of, records_of
from flowtrack.adapters.kafka.settings import KafkaSettings
from flowtrack.tracking.records import Output, Topic

_SITUATION = b'"situation":"'
DECISION = b'{"type":"decision",'
_FLUSH_S = 60.0


class Decided(NamedTuple):
    """What stands on decisions/p after a day.

    Args:
        outputs: decisions, and what travels with them, in order.
        rows: of the ledger that they make.
        decisions: how many of them are decisions.
    """

    outputs: list[Output]
    rows: int
    decisions: int

    @property
    def rows_each(self) -> float:
        """Rows a record."""
        return self.rows / len(self.outputs)


def decided(events: int, subjects: int) -> Decided:
    """Judge a day; its consents are known before, and their copies are left out."""
    day = day_of(events, seed=1, subjects=subjects)
    checker, now_ms = checker_of(day), time.time_ns() // 1_000_000
    for batch in batches(records_of(Topic.CONSENTS, list(day.consents()), now_ms)):
        checker.process(batch)
        checker.committed()
    found: list[Output] = []
    for batch in batches(records_of(Topic.EVENTS, list(day.events()), now_ms)):
        found += (output for output in checker.process(batch) if output.topic == Topic.DECISIONS)
        checker.committed()
    decisions = [output.value for output in found if (output.value or b"").startswith(DECISION)]
    rows = sum(max(1, (value or b"").count(_SITUATION)) for value in decisions)
    return Decided(found, rows, len(decisions))


def fill(settings: KafkaSettings, outputs: Iterable[Output]) -> None:
    """Publish records as fast as the broker takes them.

    Raises:
        RuntimeError: it does not take them.
    """
    producer = Producer(
        {**settings.librdkafka(), "linger.ms": 20, "compression.type": "lz4", "queue.buffering.max.messages": 10**6}
    )
    for output in outputs:
        while True:
            try:
                producer.produce(output.topic, output.value, output.key, output.partition)
            except BufferError:
                producer.poll(0.1)
            else:
                break
    if producer.flush(_FLUSH_S):
        raise RuntimeError("the topic is not filled within a minute")


def in_time(outputs: Sequence[Output]) -> Iterator[Output]:
    """Decisions with their partitions mixed, as they come when workers keep up: they were made one after the other."""
    by_partition: dict[int, list[Output]] = {}
    for output in outputs:
        by_partition.setdefault(output.partition, []).append(output)
    for abreast in zip_longest(*by_partition.values()):
        yield from (output for output in abreast if output is not None)
