"""The workers on a real Kafka, as an operator starts them: each a process, nothing shared but topics and the ledger."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from flowtrack.adapters.kafka.replay import read_topic
from flowtrack.adapters.kafka.settings import KafkaSettings
from flowtrack.apps.ports import free_port
from flowtrack.domain.decision import Finding
from flowtrack.sample.day import SampleDay, sample_day
from flowtrack.sample.emit import Emitted, emit
from flowtrack.sample.options import SampleOptions
from flowtrack.sdk.kafka import KafkaTransport
from flowtrack.tracking.records import Topic
from tests.rig.kafka import NoKafkaError, real_kafka

pytestmark = [pytest.mark.real_kafka, pytest.mark.timeout(180)]

_WITHIN_S = 90.0
_TOLD = {"denied", "indeterminate"}


class Site:
    """An installation: the environment of its commands, and its worker processes."""

    def __init__(self, address: str, folder: Path) -> None:
        self.kafka = KafkaSettings(bootstrap_servers=address, partitions=4)
        self.folder = folder
        self.environment = {
            **os.environ,
            "FLOWTRACK_KAFKA__BOOTSTRAP_SERVERS": address,
            "FLOWTRACK_KAFKA__PARTITIONS": "4",
            "FLOWTRACK_CLICKHOUSE__DATA_DIR": str(folder / "store"),
            "FLOWTRACK_HTTP__PORT": str(free_port()),
        }
        self.workers: dict[str, subprocess.Popen[bytes]] = {}

    def run(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        """Run a command to its end."""
        command = [sys.executable, "-m", "flowtrack", *arguments]
        return subprocess.run(command, env=self.environment, cwd=self.folder, capture_output=True, check=False)

    def start(self, kind: str) -> None:
        """Start a worker and wait until it is ready."""
        ready = self.folder / f"{kind}.ready"
        ready.unlink(missing_ok=True)
        with (self.folder / f"{kind}.log").open("ab") as log:
            self.workers[kind] = subprocess.Popen(
                [sys.executable, "-m", "flowtrack", "worker", kind],
                env={**self.environment, "FLOWTRACK_READY_FILE": str(ready), "FLOWTRACK_KAFKA__INSTANCE": kind},
                cwd=self.folder,
                stdout=log,
                stderr=log,
            )
        wait(ready.exists, f"{kind} ready")

    def kill(self, kind: str) -> None:
        """End a worker at once."""
        self.workers[kind].kill()
        self.workers[kind].wait()

    def books(self) -> dict[str, object]:
        """What `flowtrack reconcile` says; empty while it cannot."""
        said = self.run("reconcile", "--json").stdout
        found: dict[str, object] = json.loads(said) if said else {}
        return found

    def stop(self) -> None:
        """End all workers in order."""
        for worker in self.workers.values():
            worker.terminate()
        for worker in self.workers.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                worker.wait(30)
            worker.kill()


def wait(done: Callable[[], bool], what: str) -> None:
    """Wait until something is so."""
    deadline, pause = time.monotonic() + _WITHIN_S, threading.Event()
    while not done():
        assert time.monotonic() < deadline, f"not {what} within {_WITHIN_S:g} s"
        pause.wait(0.2)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """An installation without workers yet."""
    folder = tmp_path / "kafka"
    folder.mkdir()
    try:
        with real_kafka(folder) as address:
            found = Site(address, tmp_path)
            try:
                yield found
            finally:
                found.stop()
    except NoKafkaError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def day() -> SampleDay:
    """A small day, of yesterday."""
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date()
    return sample_day(SampleOptions(events=4_000, subjects=300, seed=5, day=yesterday))


def publish(site: Site, day: SampleDay) -> Emitted:
    """The day's services publish it by the SDK."""

    async def run() -> Emitted:
        transport = KafkaTransport(site.kafka.bootstrap_servers)
        await transport.start()
        try:
            return await emit(day, transport)
        finally:
            await transport.stop()

    return asyncio.run(run())


def test_a_day_is_judged_exactly_once_though_workers_are_killed(site: Site, day: SampleDay) -> None:
    """Planted violations are found, no other event is, and the books balance, with checker and sink killed within."""
    registry = site.folder / "registry.json"
    registry.write_text(day.registry.model_dump_json(exclude_none=True), encoding="utf-8")
    for command in (("topics", "create"), ("policy", "publish"), ("registry", "publish", str(registry))):
        ran = site.run(*command)
        assert ran.returncode == 0, ran.stderr
    for kind in ("checker", "sink", "alerter"):
        site.start(kind)
    emitted = publish(site, day)
    for kind in ("checker", "sink"):
        site.kill(kind)
        site.start(kind)
    wait(lambda: bool(site.books().get("settled")), "all in the ledger")
    books = site.books()
    assert books["balanced"], books["advice"]
    assert (books["decisions"], books["dead_letters"]) == (emitted.events, emitted.bad_messages)
    findings = [Finding.model_validate_json(record.value or b"") for record in read_topic(site.kafka, Topic.FINDINGS)]
    told = [each.event_id for each in findings if each.what in _TOLD]
    assert sorted(told) == sorted({violation.event_id for violation in day.truth.violations})
