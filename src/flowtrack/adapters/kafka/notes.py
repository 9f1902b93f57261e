"""Which topics a group's offsets belong to: a note in the metadata of every commit.

An offset says nothing about the log it was read from.  A topic that is deleted and made anew begins at 0 again, and
Kafka forgets the group's offsets in it: the group would begin at the new log as if nothing had ever been.  So each
commit carries the ids and partition counts of all topics of the plan, and what is left of the others tells.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from flowtrack.adapters.kafka.faults import NOT_THERE, broker_error, kafka_error
from flowtrack.adapters.kafka.settings import KafkaSettings
from flowtrack.errors import BrokerError

_TIMEOUT_S = 10.0
_ID_CHARACTERS = 10  # of 22: 60 bits tell two topics apart, and a commit of many partitions stays small


class OperatorNeededError(BrokerError):
    """The group's offsets do not belong to what the logs are now; only an operator can know what that means."""


class Identity(NamedTuple):
    """What makes a topic the same: its id, given by the broker when it was made, and its partition count."""

    id: str
    partitions: int


class Note(NamedTuple):
    """What a commit says about the topics that its group reads.

    Args:
        epoch: see `KafkaSettings.epoch`.
        topics: by name.
        own: what the processor says of the partition (`Processor.note`).
    """

    epoch: str
    topics: Mapping[str, Identity]
    own: str = ""

    def text(self) -> str:
        """Give the note as the metadata of a commit, in some 50 bytes a topic."""
        topics = {name: f"{each.id}/{each.partitions}" for name, each in self.topics.items()}
        parts = {"flowtrack": 1, "epoch": self.epoch, "topics": topics} | ({"own": self.own} if self.own else {})
        return json.dumps(parts, separators=(",", ":"))


def read_note(text: str | None) -> Note | None:
    """Read the note in a commit's metadata; None where it is not one of ours."""
    try:
        found = json.loads(text or "")
        topics = {name: each.rpartition("/") for name, each in found["topics"].items()}
        identities = {name: Identity(first, int(last)) for name, (first, _, last) in topics.items()}
        return Note(found["epoch"], identities, found.get("own", ""))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


class Topics:
    """Asks the broker which topics these are; the embedded broker's die with it, so there nothing is asked."""

    def __init__(self, settings: KafkaSettings, names: Iterable[str]) -> None:
        self._admin = AdminClient(settings.librdkafka())
        self._names = [] if settings.embedded else sorted(set(names))

    def ask(self, timeout_s: float = _TIMEOUT_S) -> dict[str, Identity]:
        """Give the topics as they are now; empty on the embedded broker.

        Raises:
            OperatorNeededError: one of them is not there.
            BrokerError: the broker does not answer.
        """
        if not self._names:
            return {}
        futures = self._admin.describe_topics(TopicCollection(self._names), request_timeout=timeout_s)
        found = {}
        for name, future in futures.items():
            try:
                answer = future.result(timeout_s)
            except KafkaException as error:
                if kafka_error(error).code() in NOT_THERE:
                    raise _gone(name) from error
                raise broker_error(error, name) from error
            except TimeoutError as error:
                raise BrokerError(
                    f"no answer about topics within {timeout_s:g} s", where=name, help="check that the broker runs"
                ) from error
            found[name] = Identity(str(answer.topic_id)[:_ID_CHARACTERS], len(answer.partitions))
        return found


def check_same(known: Mapping[str, Identity], now: Mapping[str, Identity], group: str) -> None:
    """Hold what was known of topics against what is; a topic that only one side knows says nothing.

    Raises:
        OperatorNeededError: a topic was made anew, or has another partition count.
    """
    for name in sorted(set(known) & set(now)):
        before, after = known[name], now[name]
        if before.partitions != after.partitions:
            raise OperatorNeededError(
                f"`{name}` had {before.partitions} partitions and has {after.partitions}: subjects would change "
                "their partition, and lose their order",
                where=f"group {group}",
                help="partition counts never change: make topics of another prefix or cluster for growth, and give "
                "this one its count back (delete it and create it, then `flowtrack topics acknowledge`)",
            )
        if before.id != after.id:
            raise OperatorNeededError(
                f"`{name}` was deleted and made anew (id `{before.id}`, now `{after.id}`): what it held and was not "
                "read is lost",
                where=f"group {group}",
                help="find out what was lost, set FLOWTRACK_KAFKA__EPOCH to a new name, so that its offsets are not "
                f"taken for those of the old one, and go on with `flowtrack topics acknowledge --group {group}`",
            )


def _gone(name: str) -> OperatorNeededError:
    return OperatorNeededError(
        f"`{name}` is not there: it was deleted, or never made",
        where=name,
        help="find out who deleted it and what was lost; `flowtrack topics create` makes it anew, then `flowtrack "
        "topics acknowledge` lets the workers go on",
    )
