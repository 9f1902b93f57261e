"""The worker as a process: readiness, graceful stop, kills, freezes."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import faust
import httpx
import pytest

from flowtrack.adapters.kafka.health import HealthServer
from flowtrack.adapters.kafka.source import Work
from flowtrack.adapters.kafka.worker import WorkChannel
from tests.kafka.conftest import Rig, until
from tests.kafka.workers import Workers, ending, expected

RECORDS = 20_000


@pytest.fixture
def workers(rig: Rig, tmp_path: Path) -> Iterator[Workers]:
    """Workers on either broker."""
    with ending(Workers(rig, tmp_path)) as found:
        yield found


def test_a_stopped_worker_has_committed_what_it_wrote(workers: Workers) -> None:
    """SIGTERM in the middle: exit 0, and every copy's source offset is committed, so nothing comes again."""
    workers.rig.produce(workers.events, [b"x"] * RECORDS)
    process = workers.start()
    until(lambda: workers.done() > 1_000)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    copied = workers.copied()
    assert len(copied) == copied.total() == workers.done()


def test_rules_are_read_before_the_first_batch(workers: Workers) -> None:
    """A worker that is ready has read its control topics whole; what comes later reaches it too."""
    workers.rig.produce(workers.control, [b"rule"] * 50)
    workers.rig.produce(workers.events, [b"x"])
    workers.start()
    until(lambda: workers.done() == 1)
    assert (workers.rig.read(workers.copies)[0].value or b"").startswith(b"50:")
    workers.rig.produce(workers.control, [b"rule"])

    def follows() -> bool:
        workers.rig.produce(workers.events, [b"x"])
        return any((r.value or b"").startswith(b"51:") for r in workers.rig.read(workers.copies))

    until(follows)


def test_nothing_is_lost_over_kills(workers: Workers) -> None:
    """Killed twice in the middle of its work, the group loses nothing.

    With transactions nothing comes twice either. Without, only what the last batch before a kill had written comes
    again, and can be told by its source offset.
    """
    workers.rig.produce(workers.events, [b"x"] * RECORDS)
    for kill in (1, 2):
        process = workers.start()
        until(lambda: workers.written() > kill * RECORDS // 4)  # noqa: B023 - called within the loop's turn
        process.kill()
        process.wait()
        assert workers.done() < RECORDS
    workers.start()
    until(lambda: workers.done() == RECORDS)
    copied = workers.copied()
    assert set(copied) == expected(RECORDS)
    if workers.rig.transactions:
        assert copied.total() == RECORDS
    assert copied.total() <= RECORDS + 2 * 200


@pytest.mark.real_kafka
@pytest.mark.slow
def test_a_frozen_worker_is_fenced(real: Rig, tmp_path: Path) -> None:
    """A worker frozen for longer than its session wakes up to an aborted batch: nothing is missing, nothing twice."""
    with ending(Workers(real, tmp_path)) as workers:
        real.produce(workers.events, [b"x"] * RECORDS)
        frozen = workers.start("one")
        until(lambda: workers.done() > 1_000)
        frozen.send_signal(signal.SIGSTOP)
        workers.start("two")
        until(lambda: workers.done() == RECORDS)
        frozen.send_signal(signal.SIGCONT)
        real.produce(workers.events, [b"x"] * 400)
        until(lambda: workers.done() == RECORDS + 400)
        # Until the frozen worker's transaction is aborted, it hides what was committed behind it.
        until(lambda: workers.copied().total() >= RECORDS + 400)
        copied = workers.copied()
    assert copied.total() == len(copied) == RECORDS + 400


def test_work_survives_what_clears_fausts_own_queues() -> None:
    """When Faust's consumer gets other partitions, work on its way to the agent stays."""

    async def scene() -> object:
        app = faust.App("test", broker="kafka://127.0.0.1:1")
        channel: Any = WorkChannel(app)
        reading = channel.clone(is_iterator=True)
        work = Work("process", lambda: None)
        await channel.put(work)
        app.flow_control.suspend()
        app.flow_control.resume()
        return await reading.get(timeout=1) is work

    assert asyncio.run(scene())


def test_health_says_why_a_worker_is_not_ready() -> None:
    """/readyz is 503 with the reason until there is none; /healthz and /metrics answer all the while."""
    reasons = ["waiting for partitions"]
    server = HealthServer(0, lambda: reasons[0], host="127.0.0.1")
    server.start()
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}") as client:
        waiting = client.get("/readyz")
        reasons[0] = ""
        assert (waiting.status_code, waiting.text) == (503, "waiting for partitions\n")
        assert client.get("/readyz").status_code == 200
        assert client.get("/healthz").status_code == 200
        assert "flowtrack_source_batches_total" in client.get("/metrics").text
        assert client.get("/other").status_code == 404
    server.stop()
