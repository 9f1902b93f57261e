"""A real Kafka for the tests: at an address in the environment, or started from its jars where Java is."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

_UP_WITHIN_S = 60.0
_CLUSTER_ID = "Zmxvd3RyYWNrLXRlc3RzLQ"  # 22 characters of base64: any will do
_PROPERTIES = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
controller.listener.names=CONTROLLER
log.dirs={folder}/log
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
"""


class NoKafkaError(Exception):
    """There is no Kafka to be had here; the text says what would help."""


@contextlib.contextmanager
def real_kafka(folder: Path) -> Iterator[str]:
    """Give the address of a Kafka with transactions; one that is started here lives in `folder` and ends after.

    Raises:
        NoKafkaError: there is none.
    """
    address = os.environ.get("FLOWTRACK_TEST_KAFKA")
    if address:
        yield address
        return
    java = shutil.which("java")
    jars = Path(os.environ.get("FLOWTRACK_KAFKA_JARS", ".cache/kafka-jars"))
    if java is None or not list(jars.glob("kafka_2.13-*.jar")):
        raise NoKafkaError(
            "no Kafka: set FLOWTRACK_TEST_KAFKA to an address, or have Java and run .ci/fetch-kafka.sh (looked for "
            f"jars in {jars})"
        )
    with _process(java, jars, folder) as started:
        yield started


@contextlib.contextmanager
def _process(java: str, jars: Path, folder: Path) -> Iterator[str]:
    port, controller = _free_ports(2)
    properties = folder / "server.properties"
    properties.write_text(_PROPERTIES.format(port=port, controller=controller, folder=folder), encoding="utf-8")
    run = [java, "-Xmx512m", "-XX:TieredStopAtLevel=1", "-cp", f"{jars.resolve()}/*"]
    log = (folder / "kafka.out").open("wb")
    storage = [*run, "kafka.tools.StorageTool", "format", "-t", _CLUSTER_ID, "-c", str(properties)]
    with log:
        subprocess.run(storage, check=True, stdout=log, stderr=log)
        server = subprocess.Popen([*run, "kafka.Kafka", str(properties)], stdout=log, stderr=log)
        try:
            _wait_for_port(port, server)
            yield f"127.0.0.1:{port}"
        finally:
            server.kill()
            server.wait()


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _wait_for_port(port: int, server: subprocess.Popen[bytes]) -> None:
    deadline_s = time.monotonic() + _UP_WITHIN_S
    pause = threading.Event()
    while time.monotonic() < deadline_s:
        if server.poll() is not None:
            raise NoKafkaError(f"kafka ended with status {server.returncode} as it started")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        pause.wait(0.1)
    raise NoKafkaError(f"kafka did not listen within {_UP_WITHIN_S:g} s")
