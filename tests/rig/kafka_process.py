"""A Kafka of one node, started from its jars, that can be killed, frozen and started again with what it held."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path

from tests.rig.ports import free_ports

_UP_WITHIN_S = 60.0
_CLUSTER_ID = "Zmxvd3RyYWNrLXRlc3RzLQ"  # 22 characters of base64: any will do
_PROPERTIES = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}{listener}
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


class KafkaProcess:
    """The process; `start` and `close` it.

    Args:
        folder: for its log and settings; must exist.
        properties: further lines of settings.
        listener: the security protocol of a second listener, e.g. `SASL_PLAINTEXT`.

    Raises:
        NoKafkaError: there is no Java, or no jars.
    """

    def __init__(self, folder: Path, properties: str = "", listener: str = "") -> None:
        java = shutil.which("java")
        jars = Path(os.environ.get("FLOWTRACK_KAFKA_JARS", ".cache/kafka-jars"))
        if java is None or not list(jars.glob("kafka_2.13-*.jar")):
            raise NoKafkaError(
                "no Kafka: set FLOWTRACK_TEST_KAFKA to an address, have Docker, or have Java and run "
                f".ci/fetch-kafka.sh (looked for jars in {jars})"
            )
        self._run = [java, "-Xmx512m", "-XX:TieredStopAtLevel=1", "-cp", f"{jars.resolve()}/*"]
        self._folder = folder
        self._port, controller, more = free_ports(3)
        self.address = f"127.0.0.1:{self._port}"
        self.more_address = f"127.0.0.1:{more}"
        """Of the further listener, if one was asked for."""
        text = _PROPERTIES.format(
            port=self._port,
            controller=controller,
            folder=folder,
            listener=f",{listener}://{self.more_address}" if listener else "",
        )
        settings = folder / "server.properties"
        settings.write_text(text + properties, encoding="utf-8")
        self._settings = str(settings)
        self._process: subprocess.Popen[bytes] | None = None
        self._formatted = False

    def start(self) -> None:
        """Start it, on the same port and with the log that it left, and wait until it listens.

        Raises:
            NoKafkaError: it does not come up.
        """
        with (self._folder / "kafka.out").open("ab") as log:
            if not self._formatted:
                storage = [*self._run, "kafka.tools.StorageTool", "format", "-t", _CLUSTER_ID, "-c", self._settings]
                subprocess.run(storage, check=True, stdout=log, stderr=log)
                self._formatted = True
            self._process = subprocess.Popen([*self._run, "kafka.Kafka", self._settings], stdout=log, stderr=log)
        _wait_for_port(self._port, self._process)

    def kill(self) -> None:
        """End it at once; what it acknowledged is in the system's page cache and comes back with `start`."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def ended(self) -> bool:
        """Whether it has ended by itself."""
        return self._process is not None and self._process.poll() is not None

    def send_signal(self, number: int) -> None:
        """Send it a signal, e.g. SIGSTOP."""
        if self._process is not None:
            self._process.send_signal(number)

    def close(self) -> None:
        """End it for good."""
        self.kill()


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
