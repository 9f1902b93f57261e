"""What the checker costs an event without Kafka: read, judged, answered, from memory, most subjects not seen of late.

The sample day with the whole default pack and 200,000 subjects, in batches of 8,000 records, the collector's thresholds
as in the worker.  The consent records are applied first, then the day's events, in which shapes, situations and
standings are met for the first time; then those of a next day that is like it: the same data by the same subjects, at
other times, under other numbers.  That is what a worker does all day.  Hundreds of thousands of events lie between two
of a subject.

Goal: at most 8 us of processor time an event.  Left out: reading, writing and committing (`benchmarks.checker` has
them).
"""

from __future__ import annotations

import argparse
import gc
import re
import time
from collections.abc import Iterator
from datetime import date, timedelta

from benchmarks.checker import day_of
from benchmarks.rig.telling import Figure, options_of, tell
from flowtrack.apps.checker import COLLECTOR
from flowtrack.policy.pack import default_pack
from flowtrack.sample.day import SampleDay
from flowtrack.sample.diary import Item
from flowtrack.tracking.check import Checker
from flowtrack.tracking.records import Record, Topic
from flowtrack.tracking.rulebook import Rulebook
from flowtrack.wire.partition import partition_of

_PARTITIONS = 8
_BATCH = 8_000
_DAY_MS = 86_400_000
_WARM = "event of the next day"
_TIME = re.compile(rb'"time":"(\d{4}-\d\d-\d\d)')


def records_of(topic: Topic, items: list[Item], now_ms: int) -> list[Record]:
    """Items as the records of a topic, in the order in which a worker with a backlog fetches them."""
    next_offsets = [0] * _PARTITIONS
    records = []
    for item in items:
        partition = partition_of(item.subject, _PARTITIONS)
        key = item.key if item.consent else item.subject
        records.append(Record(topic, partition, next_offsets[partition], now_ms, key.encode(), item.value))
        next_offsets[partition] += 1
    return [each for batch in batches(records) for each in sorted(batch, key=lambda record: record.partition)]


def next_day(records: list[Record]) -> list[Record]:
    """The events a day later, by producers that have begun to count anew."""

    def later(found: re.Match[bytes]) -> bytes:
        return b'"time":"%b' % (date.fromisoformat(found[1].decode()) + timedelta(days=1)).isoformat().encode()

    return [
        record._replace(
            offset=record.offset + len(records),
            timestamp_ms=record.timestamp_ms + _DAY_MS,
            value=_TIME.sub(later, (record.value or b"").replace(b'"sequence":"1.', b'"sequence":"2.')),
        )
        for record in records
    ]


def batches(records: list[Record]) -> Iterator[list[Record]]:
    """Records as a worker takes them."""
    for begin in range(0, len(records), _BATCH):
        yield records[begin : begin + _BATCH]


def passed_us(checker: Checker, records: list[Record]) -> float:
    """Processor time of a pass over records, in microseconds a record."""
    begun = time.process_time()
    for batch in batches(records):
        checker.process(batch)
        checker.committed()
    return (time.process_time() - begun) / len(records) * 1e6


def checker_of(day: SampleDay) -> Checker:
    """A checker that owns every partition and has judged nothing."""
    checker = Checker(Rulebook([default_pack()], [day.registry]), _PARTITIONS, lambda _partition: False)
    for partition in range(_PARTITIONS):
        checker.assigned(partition, ())
    return checker


def options_given() -> argparse.Namespace:
    """Read the command line."""
    parser = options_of(__doc__)
    parser.add_argument("--events", type=int, default=200_000, help="events of a day (default 200,000)")
    parser.add_argument("--subjects", type=int, default=200_000, help="subjects with consent records (default 200,000)")
    options = parser.parse_args()
    if options.tiny:
        options.events, options.subjects, options.rounds = 1_000, 200, 1
    return options


def main() -> None:
    """Measure, and tell."""
    options = options_given()
    gc.set_threshold(*COLLECTOR)
    day = day_of(options.events, seed=1, subjects=options.subjects)
    now_ms = time.time_ns() // 1_000_000
    consents = records_of(Topic.CONSENTS, list(day.consents()), now_ms)
    events = records_of(Topic.EVENTS, list(day.events()), now_ms)
    values: dict[str, list[float]] = {"consent record applied": [], "event of the first day": [], _WARM: []}
    for _ in range(options.rounds):
        checker = checker_of(day)
        for name, records in zip(values, (consents, events, next_day(events)), strict=True):
            values[name].append(passed_us(checker, records))
    goals = {_WARM: "<= 8"}
    figures = [Figure(name, "us", tuple(found), goals.get(name, "")) for name, found in values.items()]
    tell(f"Judging from memory, {options.events:,} events of {options.subjects:,} subjects", figures, options.json)


if __name__ == "__main__":
    main()
