"""Small random days: what services and the consent tool publish, in the order in which it arrives.

Everything happens at one of a dozen instants, so that records meet events at the very same one; what arrives is late
and in no order.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from flowtrack.tracking.records import Record, Topic
from flowtrack.wire.keys import consent_key
from flowtrack.wire.partition import partition_of

PARTITIONS = 2
START = datetime(2026, 3, 2, 9, tzinfo=UTC)
INSTANTS = [(START + timedelta(minutes=n)).isoformat() for n in range(12)]
FIRST_ARRIVAL_MS = int((START + timedelta(hours=1)).timestamp() * 1000)
SUBJECTS = [f"{number:08x}{'5eed' * 6}" for number in range(5)]
POISON = b"poison"
"""Stands in events that the simulated checker fails on."""

REGISTRY: dict[str, Any] = {
    "name": "simulated",
    "version": "1",
    "services": {"shop": {"controller": "platform", "regions": ["KR"]}},
    "parties": {
        "travelclub": {
            "type": "partner",
            "country": "TH",
            "needs": {"service.improve": ["provided", "automatic"], "joint_service": ["provided"]},
        }
    },
}

_SHARE = {
    "purpose": "service.improve",
    "recipient": "travelclub",
    "destination": "KR",
    "basis": "consent",
    "channel": {"encrypted": True, "protocol": "TLS 1.3"},
}
_EVENTS: list[tuple[str, str, dict[str, Any]]] = [
    ("share", "shop", {**_SHARE, "categories": ["provided.name"]}),
    ("share", "shop", {**_SHARE, "categories": ["provided.name", "provided.email"]}),
    ("use", "shop", {"categories": ["provided.gender", "automatic.language"], "purpose": "personalisation"}),
    ("use", "shop", {"categories": ["provided.email"], "purpose": "recommendation.send"}),
    ("use", "shop", {"categories": ["provided.name"], "purpose": "outside"}),
    ("use", "nobody", {"categories": ["provided.name"], "purpose": "personalisation"}),
]
_SCOPE = {"data": "provided", "processing": "share", "purpose": "service.improve", "recipient": "travelclub"}
_CONSENTS: list[dict[str, Any]] = [
    {"record": "consent-1", "kind": "consent", "state": "given", "scope": _SCOPE},
    {"record": "consent-1", "kind": "consent", "state": "withdrawn"},
    {"record": "consent-2", "kind": "consent", "state": "given", "scope": {**_SCOPE, "data": "provided.name"}},
    {"record": "terms-1", "kind": "terms", "state": "accepted"},
    {"record": "terms-1", "kind": "terms", "state": "rejected"},
    {"record": "optout-1", "kind": "opt_out", "state": "given", "scope": {"purpose": "recommendation"}},
    {"record": "optout-1", "kind": "opt_out", "state": "withdrawn"},
    {"record": "account-1", "kind": "account", "state": "open", "country": "KR"},
    {"record": "account-1", "kind": "account", "state": "closed"},
]
_json = msgspec.json.Encoder().encode


def is_poison(record: Record) -> bool:
    """Whether the checker fails on a record, for whatever reason."""
    return record.topic == Topic.EVENTS and POISON in (record.value or b"")


class Arrival(NamedTuple):
    """A record as its producer publishes it."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None


def day_of(chance: random.Random, size: int) -> list[Arrival]:
    """A day of some `size` arrivals."""
    return _Day(chance).arrivals(size)


def closing_events() -> list[Arrival]:
    """An event for each partition, after everything else."""
    day = _Day(random.Random(0))
    return [day.use(SUBJECTS[partition], f"closing-{partition}") for partition in range(PARTITIONS)]


class _Day:
    """Makes a day up; remembers what a repeat or a tombstone refers to."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._subjects = SUBJECTS[: chance.randint(1, len(SUBJECTS))]
        self._numbers: dict[str, int] = {}
        self._made = 0
        self._events: list[Arrival] = []
        self._consents: list[tuple[Arrival, dict[str, Any]]] = []

    def arrivals(self, size: int) -> list[Arrival]:
        return [self._arrival() for _ in range(size)]

    def _arrival(self) -> Arrival:
        self._made += 1
        dice = self._chance.random()
        if dice < 0.06:
            return self._bad()
        if dice < 0.14 and self._events:
            return self._chance.choice(self._events)
        if dice < 0.19 and self._consents:
            return self._chance.choice(self._consents)[0]._replace(value=None)
        if dice < 0.24 and self._consents:
            return self._replaced()
        return self._consent() if dice < 0.5 else self._event()

    def _event(self, correlation: str = "day") -> Arrival:
        kind, service, data = self._chance.choice(_EVENTS)
        subject = self._chance.choice(self._subjects)
        message = {
            "specversion": "1.0",
            "id": f"e-{self._made}",
            "source": f"/services/{service}",
            "type": f"flowtrack.{kind}.v1",
            "subject": subject,
            "time": self._chance.choice(INSTANTS),
            "correlationid": correlation,
            "data": data,
        }
        if self._chance.random() < 0.9:
            producer = self._chance.choice("ab")
            number = self._numbers[producer] = self._numbers.get(producer, 0) + self._chance.choice([1, 1, 1, 3])
            message["sequence"] = f"{producer}.{number}"
        made = Arrival(Topic.EVENTS, partition_of(subject, PARTITIONS), subject.encode(), _json(message))
        self._events.append(made)
        return made

    def use(self, subject: str, event_id: str) -> Arrival:
        """The first of all events."""
        kind, service, data = _EVENTS[2]
        message = {
            "specversion": "1.0",
            "id": event_id,
            "source": f"/services/{service}",
            "type": f"flowtrack.{kind}.v1",
            "subject": subject,
            "time": INSTANTS[0],
            "data": data,
        }
        return Arrival(Topic.EVENTS, partition_of(subject, PARTITIONS), subject.encode(), _json(message))

    def _consent(self) -> Arrival:
        subject = self._chance.choice(self._subjects)
        message = {
            "specversion": "1.0",
            "id": f"c-{self._made}",
            "source": "/consent-tool",
            "type": "flowtrack.consent.v1",
            "subject": subject,
            "time": self._chance.choice(INSTANTS),
            "data": self._chance.choice(_CONSENTS),
        }
        return self._published(message)

    def _replaced(self) -> Arrival:
        """A consent record published again, under the same key, with another time."""
        _, message = self._chance.choice(self._consents)
        return self._published({**message, "time": self._chance.choice(INSTANTS)})

    def _published(self, message: dict[str, Any]) -> Arrival:
        subject = message["subject"]
        key = consent_key(subject, message["data"]["record"], message["id"]).encode()
        made = Arrival(Topic.CONSENTS, partition_of(subject, PARTITIONS), key, _json(message))
        self._consents.append((made, message))
        return made

    def _bad(self) -> Arrival:
        """A message that has to end as a dead letter."""
        which = self._chance.randrange(6)
        if which == 0:
            return self._event(POISON.decode())
        sound = self._event() if which < 5 else self._consent()
        if which == 1:
            return sound._replace(value=b"{")
        if which == 2:
            return sound._replace(value=None)
        if which == 3:
            return sound._replace(value=(sound.value or b"").replace(b"2026-03", b"2019-03"))
        if which == 4:
            return sound._replace(partition=1 - sound.partition)
        return sound._replace(partition=1 - sound.partition, value=None)
