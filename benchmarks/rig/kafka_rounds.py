"""A worker process between a filled topic and a committed offset: what the checker's benchmark measures."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
from confluent_kafka import Producer

from flowtrack.adapters.kafka.lag import GroupOffsets, LogOffsets
from flowtrack.adapters.kafka.settings import KafkaSettings
from flowtrack.sample.day import SampleDay
from flowtrack.sample.diary import Item
from flowtrack.tracking.records import Topic
from flowtrack.wire.partition import partition_of

_ROOT = Path(__file__).parent.parent.parent
_POLL_S = 0.02
_READY_S = 120.0
_DONE_S = 300.0
_END_S = 30.0
_TICK_S = 0.01  # the resolution of a process's times
_REST_SAMPLE_S = 0.5
_RESTS = 6
_REST_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Round:
    """One run of a worker over a number of records."""

    events: int
    wall_s: float
    cpu_s: float
    peak_bytes: int
    ready_s: float = 0.0
    """Wall time from the start of the process until it was ready."""
    life_events: int = 0
    """Events from the first one, those included that were worked before the clock started."""
    life_cpu_s: float = 0.0
    """Processor time of the process from its start."""

    @property
    def per_cpu_second(self) -> float:
        """Events per second of processor time while the clock ran."""
        return self.events / max(self.cpu_s, _TICK_S)

    @property
    def per_cpu_second_of_life(self) -> float:
        """Events per second of processor time from the start of the process."""
        return self.life_events / max(self.life_cpu_s, _TICK_S)

    @property
    def per_second(self) -> float:
        """Events per second of wall time."""
        return self.events / self.wall_s


def environment(settings: KafkaSettings, ready_file: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a worker for the broker of the settings; it may run in any folder."""
    path = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
    return {
        **os.environ,
        "PYTHONPATH": path,
        "FLOWTRACK_KAFKA__BOOTSTRAP_SERVERS": settings.bootstrap_servers,
        "FLOWTRACK_KAFKA__EMBEDDED": str(settings.embedded).lower(),
        "FLOWTRACK_KAFKA__PARTITIONS": str(settings.partitions),
        "FLOWTRACK_READY_FILE": str(ready_file),
        **(extra or {}),
    }


class Filler:
    """Writes a sample day to its topics, as fast as the broker takes it."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._producer = Producer(
            {**settings.librdkafka(), "linger.ms": 20, "compression.type": "lz4", "queue.buffering.max.messages": 10**6}
        )

    def consents(self, day: SampleDay) -> int:
        """Write the day's consent records; gives how many."""
        return self.write(Topic.CONSENTS, day.consents())

    def events(self, day: SampleDay) -> int:
        """Write the day's events; gives how many."""
        return self.write(Topic.EVENTS, day.events())

    def write(self, topic: str, items: Iterable[Item]) -> int:
        """Write items of a day to a topic; gives how many."""
        count = 0
        for item in items:
            self._produce(topic, item.subject, item.key if item.consent else item.subject, item.value)
            count += 1
        if self._producer.flush(60):
            raise RuntimeError(f"{topic} is not filled within 60 s")
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


