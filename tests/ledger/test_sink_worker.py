"""The sink as a process, on the embedded broker: killed in the middle and started anew."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka import Producer

from flowtrack.adapters.http.client import LedgerClient
from flowtrack.adapters.kafka.embedded import EmbeddedBroker
from flowtrack.adapters.kafka.settings import KafkaSettings
from flowtrack.adapters.kafka.topics import create_topics
from flowtrack.apps.ports import free_port
from flowtrack.audit.questions import Books
from flowtrack.errors import StoreError
from flowtrack.testing.ledger import MemoryLedger
from flowtrack.tracking.ledger import LedgerWriter
from flowtrack.tracking.reconcile import GroupProgress, reconcile
from flowtrack.tracking.records import Record
from tests.ledger.day import EPOCH, a_day

_DEADLINE_S = 60.0
EVENTS = 6_000


def wait_until(holds: Callable[[], bool], what: str) -> None:
    """Wait on a condition, with a deadline."""
    deadline_s, pause = time.monotonic() + _DEADLINE_S, threading.Event()
    while not holds():
        assert time.monotonic() < deadline_s, what
        pause.wait(0.02)


@pytest.fixture
def kafka() -> Iterator[KafkaSettings]:
    """An embedded broker with its topics."""
    broker = EmbeddedBroker(EPOCH)
    try:
        settings = KafkaSettings(bootstrap_servers=broker.start(), embedded=True, epoch=EPOCH)
        create_topics(settings)
        yield settings
    finally:
        broker.stop()


@contextmanager
def sink(kafka: KafkaSettings, directory: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """The sink's process, ended with the block whatever happens."""
    env = {
        **os.environ,
        "FLOWTRACK_KAFKA__BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "FLOWTRACK_KAFKA__EMBEDDED": "true",
        "FLOWTRACK_KAFKA__EPOCH": EPOCH,
        "FLOWTRACK_CLICKHOUSE__DATA_DIR": str(directory / "store"),
        "FLOWTRACK_HTTP__PORT": str(port),
        "FLOWTRACK_READY_FILE": str(directory / "ready"),
    }
    with (directory / "log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "flowtrack.apps.worker", "sink"], env=env, stdout=log, stderr=log
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait(30)


def publish(kafka: KafkaSettings, records: list[Record]) -> None:
    """Write records where they belong, in order."""
    producer = Producer(kafka.librdkafka())
    for item in records:
        producer.produce(item.topic, value=item.value, key=item.key, partition=item.partition)
        producer.poll(0)
    assert producer.flush(30) == 0


def flows(ledger: LedgerClient) -> int:
    """Rows in the ledger; none while nobody answers."""
    try:
        return ledger.books(Books()).flows
    except StoreError:
        return 0


@pytest.mark.slow
def test_a_killed_sink_goes_on_where_the_ledger_ends(kafka: KafkaSettings, tmp_path: Path) -> None:
    """Killed with part of the day written, the next one writes the rest: nothing missing, nothing twice.

    Both answer over HTTP while they write; a graceful stop ends with status 0.
    """
    day, port = a_day(EVENTS), free_port()
    expected = MemoryLedger()
    LedgerWriter(expected, "run").process(day)
    whole = expected.books(Books())
    with LedgerClient(f"http://127.0.0.1:{port}") as ledger:
        with sink(kafka, tmp_path, port) as first:
            wait_until((tmp_path / "ready").exists, "the first sink is ready")
            publish(kafka, day[: len(day) // 2])
            wait_until(lambda: flows(ledger) > 0, "something is written")
            publish(kafka, day[len(day) // 2 :])
            first.kill()
            first.wait(30)
        with sink(kafka, tmp_path, port) as second:
            wait_until(lambda: flows(ledger) == whole.flows, "everything is written")
            wait_until(lambda: ledger.books(Books()).completeness.lag_records == 0, "the lag is known to be none")
            found = ledger.books(Books())
            assert ledger.ready() == ""
            second.terminate()
            assert second.wait(30) == 0
    assert found.partitions == whole.partitions
    progress = {part.partition: GroupProgress(0, part.last + 1) for part in whole.partitions}
    assert reconcile(found, epoch=EPOCH, checker=progress, sink_lag_records=0).balanced
