"""A worker process between a filled topic and a committed offset: what the checker's benchmark measures."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from confluent_kafka import Producer

from flowtrack.adapters.kafka.lag import GroupOffsets, LogOffsets
from flowtrack.adapters.kafka.settings import KafkaSettings
from flowtrack.sample.day import SampleDay
from flowtrack.tracking.records import Topic
from flowtrack.wire.partition import partition_of

_POLL_S = 0.02
_READY_S = 60.0
_DONE_S = 300.0


@dataclass(frozen=True, slots=True)
class Round:
    """One run of a worker over a number of events."""

    events: int
    wall_s: float
    cpu_s: float
    peak_bytes: int

    @property
    def per_cpu_second(self) -> float:
        """Events per second of processor time."""
        return self.events / self.cpu_s

    @property
    def per_second(self) -> float:
        """Events per second of wall time."""
        return self.events / self.wall_s


def environment(settings: KafkaSettings, ready_file: Path) -> dict[str, str]:
    """The environment of a worker for the broker of the settings."""
    return {
        **os.environ,
        "FLOWTRACK_KAFKA__BOOTSTRAP_SERVERS": settings.bootstrap_servers,
        "FLOWTRACK_KAFKA__EMBEDDED": str(settings.embedded).lower(),
        "FLOWTRACK_KAFKA__PARTITIONS": str(settings.partitions),
        "FLOWTRACK_READY_FILE": str(ready_file),
    }


class Filler:
    """Writes a sample day to its topics, as fast as the broker takes it."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._producer = Producer(
            {**settings.librdkafka(), "linger.ms": 20, "compression.type": "lz4", "queue.buffering.max.messages": 10**6}
        )

    def consents(self, day: SampleDay) -> None:
        """Write the day's consent records."""
        for item in day.consents():
            self._produce(Topic.CONSENTS, item.subject, item.key, item.value)
        self._producer.flush(60)

    def events(self, day: SampleDay) -> int:
        """Write the day's events; gives how many."""
        count = 0
        for item in day.events():
            self._produce(Topic.EVENTS, item.subject, item.subject, item.value)
            count += 1
        self._producer.flush(60)
        return count

    def _produce(self, topic: str, subject: str, key: str, value: bytes) -> None:
        partition = partition_of(subject, self._settings.partitions)
        while True:
            try:
                self._producer.produce(topic, value, key, partition)
            except BufferError:
                self._producer.poll(0.1)
            else:
                return


def committed_total(group: GroupOffsets, places: list[tuple[str, int]]) -> int:
    """How many records of the places the group has committed."""
    return sum(group.committed(places).values())


def measure(command: list[str], settings: KafkaSettings, group: str, folder: Path) -> Round:
    """Start a worker, wait until it has committed all that is in the events topic now, end it, and give its costs.

    The clock starts when the worker is ready, so that imports and rules are not counted.

    Raises:
        RuntimeError: the worker ended, or was not done in time.
    """
    log = LogOffsets(settings)
    places = [(str(Topic.EVENTS), partition) for partition in range(settings.partitions)]
    with GroupOffsets(settings, group) as offsets:
        before = committed_total(offsets, places)
        ends = sum(log.ends(places).values())
        ready = folder / "ready"
        ready.unlink(missing_ok=True)
        with (folder / "worker.log").open("ab") as output:
            child = subprocess.Popen(command, env=environment(settings, ready), stdout=output, stderr=output)
        try:
            process = psutil.Process(child.pid)
            _wait(ready.exists, child, _READY_S)
            begun, cpu_begun = time.monotonic(), _cpu_s(process)
            _wait(lambda: committed_total(offsets, places) >= ends, child, _DONE_S)
            wall_s, cpu_s = time.monotonic() - begun, _cpu_s(process) - cpu_begun
            peak = int(Path(f"/proc/{child.pid}/status").read_text().split("VmHWM:")[1].split()[0]) * 1024
        finally:
            child.terminate()
            child.wait(60)
    return Round(ends - before, wall_s, cpu_s, peak)


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _wait(done: Callable[[], bool], child: subprocess.Popen[bytes], within_s: float) -> None:
    deadline = time.monotonic() + within_s
    pause = threading.Event()
    while not done():
        if child.poll() is not None:
            raise RuntimeError(f"the worker ended with {child.returncode}, see its log")
        if time.monotonic() > deadline:
            raise RuntimeError(f"the worker was not done within {within_s:g} s, see its log")
        pause.wait(_POLL_S)


@contextmanager
def swallowing(settings: KafkaSettings, readers: Mapping[str, str]) -> Iterator[None]:
    """Stand in for readers of output topics: commit whatever there is, so that nobody waits for them.

    Args:
        settings: where Kafka is.
        readers: topic to consumer group.
    """
    from confluent_kafka import Consumer, TopicPartition

    log = LogOffsets(settings)
    stop = threading.Event()
    consumers = {topic: Consumer(settings.consumer(group)) for topic, group in readers.items()}

    def swallow() -> None:
        while not stop.wait(0.05):
            for topic, consumer in consumers.items():
                ends = log.ends([(topic, partition) for partition in range(settings.partitions)])
                consumer.commit(
                    offsets=[TopicPartition(topic, at[1], end) for at, end in ends.items()], asynchronous=False
                )

    thread = threading.Thread(target=swallow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        for consumer in consumers.values():
            consumer.close()


def python(*arguments: str) -> list[str]:
    """A command that runs this interpreter."""
    return [sys.executable, *arguments]
