"""Creating and checking the topics."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType
from pydantic import SecretStr

from flowtrack.adapters.kafka import topics
from flowtrack.adapters.kafka.settings import KafkaSettings
from flowtrack.adapters.kafka.topics import COPARTITIONED, SHAPES, check_topics, create_topics
from flowtrack.errors import BrokerError
from flowtrack.tracking.records import Topic
from tests.kafka.conftest import PARTITIONS, Rig, until


@pytest.fixture
def bare(real: Rig) -> Iterator[Rig]:
    """A real Kafka without our topics; one that has them belongs to somebody, who keeps them."""
    known = AdminClient(real.settings.librdkafka()).list_topics(timeout=10).topics
    if set(SHAPES) & set(known):
        pytest.skip("the Kafka at FLOWTRACK_TEST_KAFKA has Flowtrack's topics: these tests would delete them")
    yield real
    _drop(real)


def _drop(rig: Rig) -> None:
    admin = AdminClient(rig.settings.librdkafka())
    ours = [str(topic) for topic in SHAPES if topic in admin.list_topics(timeout=10).topics]
    for future in (admin.delete_topics(ours) if ours else {}).values():
        future.result(10)
    until(lambda: not set(SHAPES) & set(admin.list_topics(timeout=10).topics))


def test_the_embedded_broker_gets_every_topic(embedded: Rig) -> None:
    """All topics exist after the first call; the second finds nothing to do; the check passes."""
    assert create_topics(embedded.settings) == sorted(Topic)
    assert create_topics(embedded.settings) == []
    check_topics(embedded.settings)


@pytest.mark.real_kafka
def test_topics_are_made_once_and_shaped_as_designed(bare: Rig) -> None:
    """Partition counts, cleanup and retention are what DESIGN 1 says; a second call changes nothing."""
    assert set(create_topics(bare.settings)) == set(Topic)
    assert create_topics(bare.settings) == []
    until(lambda: _passes(bare.settings))
    admin = AdminClient(bare.settings.librdkafka())
    asked = {topic: ConfigResource(ResourceType.TOPIC, str(topic)) for topic in Topic}
    answers = admin.describe_configs(list(asked.values()))
    config = {t: {k: v.value for k, v in answers[asked[t]].result(10).items()} for t in Topic}
    assert {t for t in Topic if config[t]["cleanup.policy"] == "compact"} == {
        Topic.CONSENTS,
        Topic.POLICIES,
        Topic.REGISTRY,
        Topic.ALERTS,
    }
    days = {t: int(config[t]["retention.ms"]) / 86_400_000 for t in Topic if config[t]["cleanup.policy"] == "delete"}
    assert days.pop(Topic.DEADLETTERS) == 30
    assert set(days.values()) == {7}
    counts = {t: len(admin.list_topics(timeout=10).topics[t].partitions) for t in Topic}
    assert counts == {t: PARTITIONS if t in COPARTITIONED else 1 for t in Topic}


@pytest.mark.real_kafka
def test_missing_topics_are_named_with_the_command_that_makes_them(bare: Rig) -> None:
    """A worker that finds no topics says how to create them."""
    with pytest.raises(BrokerError, match=r"topics are missing.*flowtrack topics create"):
        check_topics(bare.settings)


@pytest.mark.real_kafka
def test_a_partition_count_that_disagrees_is_refused(bare: Rig) -> None:
    """Settings and topics must agree, or records would go to partitions that nobody expects."""
    create_topics(bare.settings)
    other = KafkaSettings(bootstrap_servers=bare.settings.bootstrap_servers, partitions=PARTITIONS + 1)
    until(lambda: _passes(bare.settings))
    with pytest.raises(BrokerError, match=rf"has {PARTITIONS} partitions, the settings say {PARTITIONS + 1}"):
        check_topics(other)


def _passes(settings: KafkaSettings) -> bool:
    try:
        check_topics(settings)
    except BrokerError:
        return False
    return True


def test_a_barred_way_is_named(embedded: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wrong credentials are told from a broker that is away, with the settings to check."""
    monkeypatch.setattr(topics, "_TIMEOUT_S", 1.0)
    address = embedded.settings.bootstrap_servers
    barred = KafkaSettings(
        bootstrap_servers=address,
        security_protocol="SASL_PLAINTEXT",
        sasl_username="u",
        sasl_password=SecretStr("open sesame"),
    )
    with pytest.raises(BrokerError, match=r"_AUTHENTICATION.*FLOWTRACK_KAFKA__SASL_USERNAME") as caught:
        check_topics(barred)
    assert "open sesame" not in str(caught.value)
