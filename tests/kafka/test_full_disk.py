"""A broker whose disk is full: what it does, what its workers say, and that nothing is lost in the end."""

from __future__ import annotations

import errno
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from flowtrack.adapters.kafka.settings import KafkaSettings
from flowtrack.adapters.kafka.source import EXIT_FATAL
from tests.kafka.conftest import PARTITIONS, Rig, until
from tests.kafka.workers import Workers, ending, expected
from tests.rig.kafka_process import KafkaProcess, NoKafkaError
from tests.rig.ports import free_ports

RECORDS = 20_000
_DISK_BYTES = 64 * 2**20
_CHUNK = b"\0" * 65_536


class Disk:
    """A small file system of its own, in memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        """Leave no byte free."""
        with self._ballast.open("wb", buffering=0) as ballast:
            for chunk in (_CHUNK, b"\0"):
                try:
                    while ballast.write(chunk) == len(chunk):
                        pass
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise

    def make_room(self) -> None:
        """Give the space back."""
        self._ballast.unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A disk of 64 MiB; mounting one takes rights that not everybody has."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    if mount is None:
        pytest.skip("no small disk: there is no `mount` here")
    done = subprocess.run(
        [mount, "-t", "tmpfs", "-o", f"size={_DISK_BYTES}", "tmpfs", folder],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"no small disk, mounting takes root's rights: {done.stderr.strip()}")
    yield Disk(folder)
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture
def kafka(tmp_path: Path, disk: Disk) -> Iterator[KafkaProcess]:
    """A Kafka that keeps everything on the small disk."""
    try:
        process = KafkaProcess(tmp_path, f"log.dirs={disk.folder / 'log'}\n")
    except NoKafkaError as error:
        pytest.skip(str(error))
    with closing(process):
        process.start()
        yield process


def _answer(port: int) -> tuple[int, str]:
    response = httpx.get(f"http://127.0.0.1:{port}/readyz")
    return response.status_code, response.text


@pytest.mark.real_kafka
@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_broker_without_space_costs_only_time(kafka: KafkaProcess, disk: Disk, tmp_path: Path) -> None:
    """The broker ends itself, and its workers wait and say so; with room and a new start all goes on, exactly once.

    A worker may leave with status 70 once the broker is back: librdkafka can wait for ever for the offsets of the
    transaction that was open.  The next one goes on.
    """
    own = Rig(KafkaSettings(bootstrap_servers=kafka.address, partitions=PARTITIONS))
    (port,) = free_ports(1)
    with ending(Workers(own, tmp_path)) as workers:
        own.produce(workers.events, [b"x"] * RECORDS)
        worker = workers.start(COPYING_STUCK_AFTER_S="3", COPYING_HTTP_PORT=str(port))
        until(lambda: workers.done() > 1_000)
        assert _answer(port) == (200, "ready\n")
        disk.fill()
        until(kafka.ended)
        until(lambda: "full disk" in _answer(port)[1])
        assert _answer(port)[0] == 503
        assert worker.poll() is None
        disk.make_room()
        kafka.start()
        until(lambda: worker.poll() is not None or workers.done() == RECORDS, 60)
        if worker.poll() is not None:
            assert worker.returncode == EXIT_FATAL
            workers.start()
        until(lambda: workers.done() == RECORDS)
        until(lambda: workers.copied().total() >= RECORDS)
        copied = workers.copied()
    assert set(copied) == expected(RECORDS)
    assert copied.total() == RECORDS
