"""A Kafka in a container, by testcontainers: the public image, or a local one that obeys the same variables."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator

import docker
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from docker.errors import APIError, DockerException
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer

from tests.rig.ports import free_ports

IMAGE = "apache/kafka:4.1.1"
"""What runs unless FLOWTRACK_TEST_KAFKA_IMAGE names another; .ci/docker-image.sh builds one without a registry."""

_ANSWERS_WITHIN_S = 5
_UP_WITHIN_S = 60.0
_LOG_LINES = 5


class ContainerError(Exception):
    """Docker answers, yet no Kafka came of it; the text says why."""


def image() -> str:
    """The image that is run."""
    return os.environ.get("FLOWTRACK_TEST_KAFKA_IMAGE") or IMAGE


def docker_answers() -> bool:
    """Whether a Docker daemon is there and answers."""
    try:
        client = docker.from_env(timeout=_ANSWERS_WITHIN_S)
    except DockerException:
        return False
    with contextlib.closing(client):
        try:
            return bool(client.ping())
        except DockerException:
            return False


@contextlib.contextmanager
def kafka_container() -> Iterator[str]:
    """Run a broker of one node in a container, give its address, and remove it afterwards.

    Raises:
        ContainerError: the image cannot be had, or the broker does not come up.
    """
    # Its sidecar that removes what is left behind is a further image to pull; the one container here is removed below.
    testcontainers_config.ryuk_disabled = True
    (port,) = free_ports(1)  # known before the start: a broker tells its clients the address to come back to
    container = DockerContainer(image()).with_bind_ports(port, port)
    address = f"{_host(container)}:{port}"
    container.with_envs(**_settings(address, port))
    try:
        container.start()
    except DockerException as error:
        container.stop()
        said = error.explanation if isinstance(error, APIError) else error
        raise ContainerError(f"no container of `{image()}`: {said}") from error
    try:
        _wait_until_up(container, address)
        yield address
    finally:
        container.stop()


def _host(container: DockerContainer) -> str:
    """Where published ports are: on this machine, unless the daemon is elsewhere."""
    elsewhere = os.environ.get("DOCKER_HOST", "").startswith("tcp://")
    return container.get_docker_client().host() if elsewhere else "127.0.0.1"


def _settings(address: str, port: int) -> dict[str, str]:
    """The broker's properties in the public image's spelling; given any, it takes no defaults of its own."""
    return {
        "CLUSTER_ID": "Zmxvd3RyYWNrLXRlc3RzLQ",  # 22 characters of base64: any will do
        "KAFKA_HEAP_OPTS": "-Xmx512m",
        "KAFKA_JVM_PERFORMANCE_OPTS": "-XX:TieredStopAtLevel=1",  # up in half the time
        "KAFKA_NODE_ID": "1",
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_LISTENERS": f"PLAINTEXT://0.0.0.0:{port},CONTROLLER://127.0.0.1:9093",
        "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://{address}",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@127.0.0.1:9093",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "KAFKA_LOG_DIRS": "/tmp/kafka-logs",
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS": "4",
        "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_NUM_PARTITIONS": "4",
        "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
        "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
        "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
    }


def _wait_until_up(container: DockerContainer, address: str) -> None:
    """Docker's proxy takes connections before the broker does, so ask the broker itself."""
    admin = AdminClient({"bootstrap.servers": address, "log_level": 0, "reconnect.backoff.max.ms": 250})
    deadline_s = time.monotonic() + _UP_WITHIN_S
    pause = threading.Event()
    while time.monotonic() < deadline_s:
        with contextlib.suppress(KafkaException):
            admin.list_topics(timeout=1)
            return
        container.reload()
        if container.status == "exited":
            break
        pause.wait(0.1)
    lines = b"\n".join(container.get_logs()).decode(errors="replace").strip().splitlines()[-_LOG_LINES:]
    raise ContainerError(f"kafka in `{image()}` does not answer; its last words: {' | '.join(lines)}")
