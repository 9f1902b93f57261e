"""A real Kafka for the tests: at an address in the environment, else in a container, else from its jars."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from tests.rig.containers import ContainerError, docker_answers, kafka_container
from tests.rig.kafka_process import KafkaProcess, NoKafkaError

__all__ = ["NoKafkaError", "kafka_from_jars", "real_kafka"]


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
    try:
        process = KafkaProcess(folder)
    except NoKafkaError as error:
        raise NoKafkaError(f"{otherwise}; {error}" if otherwise else str(error)) from error
    with contextlib.closing(process):
        process.start()
        yield process.address
