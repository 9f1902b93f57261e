"""How a reader fetches: how long a batch fills, and how much is held of a backlog."""

from __future__ import annotations

import json
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition

from flowtrack.adapters.kafka import reader
from flowtrack.adapters.kafka.reader import FETCH, FETCHED_KBYTES_MAX
from flowtrack.tracking.records import Output, Record
from tests.kafka.conftest import PARTITIONS, Copying, Rig, running, until

_RECORD_BYTES = 1_000
_CHUNK = 250


class Slow(Copying):
    """A processor whose batches take a while, by a clock of the test's own."""

    now_s = 0.0

    def process(self, records: Sequence[Record]) -> list[Output]:
        """Copy; meanwhile the clock goes on."""
        Slow.now_s += 0.004
        return super().process(records)


def test_a_batch_fills_while_the_last_one_is_worked(embedded: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a batch's work took is taken off the time that the next one may fill; else all of it is there."""
    waits: list[float] = []

    class Noting:
        """A consumer that notes how long it is to wait."""

        def __init__(self, config: dict[str, Any]) -> None:
            self._consumer = Consumer(config)

        def consume(self, count: int, wait_s: float) -> list[Any]:
            waits.append(round(wait_s, 6))
            return self._consumer.consume(count, wait_s)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._consumer, name)

    monkeypatch.setattr(reader, "Consumer", Noting)
    monkeypatch.setattr(reader, "time", SimpleNamespace(monotonic=lambda: 100.0 + Slow.now_s))
    events, copies = embedded.topic("events"), embedded.topic("copies")
    processor = Slow(copies)
    plan = embedded.plan(events)
    with running(embedded, plan, processor):
        for count in range(1, 4):
            embedded.produce(events, [b"x"], partition=0)
            until(lambda: len(processor.records) == count)  # noqa: B023 - called within the loop's turn
        batches = len(processor.batches)
        seen = len(waits)
        until(lambda: len(waits) > seen + 2)
    assert waits[0] == 0.0, "nothing has been taken yet: what is there is taken at once"
    assert waits.count(round(plan.batch_wait_s - 0.004, 6)) == batches
    assert waits[-1] == plan.batch_wait_s


@pytest.mark.real_kafka
def test_a_backlog_stays_at_the_broker(real: Rig) -> None:
    """A consumer that is asked for little holds no more than its bound and one answer, whatever the log holds."""
    events = real.topic("events")
    bound_bytes = FETCHED_KBYTES_MAX * 1024
    count = 3 * bound_bytes // _RECORD_BYTES
    real.produce(events, [b"x" * _RECORD_BYTES] * count)
    held: list[int] = []

    def note(text: str) -> None:
        partitions = json.loads(text)["topics"].get(events, {"partitions": {}})["partitions"]
        held.append(max((each["fetchq_size"] for each in partitions.values()), default=0))  # one queue for all

    consumer = Consumer(
        {
            **real.settings.consumer(f"{real.name}-held"),
            **FETCH,
            "auto.offset.reset": "earliest",
            "statistics.interval.ms": 50,
            "stats_cb": note,
        }
    )
    consumer.assign([TopicPartition(events, partition, 0) for partition in range(PARTITIONS)])
    taken = 0

    def take_some() -> bool:
        nonlocal taken
        taken += len(consumer.consume(_CHUNK, 0.1))
        return taken == count

    until(take_some)
    consumer.close()
    assert bound_bytes / 4 < max(held) < 1.5 * bound_bytes
