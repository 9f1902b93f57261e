"""A checker to be fed in tests, without Kafka: records in, decoded outputs out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from flowtrack.policy.pack import default_pack
from flowtrack.tracking.check import Checker
from flowtrack.tracking.records import Output, Record, Topic
from flowtrack.tracking.rulebook import Rulebook
from flowtrack.wire.keys import consent_key
from flowtrack.wire.partition import partition_of
from tests.policy import world

PARTITIONS = 1
RECEIVED_MS = 1_000 * int(world.instant(world.INSTANTS).timestamp())
"""When everything arrived: after the last of the world's instants."""


@cache
def _pack() -> Any:
    return default_pack()


def rulebook() -> Rulebook:
    """The default pack and the world's registry."""
    return Rulebook([_pack()], [world.registry()])


def checker(
    *,
    partitions: int = PARTITIONS,
    resumed: bool = False,
    rules: Rulebook | None = None,
    history: Iterable[Record] = (),
) -> Checker:
    """A checker that owns all partitions."""
    made = Checker(rules or rulebook(), partitions, lambda _: resumed)
    for partition in range(partitions):
        made.assigned(partition, [record for record in history if record.partition == partition])
    return made


def encoded(message: Any) -> bytes | None:
    """A message as JSON; bytes and None as they are."""
    return message if isinstance(message, bytes | None) else json.dumps(message).encode()


def record(topic: Topic, offset: int, message: Any, *, key: bytes | None = b"", partition: int | None = None) -> Record:
    """A record of a topic, on the partition of its subject."""
    subject = message.get("subject") if isinstance(message, dict) else None
    if partition is None:
        try:
            partition = partition_of(str(subject), PARTITIONS)
        except ValueError:
            partition = 0
    return Record(topic, partition, offset, RECEIVED_MS, key, encoded(message))


def event_record(offset: int, message: Any, **where: Any) -> Record:
    """An event on its topic."""
    return record(Topic.EVENTS, offset, message, **where)


def consent_record(offset: int, message: Any, **where: Any) -> Record:
    """A consent record on its topic, under its own key."""
    key = b""
    if isinstance(message, dict) and isinstance(message.get("data"), dict):
        key = consent_key(
            str(message.get("subject")), str(message["data"].get("record")), str(message.get("id"))
        ).encode()
    return record(Topic.CONSENTS, offset, message, **{"key": key, **where})


def tombstone(offset: int, message: Any) -> Record:
    """What erases a consent record."""
    return consent_record(offset, message)._replace(value=None)


def records(messages: Sequence[Any]) -> list[Record]:
    """Events and consents as their topics' records, each with its own offsets, in this order."""
    found: list[Record] = []
    counts = {Topic.EVENTS: 0, Topic.CONSENTS: 0}
    for message in messages:
        consent = message["type"] == "flowtrack.consent.v1"
        topic = Topic.CONSENTS if consent else Topic.EVENTS
        make = consent_record if consent else event_record
        found.append(make(counts[topic], message))
        counts[topic] += 1
    return found


class Told(NamedTuple):
    """A checker's outputs, decoded."""

    decisions: list[Any]
    situations: list[Any]
    consents: list[Any]
    markers: list[Any]
    findings: list[Any]
    dead: list[Any]


def told(outputs: Iterable[Output]) -> Told:
    """Outputs by what they are."""
    found = Told([], [], [], [], [], [])
    by_type = {
        "decision": found.decisions,
        "situation": found.situations,
        "consent": found.consents,
        "marker": found.markers,
        "finding": found.findings,
    }
    for output in outputs:
        message = json.loads(output.value or b"{}")
        if output.topic == Topic.DEADLETTERS:
            found.dead.append(message)
        else:
            by_type[message["type"]].append(message)
    return found


def check(messages: Sequence[Record], **how: Any) -> Told:
    """What a fresh checker says of one batch."""
    return told(checker(**how).process(messages))


def judgement(decision: Any) -> Any:
    """What was decided, without where the event stood."""
    left_out = {"partition", "offset", "received_at", "suspect"}
    return {name: value for name, value in decision.items() if name not in left_out}


def instant_of(text: str) -> datetime:
    """An instant of an output."""
    return datetime.fromisoformat(text)
