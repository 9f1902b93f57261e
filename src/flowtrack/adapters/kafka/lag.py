"""Where logs begin and end, and how far consumer groups have come."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import ParamSpec, Self, TypeVar

import stamina
from confluent_kafka import Consumer, IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from flowtrack.adapters.kafka.faults import MOVED, broker_error, kafka_error, passes
from flowtrack.adapters.kafka.notes import read_note
from flowtrack.adapters.kafka.settings import KafkaSettings
from flowtrack.errors import BrokerError

Place = tuple[str, int]  # topic and partition
_TIMEOUT_S = 10.0
P = ParamSpec("P")
T = TypeVar("T")


def _again(timeout_s: float) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Make a call again, for so long at most, while it fails for what passes within moments."""
    return stamina.retry(on=passes, timeout=timeout_s, attempts=None, wait_initial=0.02, wait_jitter=0.02, wait_max=0.5)


class LogOffsets:
    """Asks the broker where logs begin and end; keeps one connection, so that an answer takes a millisecond.

    The answers are fresh: a consumer's own watermarks are as old as its last fetch, and asked through its own
    connection they would wait behind a long fetch.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self._admin = AdminClient(settings.librdkafka())

    def partitions(self, topic: str, timeout_s: float = _TIMEOUT_S) -> list[int]:
        """Give a topic's partition numbers.

        Raises:
            BrokerError: the topic does not exist, or the broker does not answer.
        """
        try:
            metadata = self._admin.list_topics(topic, timeout=timeout_s).topics[topic]
        except KafkaException as error:
            raise broker_error(error, topic) from error
        if metadata.error is not None:
            raise broker_error(metadata.error, topic)
        return sorted(metadata.partitions)

    def starts(self, places: Iterable[Place], timeout_s: float = _TIMEOUT_S) -> dict[Place, int]:
        """Give the first offset that each log still holds.

        Raises:
            BrokerError: the broker does not answer, or does not know a partition.
        """
        return self._ask(places, OffsetSpec.earliest(), timeout_s)

    def ends(self, places: Iterable[Place], timeout_s: float = _TIMEOUT_S) -> dict[Place, int]:
        """Give the offset behind each log's last committed record (the last stable offset).

        Raises:
            BrokerError: the broker does not answer, or does not know a partition.
        """
        return self._ask(places, OffsetSpec.latest(), timeout_s)

    def written_ends(self, places: Iterable[Place], timeout_s: float = _TIMEOUT_S) -> dict[Place, int]:
        """Give the offset behind each log's last record, committed or not (the high-water mark).

        Raises:
            BrokerError: the broker does not answer, or does not know a partition.
        """
        return self._ask(places, OffsetSpec.latest(), timeout_s, IsolationLevel.READ_UNCOMMITTED)

    def _ask(
        self,
        places: Iterable[Place],
        which: OffsetSpec,
        timeout_s: float,
        isolation: IsolationLevel = IsolationLevel.READ_COMMITTED,
    ) -> dict[Place, int]:
        question = {TopicPartition(topic, partition): which for topic, partition in places}
        if not question:
            return {}

        @_again(timeout_s)
        def ask() -> dict[Place, int]:
            futures = self._admin.list_offsets(question, isolation_level=isolation, request_timeout=timeout_s)
            try:
                return {(at.topic, at.partition): future.result(timeout_s).offset for at, future in futures.items()}
            except KafkaException as error:
                if kafka_error(error).code() in MOVED:  # asked again, it would go by the same metadata
                    self._admin.list_topics(timeout=timeout_s)
                raise

        try:
            return ask()
        except KafkaException as error:
            raise broker_error(error, ", ".join(sorted({at.topic for at in question}))) from error
        except TimeoutError as error:
            raise BrokerError(
                f"no answer about offsets within {timeout_s:g} s",
                where=", ".join(sorted({at.topic for at in question})),
                help="check that the broker runs",
            ) from error


class GroupOffsets:
    """Asks how far a consumer group has come, without joining it."""

    def __init__(self, settings: KafkaSettings, group: str) -> None:
        self.group = group
        # Uncommitted: how far it has come for sure, rather than waiting for what a dead worker left open.
        self._consumer = Consumer({**settings.consumer(group), "isolation.level": "read_uncommitted"})

    def committed(self, places: Sequence[Place], timeout_s: float = _TIMEOUT_S) -> dict[Place, int]:
        """Give the committed offsets; a place where nothing is committed is left out.

        Raises:
            BrokerError: the broker does not answer.
        """
        return committed_by(self._consumer, self.group, places, timeout_s)

    def notes(self, places: Sequence[Place], timeout_s: float = _TIMEOUT_S) -> list[str]:
        """Give what the processor said with the last commits of some places (`Processor.note`), where it did.

        Raises:
            BrokerError: the broker does not answer.
        """
        positions = positions_by(self._consumer, self.group, places, timeout_s)
        found = [read_note(at.metadata) for at in positions.values()]
        return [note.own for note in found if note is not None and note.own]

    def close(self) -> None:
        """Close the connection."""
        self._consumer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def committed_by(consumer: Consumer, group: str, places: Iterable[Place], timeout_s: float) -> dict[Place, int]:
    """Give what a consumer's group has committed; a place where nothing is committed is left out.

    Raises:
        BrokerError: the broker does not answer.
    """
    return {place: at.offset for place, at in positions_by(consumer, group, places, timeout_s).items()}


def positions_by(
    consumer: Consumer, group: str, places: Iterable[Place], timeout_s: float
) -> dict[Place, TopicPartition]:
    """Give the same with what else a commit carries (its metadata).

    Raises:
        BrokerError: the broker does not answer.
    """
    question = [TopicPartition(*place) for place in places]
    try:
        answer = _again(timeout_s)(consumer.committed)(question, timeout_s)
    except KafkaException as error:
        raise broker_error(error, f"group {group}") from error
    for at in answer:
        if at.error is not None:
            raise broker_error(at.error, f"group {group}, {at.topic}/{at.partition}")
    return {(at.topic, at.partition): at for at in answer if at.offset >= 0}


def committed_offsets(settings: KafkaSettings, group: str, topic: str) -> dict[int, int]:
    """Give how far a group has come in each partition of a topic; a partition with no commit is left out.

    Raises:
        BrokerError: the broker does not answer, or the topic does not exist.
    """
    partitions = LogOffsets(settings).partitions(topic)
    with GroupOffsets(settings, group) as offsets:
        return {at[1]: offset for at, offset in offsets.committed([(topic, p) for p in partitions]).items()}


def start_offsets(settings: KafkaSettings, topic: str) -> dict[int, int]:
    """Give the first offset that each partition of a topic still holds.

    Raises:
        BrokerError: the broker does not answer, or the topic does not exist.
    """
    log = LogOffsets(settings)
    return {at[1]: offset for at, offset in log.starts([(topic, p) for p in log.partitions(topic)]).items()}


def end_offsets(settings: KafkaSettings, topic: str) -> dict[int, int]:
    """Give the offset behind the last committed record of each partition of a topic.

    Raises:
        BrokerError: the broker does not answer, or the topic does not exist.
    """
    log = LogOffsets(settings)
    return {at[1]: offset for at, offset in log.ends([(topic, p) for p in log.partitions(topic)]).items()}
