"""The topics: their shape on a real broker, creating them, and checking them at a worker's start."""

from __future__ import annotations

from typing import NamedTuple

import stamina
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from flowtrack.adapters.kafka.faults import WAY_BARRED, broker_error, kafka_error
from flowtrack.adapters.kafka.settings import KafkaSettings
from flowtrack.errors import BrokerError
from flowtrack.tracking.records import Topic

_DAY_MS = 24 * 3_600 * 1_000
_TIMEOUT_S = 15.0
_MESSAGE_BYTES_MAX = 1_048_588  # Kafka's own default, spelt out: what is larger is refused where it is sent


class _UnknownYetError(BrokerError):
    """A topic has been made, but its metadata has not spread."""


class Shape(NamedTuple):
    """How a topic is kept; `retention_days` 0 means compacted, kept for ever."""

    wide: bool  # as many partitions as the settings say; else one
    retention_days: int


SHAPES = {
    Topic.EVENTS: Shape(wide=True, retention_days=7),
    Topic.CONSENTS: Shape(wide=True, retention_days=0),
    Topic.POLICIES: Shape(wide=False, retention_days=0),
    Topic.REGISTRY: Shape(wide=False, retention_days=0),
    Topic.DECISIONS: Shape(wide=True, retention_days=7),
    Topic.FINDINGS: Shape(wide=True, retention_days=7),
    Topic.AMENDMENTS: Shape(wide=True, retention_days=7),
    Topic.ALERTS: Shape(wide=False, retention_days=0),
    Topic.DEADLETTERS: Shape(wide=True, retention_days=30),
}

# A record's partition is the same in all of these (DESIGN 1), so their counts have to agree.
COPARTITIONED = tuple(topic for topic, shape in SHAPES.items() if shape.wide)


def create_topics(settings: KafkaSettings) -> list[str]:
    """Create the topics that are missing and give their names; one that exists is left as it is.

    The embedded broker creates a topic when it is first asked about it.

    Raises:
        BrokerError: the broker does not answer, or refuses; or topics exist with partition counts that disagree.
    """
    admin, existing = _counts(settings)
    if settings.embedded:
        return sorted(set(SHAPES) - set(existing))
    wanted = [_new_topic(topic, settings) for topic in SHAPES if topic not in existing]
    created = []
    for name, future in (admin.create_topics(wanted, operation_timeout=_TIMEOUT_S) if wanted else {}).items():
        try:
            future.result(_TIMEOUT_S)
            created.append(name)
        except KafkaException as error:
            if kafka_error(error).code() != KafkaError.TOPIC_ALREADY_EXISTS:  # somebody else was as quick
                raise broker_error(error, name) from error
    _wait_until_known(settings)
    return created


def check_topics(settings: KafkaSettings) -> None:
    """Make sure that every topic exists and that those that share partitions have the same count.

    Raises:
        BrokerError: a topic is missing, or counts disagree with each other or with the settings.
    """
    _, counts = _counts(settings)
    if settings.embedded:
        return
    missing = sorted(set(SHAPES) - set(counts))
    if missing:
        raise BrokerError(
            f"{len(missing)} topics are missing, first `{missing[0]}`",
            where=settings.bootstrap_servers,
            help="create them: `flowtrack topics create`",
        )
    wrong = {topic: counts[topic] for topic in COPARTITIONED if counts[topic] != settings.partitions}
    if wrong:
        topic, count = next(iter(wrong.items()))
        raise BrokerError(
            f"`{topic}` has {count} partitions, the settings say {settings.partitions}",
            where=settings.bootstrap_servers,
            help="set FLOWTRACK_KAFKA__PARTITIONS to what the topics have; partition counts never change, "
            "growth means new topics",
        )


def _wait_until_known(settings: KafkaSettings) -> None:
    """Wait until every broker that is asked knows the topics: a worker started right after this must find them."""
    for attempt in stamina.retry_context(on=_UnknownYetError, timeout=_TIMEOUT_S, attempts=None, wait_initial=0.05):
        with attempt:
            missing = set(SHAPES) - set(_counts(settings)[1])
            if missing:
                raise _UnknownYetError(
                    f"{len(missing)} topics are made but not known yet, first `{min(missing)}`",
                    where=settings.bootstrap_servers,
                    help="look into the broker's log",
                )


def _new_topic(topic: Topic, settings: KafkaSettings) -> NewTopic:
    shape = SHAPES[topic]
    config = {
        "max.message.bytes": str(_MESSAGE_BYTES_MAX),
        # The received time that events are judged by is the broker's, not the sender's (DESIGN 2).
        "message.timestamp.type": "LogAppendTime",
    }
    if shape.retention_days:
        config |= {"cleanup.policy": "delete", "retention.ms": str(shape.retention_days * _DAY_MS)}
    else:
        config |= {"cleanup.policy": "compact"}
    return NewTopic(
        str(topic),
        num_partitions=settings.partitions if shape.wide else 1,
        replication_factor=settings.replication_factor,
        config=config,
    )


def _counts(settings: KafkaSettings) -> tuple[AdminClient, dict[str, int]]:
    """Give the partition counts of our topics that exist; asking makes the embedded broker create the rest."""
    barred: list[KafkaError] = []
    admin = AdminClient({**settings.librdkafka(), "error_cb": barred.append})  # type: ignore[dict-item]  # a callback is not in the stub
    try:
        known = admin.list_topics(timeout=_TIMEOUT_S).topics
        counts = {str(t): len(known[t].partitions) for t in SHAPES if t in known and known[t].error is None}
        if settings.embedded:
            for topic in set(SHAPES) - set(counts):
                admin.list_topics(str(topic), timeout=_TIMEOUT_S)
    except KafkaException as error:
        admin.poll(0)
        # Asked for topics, librdkafka only says that it had no answer; why, it tells the error callback.
        why = next((each for each in barred if each.code() in WAY_BARRED), error)
        raise broker_error(why, settings.bootstrap_servers) from error
    return admin, counts
