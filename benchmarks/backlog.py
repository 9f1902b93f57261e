"""The resident memory of one checker over a long backlog, on a real Kafka: back-pressure instead of growth.

So many events (`--events`) are published first, then one checker works them off.  They are those of one sample day,
published again and again, so that the state of subjects does not grow: what grows would be a queue or a leak.  The
worker's resident memory is sampled against what it has committed.

Goal: flat.  Told are the memory after a tenth, a half and all of the backlog, its peak, and the slope from the first
tenth on (least squares); that of ten million events would be ten times the slope of one million.

Left out: publishing, the broker's memory.  Without a real Kafka (tests/rig/kafka.py says how to have one) there is
nothing to measure, and it says so.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple

import psutil

from benchmarks.checker import day_of, rules_of
from benchmarks.rig.kafka_rounds import Filler, committed_total, python, running
from benchmarks.rig.telling import Figure, options_of, tell
from flowtrack.adapters.kafka.lag import GroupOffsets, LogOffsets
from flowtrack.adapters.kafka.settings import KafkaSettings
from flowtrack.adapters.kafka.topics import create_topics
from flowtrack.apps.documents import publish
from flowtrack.apps.groups import CHECKER_GROUP
from flowtrack.tracking.records import Topic
from tests.rig.kafka import NoKafkaError, real_kafka

_DAY = 200_000  # events that differ
_SUBJECTS = 20_000
_SAMPLE_S = 0.1
_RATE_MIN = 1_000  # slower is not working
_MARKS = (0.1, 0.5, 1.0)


class Sample(NamedTuple):
    """What a worker holds once it has committed so many events."""

    events: int
    resident_bytes: int


def filled(settings: KafkaSettings, count: int) -> int:
    """Publish rules, consents, and at least so many events; gives how many events."""
    create_topics(settings)
    day = day_of(min(count, _DAY), seed=1, subjects=min(count, _SUBJECTS))
    publish(settings, [rule.output() for rule in rules_of(day)])
    filler, events, published = Filler(settings), list(day.events()), 0
    filler.consents(day)
    while published < count:
        published += filler.write(Topic.EVENTS, events[: count - published])
    return published


def samples(settings: KafkaSettings, folder: Path, count: int) -> tuple[list[Sample], float]:
    """Work a backlog off; gives the worker's memory on the way, and how long it took in seconds.

    Raises:
        RuntimeError: it was not done in time.
    """
    places = [(str(Topic.EVENTS), partition) for partition in range(settings.partitions)]
    found: list[Sample] = []
    pause = threading.Event()
    with (
        GroupOffsets(settings, CHECKER_GROUP) as offsets,
        running(python("-m", "flowtrack", "worker", "checker"), settings, folder) as (process, _),
    ):
        end = sum(LogOffsets(settings).ends(places).values())
        begun_s = time.monotonic()
        while not found or found[-1].events < end:
            if time.monotonic() - begun_s > 60 + count / _RATE_MIN or process.poll() is not None:
                raise RuntimeError(f"the worker was not done: {found[-1:]}")
            found.append(Sample(committed_total(offsets, places), process.memory_info().rss))
            pause.wait(_SAMPLE_S)
        return found, time.monotonic() - begun_s


def figures_of(found: list[Sample], took_s: float) -> list[Figure]:
    """The memory at some marks, its peak, and its slope."""
    end = found[-1].events
    figures = [Figure("events of backlog", "events", (float(end),)), Figure("worked off in", "s", (took_s,))]
    for mark in _MARKS:
        at = next(each for each in found if each.events >= mark * end)
        figures.append(Figure(f"resident memory after {mark:.0%}", "MiB", (at.resident_bytes / 2**20,)))
    figures.append(Figure("resident memory at its peak", "MiB", (max(s.resident_bytes for s in found) / 2**20,)))
    figures.append(Figure("slope from the first tenth on", "MiB/million", (slope(found, _MARKS[0] * end),), "0"))
    return figures


def slope(found: list[Sample], begin: float) -> float:
    """How much the memory grows over a million events, in MiB, by least squares from `begin` events on."""
    counted = [each for each in found if each.events >= begin]
    xs = [each.events / 1e6 for each in counted]
    ys = [each.resident_bytes / 2**20 for each in counted]
    x_mean, y_mean = sum(xs) / len(xs), sum(ys) / len(ys)
    spread = sum((x - x_mean) ** 2 for x in xs)
    return sum((x - x_mean) * (y - y_mean) for x, y in zip(xs, ys, strict=True)) / spread if spread else 0.0


def main() -> None:
    """Measure, and tell."""
    parser = options_of(__doc__)
    parser.add_argument("--events", type=int, default=2_000_000, help="events of backlog (default 2,000,000)")
    options = parser.parse_args()
    count = 5_000 if options.tiny else options.events
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="flowtrack-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        try:
            with real_kafka(folder) as address:
                settings = KafkaSettings(bootstrap_servers=address, partitions=8, replication_factor=1)
                figures = figures_of(*samples(settings, folder, filled(settings, count)))
        except NoKafkaError as error:
            sys.stdout.write(f"left out, the real Kafka: {error}\n")
    tell(f"Backlog, {psutil.cpu_count()} cores", figures, options.json)


if __name__ == "__main__":
    main()
