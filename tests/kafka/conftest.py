"""Brokers for the tests of the Kafka adapter: the embedded one always, a real one where it can be had."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from flowtrack.adapters.kafka.embedded import EmbeddedBroker
from flowtrack.adapters.kafka.lag import LogOffsets, committed_offsets
from flowtrack.adapters.kafka.plan import Plan
from flowtrack.adapters.kafka.replay import read_topic
from flowtrack.adapters.kafka.settings import KafkaSettings
from flowtrack.adapters.kafka.source import OnGap, OnPoison, Source
from flowtrack.errors import BrokerError, FlowtrackError
from flowtrack.tracking.records import Output, Processor, Record
from tests.rig.kafka import NoKafkaError, real_kafka

WITHIN_S = 30.0
PARTITIONS = 4


def until(condition: Callable[[], object], within_s: float = WITHIN_S) -> None:
    """Wait until a condition holds, and fail when it does not within the time."""
    deadline_s = time.monotonic() + within_s
    pause = threading.Event()
    while not condition():
        if time.monotonic() > deadline_s:
            pytest.fail(f"did not come true within {within_s:g} s")
        pause.wait(0.02)


def _has_partitions(log: LogOffsets, topic: str) -> bool:
    try:
        return log.partitions(topic) == list(range(PARTITIONS))
    except BrokerError:  # made, but not known everywhere yet
        return False


@dataclass
class Rig:
    """A broker with fresh topics for each test."""

    settings: KafkaSettings
    name: str = field(default_factory=lambda: uuid.uuid4().hex[:8])

    @property
    def transactions(self) -> bool:
        """Whether the broker keeps them."""
        return not self.settings.embedded

    def topic(self, name: str) -> str:
        """Make a topic of four partitions that no other test uses."""
        topic = f"{self.name}.{name}"
        if not self.settings.embedded:
            admin = AdminClient(self.settings.librdkafka())
            admin.create_topics([NewTopic(topic, PARTITIONS, 1)])[topic].result(WITHIN_S)
        log = LogOffsets(self.settings)
        until(lambda: _has_partitions(log, topic))
        return topic

    def produce(self, topic: str, values: Sequence[bytes], partition: int | None = None) -> None:
        """Write records, round robin over the partitions or into one, and wait until they are there."""
        producer = Producer({**self.settings.librdkafka(), "linger.ms": 5})
        for number, value in enumerate(values):
            producer.produce(topic, value, b"key", number % PARTITIONS if partition is None else partition)
        assert not producer.flush(WITHIN_S)

    def read(self, topic: str) -> list[Record]:
        """Read a topic's committed records."""
        return list(read_topic(self.settings, topic))

    def committed(self, group: str, topic: str) -> dict[int, int]:
        """Give how far a group has come."""
        return committed_offsets(self.settings, group, topic)

    def plan(self, *topics: str, **more: object) -> Plan:
        """Make a plan with a group of its own."""
        return Plan(name="test", topics=topics, group=f"{self.name}-group", batch_wait_s=0.01, **more)  # type: ignore[arg-type]  # each test names what it needs


@pytest.fixture
def embedded() -> Iterator[Rig]:
    """An embedded broker."""
    broker = EmbeddedBroker()
    yield Rig(KafkaSettings(bootstrap_servers=broker.start(), embedded=True))
    broker.stop()


@pytest.fixture(scope="session")
def real_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real Kafka."""
    folder: Path = tmp_path_factory.mktemp("kafka")
    try:
        with real_kafka(folder) as address:
            yield address
    except NoKafkaError as error:
        pytest.skip(str(error))


@pytest.fixture
def real(request: pytest.FixtureRequest) -> Rig:
    """A real Kafka."""
    return Rig(KafkaSettings(bootstrap_servers=request.getfixturevalue("real_address"), partitions=PARTITIONS))


@pytest.fixture(params=["embedded", pytest.param("real", marks=pytest.mark.real_kafka)])
def rig(request: pytest.FixtureRequest) -> Rig:
    """Either broker: what holds on one holds on the other."""
    found: Rig = request.getfixturevalue(request.param)
    return found


class Copying:
    """A processor that copies records to a topic, and notes what it is told."""

    def __init__(self, target: str, *, failing: Callable[[Record], bool] = lambda _: False) -> None:
        self.target = target
        self.failing = failing
        self.calls: list[str] = []
        self.batches: list[list[Record]] = []
        self.history: dict[int, list[Record]] = {}
        self.snapshot = 0

    def resume_from(self, partition: int, committed: int) -> int:
        """Need what follows `snapshot`, and note what was asked."""
        self.calls.append(f"resume_from {partition} {committed}")
        return self.snapshot

    def assigned(self, partition: int, history: Iterable[Record]) -> None:
        """Keep the history."""
        self.calls.append(f"assigned {partition}")
        self.history[partition] = list(history)

    def revoked(self, partition: int) -> None:
        """Note it."""
        self.calls.append(f"revoked {partition}")

    def process(self, records: Sequence[Record]) -> list[Output]:
        """Copy, or fail at a record that is to fail."""
        self.calls.append("process")
        for record in records:
            if self.failing(record):
                raise ValueError("as the test wants")
        self.batches.append(list(records))
        return [Output(self.target, r.partition, r.key, f"{r.topic}@{r.offset}".encode()) for r in records]

    def note(self, partition: int) -> str:
        """Say how many batches there were, and of which partition."""
        return f"{partition}:{len(self.batches)}"

    def committed(self) -> None:
        """Note it."""
        self.calls.append("committed")

    def aborted(self) -> None:
        """Note it."""
        self.calls.append("aborted")

    @property
    def records(self) -> list[Record]:
        """All records of all batches."""
        return [record for batch in self.batches for record in batch]


@dataclass
class Running:
    """A source that runs in a thread."""

    source: Source
    thread: threading.Thread
    left: list[int]

    def stop(self) -> None:
        """Stop gracefully."""
        self.source.stop()
        self.thread.join(WITHIN_S)
        assert not self.thread.is_alive()
        if self.left:  # with its process it would have gone, and not stay a member
            with suppress(FlowtrackError):  # a take-over that was still to come fails as the first one did
                self.source._reader.consumer.close()


@contextmanager
def running(
    rig: Rig,
    plan: Plan,
    processor: Processor,
    on_poison: OnPoison | None = None,
    on_gap: OnGap | None = None,
    kind: Callable[..., Source] = Source,
) -> Iterator[Running]:
    """Run a source whose processor is called in its own thread."""
    left: list[int] = []
    source = kind(
        rig.settings,
        plan,
        processor,
        submit=lambda work: work.run(),
        on_poison=on_poison,
        on_gap=on_gap,
        leave=left.append,
    )
    thread = threading.Thread(target=source.run, daemon=True)
    thread.start()
    run = Running(source, thread, left)
    try:
        yield run
    finally:
        run.stop()
