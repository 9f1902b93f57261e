"""The one place where librdkafka's errors become ours."""

from __future__ import annotations

from confluent_kafka import KafkaError, KafkaException

from flowtrack.errors import BrokerError

_AWAY = (
    "check FLOWTRACK_KAFKA__BOOTSTRAP_SERVERS and that the broker runs; its log says why it ended, e.g. of a full disk"
)
_HELP = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "grant this user read and write on the topic",
    KafkaError.GROUP_AUTHORIZATION_FAILED: "grant this user read on the consumer group",
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: "grant this user idempotent write on the cluster",
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: "grant this user write on the transactional id",
    KafkaError.SASL_AUTHENTICATION_FAILED: "check FLOWTRACK_KAFKA__SASL_USERNAME and the password",
    KafkaError._AUTHENTICATION: "check FLOWTRACK_KAFKA__SASL_USERNAME, the password and the certificates",  # noqa: SLF001 - librdkafka's local codes are named so
    KafkaError._SSL: "check FLOWTRACK_KAFKA__SSL_CA_LOCATION and the certificates",  # noqa: SLF001 - (likewise)
    KafkaError.UNKNOWN_TOPIC_OR_PART: "create the topics: `flowtrack topics create`",
    KafkaError._UNKNOWN_TOPIC: "create the topics: `flowtrack topics create`",  # noqa: SLF001 - (likewise)
    KafkaError._NOENT: "create the topics: `flowtrack topics create`",  # noqa: SLF001 - (likewise)
    KafkaError._UNKNOWN_PARTITION: "create the topics: `flowtrack topics create`",  # noqa: SLF001 - (likewise)
    KafkaError._TRANSPORT: _AWAY,  # noqa: SLF001 - (likewise)
    KafkaError._TIMED_OUT: _AWAY,  # noqa: SLF001 - (likewise)
    KafkaError._ALL_BROKERS_DOWN: _AWAY,  # noqa: SLF001 - (likewise)
    KafkaError._FENCED: "another worker runs with the same transactional id: end one of them",  # noqa: SLF001 - (likewise)
    KafkaError.INCONSISTENT_GROUP_PROTOCOL: (
        "another program, or a worker of another version, is in this consumer group: end it, or give it a group of its "
        "own (`kafka-consumer-groups --describe --members` names it)"
    ),
    KafkaError.UNKNOWN_TOPIC_ID: "the topic was deleted or made anew: see `flowtrack topics acknowledge`",
    KafkaError.INCONSISTENT_TOPIC_ID: "the topic was deleted or made anew: see `flowtrack topics acknowledge`",
    KafkaError.KAFKA_STORAGE_ERROR: (
        "the broker cannot write to its disk: make room or replace it, then start the broker anew"
    ),
    KafkaError.MSG_SIZE_TOO_LARGE: "raise the topic's `max.message.bytes`, or send less",
}


# Nothing can be reached, or nobody lets us in: what a worker that is not ready has to say.
WAY_BARRED = {
    KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001 - (likewise)
    KafkaError._AUTHENTICATION,  # noqa: SLF001 - (likewise)
    KafkaError._SSL,  # noqa: SLF001 - (likewise)
    KafkaError.SASL_AUTHENTICATION_FAILED,
}


# Trying again does not help before somebody grants it.
FORBIDDEN = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
}


# What the broker says of a topic that was deleted or never made.
NOT_THERE = {
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError.UNKNOWN_TOPIC_ID,
    KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001 - (likewise)
}


# What the client knows of a partition's leader is out of date.
MOVED = {
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.UNKNOWN_LEADER_EPOCH,
}


# A partition or a group is between two leaders, e.g. just made: within moments there is one again.
_PASSING = MOVED | {
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
}


class BatchUndoneError(BrokerError):
    """A batch was not closed and left nothing behind; the same records come again."""


def broker_error(error: KafkaError | KafkaException, where: str = "") -> BrokerError:
    """Translate an error of librdkafka, with the next step for whoever reads it."""
    cause = kafka_error(error)
    text = cause.str().rstrip(".")
    return BrokerError(
        f"kafka says `{cause.name()}`: {text[:1].lower()}{text[1:]}",
        where=where,
        help=_HELP.get(cause.code(), "look into the broker's log"),
    )


def passes(error: Exception) -> bool:
    """Whether the same call is worth making again in a moment."""
    if not isinstance(error, KafkaException):
        return False
    cause = kafka_error(error)
    return cause.retriable() or cause.code() in _PASSING


def kafka_error(error: KafkaError | KafkaException) -> KafkaError:
    """Give the KafkaError that an exception of librdkafka carries."""
    if isinstance(error, KafkaException):
        inner: KafkaError = error.args[0]
        return inner
    return error