def measure(  # noqa: PLR0913 - what differs between benchmarks, all by name
    command: list[str],
    settings: KafkaSettings,
    group: str,
    folder: Path,
    *,
    extra: Mapping[str, str] | None = None,
    topic: str = Topic.EVENTS,
    events_max: int | None = None,
    warm_events: int = 0,
    to_rest: bool = False,
) -> Round:
    """Start a worker, wait until it has committed all that is in the topic now, end it, and give its costs.

    The clock never starts before the worker is ready, so that imports and rules are not counted.

    Args:
        command: the worker; it is started in `folder`.
        settings: where Kafka is.
        group: the worker's consumer group.
        folder: where it may leave what it likes.
        extra: more for its environment.
        topic: whose records are counted.
        events_max: measure over so many, where waiting for all would take too long.
        warm_events: once so many are committed, the clock starts: with a commit, so that no half-worked batch is
            counted for nothing.
        to_rest: whether processor time counts on until the worker takes next to none any more: what it put off, such
            as merges, belongs to what it committed.  Wall time ends with the last commit either way.

    Raises:
        RuntimeError: the worker ended, or was not done in time.
    """
    places = [(str(topic), partition) for partition in range(settings.partitions)]
    with GroupOffsets(settings, group) as offsets:
        before = committed_total(offsets, places)
        end = sum(LogOffsets(settings).ends(places).values())
        with running(command, settings, folder, extra) as (process, ready_s):
            start = _Instant.of(process, before)
            wait_for(
                lambda: committed_total(offsets, places) >= min(end, before + warm_events), process, folder, _DONE_S
            )
            begun = _Instant.of(process, committed_total(offsets, places))
            if begun.committed == end:
                begun = start  # all in one commit: there is no later one to start the clock with
            wanted = end if events_max is None else min(end, begun.committed + events_max)
            wait_for(lambda: committed_total(offsets, places) >= wanted, process, folder, _DONE_S)
            done = _Instant.of(process, committed_total(offsets, places))
            if to_rest:
                done = replace(done, cpu_s=_cpu_s_at_rest(process, folder))
            peak = peak_bytes_of(process)
    return Round(
        events=done.committed - begun.committed,
        wall_s=done.wall_s - begun.wall_s,
        cpu_s=done.cpu_s - begun.cpu_s,
        peak_bytes=peak,
        ready_s=ready_s,
        life_events=done.committed - before,
        life_cpu_s=done.cpu_s,
    )


@dataclass(frozen=True, slots=True)
class _Instant:
    """How far a process is, and what it has taken so far."""

    committed: int
    wall_s: float
    cpu_s: float

    @classmethod
    def of(cls, process: psutil.Process, committed: int) -> _Instant:
        return cls(committed, time.monotonic(), cpu_s_of(process))


def _cpu_s_at_rest(process: psutil.Popen, folder: Path) -> float:
    """The processor time of a process once it takes less than a tenth of it, for some seconds."""
    samples = [cpu_s_of(process)]
    pause = threading.Event()

    def rests() -> bool:
        pause.wait(_REST_SAMPLE_S)
        samples.append(cpu_s_of(process))
        return len(samples) > _RESTS and samples[-1] - samples[-1 - _RESTS] < _REST_SAMPLE_S * _RESTS * _REST_SHARE

    wait_for(rests, process, folder, _DONE_S)
    return samples[-1 - _RESTS]


@contextmanager
def running(
    command: list[str], settings: KafkaSettings, folder: Path, extra: Mapping[str, str] | None = None
) -> Iterator[tuple[psutil.Popen, float]]:
    """A worker that is ready, and how long that took; ended after."""
    ready = folder / "ready"
    ready.unlink(missing_ok=True)
    begun = time.monotonic()
    with (folder / "worker.log").open("wb") as output:
        child = psutil.Popen(command, env=environment(settings, ready, extra), cwd=folder, stdout=output, stderr=output)
    try:
        wait_for(ready.exists, child, folder, _READY_S)
        yield child, time.monotonic() - begun
    finally:
        if child.poll() is None:
            child.terminate()
            try:
                child.wait(_END_S)
            except psutil.TimeoutExpired:  # a peer that hangs at its end; its figures are taken
                child.kill()
                child.wait(_END_S)


def peak_bytes_of(process: psutil.Process) -> int:
    """The most memory that a process had resident."""
    return int(Path(f"/proc/{process.pid}/status").read_text().split("VmHWM:")[1].split()[0]) * 1024


def cpu_s_of(process: psutil.Process) -> float:
    """The processor time of a process since its start."""
    times = process.cpu_times()
    return float(times.user + times.system)


def wait_for(done: Callable[[], bool], child: psutil.Popen, folder: Path, within_s: float) -> None:
    """Wait until a condition holds.

    Raises:
        RuntimeError: the worker ended first, or the time is over.
    """
    deadline = time.monotonic() + within_s
    pause = threading.Event()
    while not done():
        if child.poll() is not None:
            raise RuntimeError(f"the worker ended with {child.returncode}: {_last_words(folder)}")
        if time.monotonic() > deadline:
            raise RuntimeError(f"the worker was not done within {within_s:g} s: {_last_words(folder)}")
        pause.wait(_POLL_S)


def _last_words(folder: Path) -> str:
    lines = (folder / "worker.log").read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return " / ".join(lines[-3:]) if lines else "it said nothing"


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
