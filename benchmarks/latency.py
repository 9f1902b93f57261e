"""From publishing an event to its decision in the hands of a reader of committed records, on a real Kafka.

One checker process with the whole default pack; events of the sample day are published at 1,000, 5,000 and 20,000 a
second, ten seconds each, evenly.  An event's clock starts at the instant at which the schedule wants it published, so
that a publisher or a broker that falls behind is counted and not forgiven; it stops when a consumer with
isolation.level=read_committed has the decision.  The first two seconds of each rate warm it up and are not counted.

Goal: p99 below 150 ms at 5,000 events a second (TARGETS.md).  Publisher, broker, checker and reader share the machine:
where it is full, the highest rate shows a queue that grows, and the line `still on their way` says so.

Left out: the SDK's own call, and writing to the ledger.  Without a real
Kafka (tests/rig/kafka.py says how to have one) there is nothing to measure, and it says so.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import msgspec
from confluent_kafka import Consumer, Producer, TopicPartition

from benchmarks.checker import day_of, rules_of
from benchmarks.rig.kafka_rounds import Filler, python, running
from benchmarks.rig.telling import Figure, options_of, tell
from flowtrack.adapters.kafka.lag import LogOffsets
from flowtrack.adapters.kafka.settings import KafkaSettings
from flowtrack.adapters.kafka.topics import create_topics
from flowtrack.apps.documents import publish
from flowtrack.sample.diary import Item
from flowtrack.tracking.records import Topic
from flowtrack.wire.partition import partition_of
from tests.rig.kafka import NoKafkaError, real_kafka

_FIRST = 500
_RATES = (1_000, 5_000, 20_000)
_SECONDS = 10.0
_WARM_S = 2.0
_TICK_S = 0.002
_LINGER_MS = 2
_REST_S = 20.0  # for what is still on its way when the last event has been published
_GOALS = {5_000: "< 150"}


_DECISION = b'{"type":"decision",'  # as decisions begin; consent copies and situations travel beside them


class _Decision(msgspec.Struct):
    event_id: str


class Reader:
    """Reads committed decisions in a thread, and notes when each arrived; takes them apart afterwards."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._consumer = Consumer({**settings.consumer("bench-reader"), "fetch.min.bytes": 1})
        places = [(str(Topic.DECISIONS), partition) for partition in range(settings.partitions)]
        ends = LogOffsets(settings).ends(places)
        self._consumer.assign([TopicPartition(*place, ends[place]) for place in places])
        self._stop = threading.Event()
        self._arrived: list[tuple[float, bytes]] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def count(self) -> int:
        """How many decisions have arrived."""
        return len(self._arrived)

    def _run(self) -> None:
        while not self._stop.is_set():
            record = self._consumer.poll(0.1)
            value = None if record is None or record.error() else record.value()
            if value is not None and value.startswith(_DECISION):
                self._arrived.append((time.monotonic(), value))

    def end(self) -> dict[str, float]:
        """Stop, and give when the decision on each event first arrived, by event id."""
        self._stop.set()
        self._thread.join()
        self._consumer.close()
        decode = msgspec.json.Decoder(_Decision).decode
        found: dict[str, float] = {}
        for at_s, value in self._arrived:
            found.setdefault(decode(value).event_id, at_s)
        return found


def emit(settings: KafkaSettings, items: Sequence[Item], rate: int) -> dict[str, float]:
    """Publish items evenly at a rate, and give when each was due, by event id."""
    producer = Producer({**settings.librdkafka(), "linger.ms": _LINGER_MS, "compression.type": "lz4"})
    due: dict[str, float] = {}
    pause = threading.Event()
    begun = time.monotonic()
    sent = 0
    while sent < len(items):
        upto = min(len(items), int((time.monotonic() - begun) * rate) + 1)
        for item in items[sent:upto]:
            due[item.event_id] = begun + sent / rate
            partition = partition_of(item.subject, settings.partitions)
            producer.produce(Topic.EVENTS, item.value, item.subject, partition)
            sent += 1
        producer.poll(0)
        pause.wait(_TICK_S)
    producer.flush(_REST_S)
    return due


