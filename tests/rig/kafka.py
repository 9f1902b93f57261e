"""A real Kafka for the tests: at an address in the environment, else in a container, else from its jars."""

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

from tests.rig.containers import ContainerError, docker_answers, kafka_container
from tests.rig.ports import free_ports

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
    with contextlib.ExitStack() as stack:
        why = "no Docker daemon answers"
        started = ""
        if docker_answers():
            try:
                started = stack.enter_context(kafka_container())
            except ContainerError as error:
                why = str(error)
        yield started or stack.enter_context(kafka_from_jars(folder, otherwise=why))


@contextlib.contextmanager
def kafka_from_jars(folder: Path, otherwise: str = "") -> Iterator[str]:
    """Give the address of a Kafka that runs as a process, from its jars.

    Args:
        folder: where it lives.
        otherwise: what else was tried and why it did not do, for the error.

    Raises:
        NoKafkaError: there is no Java, or there are no jars.
    """
    java = shutil.which("java")
    jars = Path(os.environ.get("FLOWTRACK_KAFKA_JARS", ".cache/kafka-jars"))
    if java is None or not list(jars.glob("kafka_2.13-*.jar")):
        tried = f" ({otherwise})" if otherwise else ""
        raise NoKafkaError(
            f"no Kafka{tried}: set FLOWTRACK_TEST_KAFKA to an address, have Docker, or have Java and run "
            f".ci/fetch-kafka.sh (looked for jars in {jars})"
        )
    with _process(java, jars, folder) as started:
        yield started


@contextlib.contextmanager
def _process(java: str, jars: Path, folder: Path) -> Iterator[str]:
    port, controller = free_ports(2)
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
