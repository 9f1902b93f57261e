"""What happens in a day, written down in any order and read out in the order of time."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

import msgspec

from flowtrack.domain.event import SERVICE_SOURCE, incident_subject
from flowtrack.domain.instants import from_us
from flowtrack.domain.names import Kind
from flowtrack.wire.keys import consent_key

Data = dict[str, object]
_ENCODE = msgspec.json.Encoder().encode
_CONSENT = "consent"
_EPOCH = 1
"""Which life of a service numbers its events: nobody restarts on a sample day."""


class Item(NamedTuple):
    """One record as it is published: an event or a consent record."""

    time_us: int
    """When it happened or takes effect, microseconds since the epoch."""
    kind: str
    """Of an event; `consent` for a consent record."""
    service: str
    subject: str
    key: str
    event_id: str
    value: bytes
    """A CloudEvent in structured JSON."""

    @property
    def consent(self) -> bool:
        """Whether it is a consent record."""
        return self.kind == _CONSENT


class _Draft(NamedTuple):
    time_us: int
    order: int
    service: str
    kind: Kind | None
    """None for a consent record."""
    subject: str
    event_id: str
    correlation: str
    data: Data


@dataclass(slots=True)
class Diary:
    """Collects events and consent records; ids come from the random generator."""

    rng: Random
    events: int = 0
    _drafts: list[_Draft] = field(default_factory=list)

    def new_id(self) -> str:
        """An id that no other record has."""
        return f"{self.rng.getrandbits(128):032x}"

    def event(self, subject: str, time_us: int, service: str, kind: Kind, data: Data, correlation: str = "") -> str:
        """Write an event down and give its id."""
        event_id = self.new_id()
        self.events += 1
        self._drafts.append(_Draft(time_us, len(self._drafts), service, kind, subject, event_id, correlation, data))
        return event_id

    def incident(self, time_us: int, service: str, data: Data) -> str:
        """Write an incident down, whose subject is made from its source and id, and give its id."""
        event_id = self.new_id()
        self.events += 1
        subject = incident_subject(SERVICE_SOURCE + service, event_id)
        draft = _Draft(time_us, len(self._drafts), service, Kind.INCIDENT, subject, event_id, "", data)
        self._drafts.append(draft)
        return event_id

    def consent(self, subject: str, time_us: int, service: str, data: Data) -> None:
        """Write a state of a consent record down."""
        self._drafts.append(_Draft(time_us, len(self._drafts), service, None, subject, self.new_id(), "", data))

    def items(self) -> list[Item]:
        """Everything in the order of time; of one instant, in the order in which it was written down."""
        numbers: dict[str, int] = {}
        items = []
        for draft in sorted(self._drafts):
            kind, service = draft.kind, draft.service
            message: Data = {
                "specversion": "1.0",
                "id": draft.event_id,
                "source": SERVICE_SOURCE + service,
                "type": "flowtrack.consent.v1" if kind is None else _TYPES[kind],
                "subject": draft.subject,
                "time": from_us(draft.time_us),
                "data": draft.data,
            }
            key = draft.subject
            if kind is None:
                key = consent_key(draft.subject, str(draft.data["record"]), draft.event_id)
            else:
                if draft.correlation:
                    message["correlationid"] = draft.correlation
                numbers[service] = number = numbers.get(service, 0) + 1
                message["sequence"] = f"{_EPOCH}.{number}"
            named = _CONSENT if kind is None else kind.value
            items.append(Item(draft.time_us, named, service, draft.subject, key, draft.event_id, _ENCODE(message)))
        return items


_TYPES = {kind: f"flowtrack.{kind.value}.v1" for kind in Kind}
