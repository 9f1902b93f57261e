"""The container that tests run Kafka in: it keeps transactions, as the one of compose does."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from confluent_kafka import Producer

from flowtrack.adapters.kafka.replay import read_topic
from flowtrack.adapters.kafka.settings import KafkaSettings
from flowtrack.adapters.kafka.topics import check_topics, create_topics
from flowtrack.tracking.records import Topic
from tests.rig.containers import IMAGE, ContainerError, docker_answers, kafka_container

ROOT = Path(__file__).parent.parent.parent
WITHIN_S = 30.0


def test_one_version_of_kafka_everywhere() -> None:
    """Tests in containers, tests from jars and compose run the same version of Kafka."""
    pom = ET.fromstring((ROOT / ".ci/kafka/pom.xml").read_text(encoding="utf-8"))  # noqa: S314 - our own file
    jars = pom.findtext(".//{*}dependency[{*}artifactId='kafka_2.13']/{*}version")
    compose = re.search(r"^KAFKA_IMAGE=(.*)$", (ROOT / "deploy/.env").read_text(encoding="utf-8"), re.MULTILINE)
    assert compose is not None
    assert compose[1] == IMAGE == f"apache/kafka:{jars}"


@pytest.mark.docker
def test_a_container_keeps_transactions() -> None:
    """In the container, topics are made as they have to be; what is committed is seen and what is aborted is not."""
    if not docker_answers():
        pytest.skip("no Docker daemon answers")
    try:
        with kafka_container() as address:
            settings = KafkaSettings(bootstrap_servers=address, partitions=2, replication_factor=1)
            assert set(create_topics(settings)) == set(Topic)
            check_topics(settings)
            assert _committed_and_aborted(settings) == [b"committed"]
    except ContainerError as error:
        pytest.skip(str(error))


def _committed_and_aborted(settings: KafkaSettings) -> list[bytes | None]:
    producer = Producer({**settings.librdkafka(), "transactional.id": "container"})
    producer.init_transactions(WITHIN_S)
    for value in (b"aborted", b"committed"):
        producer.begin_transaction()
        producer.produce(str(Topic.EVENTS), value, b"key", 0)
        producer.flush(WITHIN_S)
        if value == b"committed":
            producer.commit_transaction(WITHIN_S)
        else:
            producer.abort_transaction(WITHIN_S)
    return [record.value for record in read_topic(settings, str(Topic.EVENTS))]