def latencies(settings: KafkaSettings, items: Sequence[Item], rate: int, warm_s: float) -> tuple[list[float], int]:
    """Publish at a rate, and give each event's latency in milliseconds, and how many have not come back in time."""
    reader = Reader(settings)
    due = emit(settings, items, rate)
    deadline_s = time.monotonic() + _REST_S
    pause = threading.Event()
    while reader.count < len(due) and time.monotonic() < deadline_s:
        pause.wait(0.05)
    arrived = reader.end()
    begun = min(due.values())
    counted = {event: at_s for event, at_s in due.items() if at_s - begun >= warm_s}
    found = [(arrived[event] - at_s) * 1e3 for event, at_s in counted.items() if event in arrived]
    return found, len(counted) - len(found)


def slices(items: list[Item], counts: Sequence[int]) -> list[list[Item]]:
    """So many events each, none of them in two: decisions are told apart by event id."""
    once = iter({item.event_id: item for item in items}.values())
    return [list(islice(once, count)) for count in counts]


def real(folder: Path, rates: Sequence[int], seconds: float, warm_s: float) -> list[Figure]:
    """Each rate in turn through one checker."""
    figures = []
    with real_kafka(folder) as address:
        settings = KafkaSettings(bootstrap_servers=address, partitions=8, replication_factor=1)
        create_topics(settings)
        day = day_of(max(1_500, int(sum(rates) * seconds * 1.05) + _FIRST), seed=1)
        publish(settings, [rule.output() for rule in rules_of(day)])
        Filler(settings).consents(day)
        first, *parts = slices(list(day.events()), (_FIRST, *(int(rate * seconds) for rate in rates)))
        with running(python("-m", "flowtrack", "worker", "checker"), settings, folder):
            latencies(settings, first, _FIRST, 0.0)  # consents, and most situations, are met here
            for rate, items in zip(rates, parts, strict=True):
                figures += _figures(rate, *latencies(settings, items, rate, warm_s))
    return figures


def _figures(rate: int, found: list[float], missing: int) -> list[Figure]:
    name = f"{rate:,} events/s"
    cuts = statistics.quantiles(found, n=100) if len(found) > 1 else [0.0] * 99
    return [
        Figure(f"{name}: publish to readable, p50", "ms", (cuts[49],)),
        Figure(f"{name}: publish to readable, p95", "ms", (cuts[94],)),
        Figure(f"{name}: publish to readable, p99", "ms", (cuts[98],), _GOALS.get(rate, "")),
        Figure(f"{name}: most", "ms", (max(found, default=0.0),)),
        Figure(f"{name}: still on their way {_REST_S:g} s later", "events", (float(missing),)),
    ]


def main() -> None:
    """Measure, and tell."""
    options = options_of(__doc__).parse_args()
    rates, seconds, warm_s = ((200,), 1.0, 0.0) if options.tiny else (_RATES, _SECONDS, _WARM_S)
    figures: dict[str, Figure] = {}
    with tempfile.TemporaryDirectory(prefix="flowtrack-bench-", ignore_cleanup_errors=True) as name:
        try:
            for number in range(1 if options.tiny else options.rounds):
                folder = Path(name) / str(number)
                folder.mkdir()
                for each in real(folder, rates, seconds, warm_s):
                    before = figures.get(each.name)
                    values = each.values if before is None else (*before.values, *each.values)
                    figures[each.name] = Figure(each.name, each.unit, values, each.goal)
        except NoKafkaError as error:
            sys.stdout.write(f"left out, the real Kafka: {error}\n")
    tell("Latency", list(figures.values()), options.json)


if __name__ == "__main__":
    main()
