"""Collection, use, share, store, erase and incident events: CloudEvents 1.0 with Flowtrack's `data`.

This is the one definition of the contract: JSON Schema (schemas/) and the hot path's decoder are derived from it.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from flowtrack.domain.model import Contract, Envelope, Identifier, Name, Subject
from flowtrack.domain.names import ActorType, Basis, Consideration, Kind, Method, Protection, StoreRole, Transform

SERVICE_SOURCE = "/services/"
CATEGORIES_MAX = 64
_SUBJECT_DIGITS = 32

TYPES: dict[str, Kind] = {f"flowtrack.{kind.value}.v1": kind for kind in Kind}
"""CloudEvents `type` to kind."""

REQUIRED: dict[Kind, tuple[str, ...]] = {
    Kind.COLLECT: ("categories", "purpose", "method"),
    Kind.USE: ("categories", "purpose"),
    Kind.SHARE: ("categories", "purpose", "recipient", "destination", "basis", "channel"),
    Kind.STORE: ("categories", "purpose", "dataset", "custodian", "location", "channel"),
    Kind.ERASE: (),
    Kind.INCIDENT: ("interval",),
}
"""The fields of `data` that a kind cannot do without (NAMES, "Kinds, required fields")."""


class Channel(Contract):
    """How data travels to a recipient or a store (clause 6.1)."""

    encrypted: bool
    protocol: Name | None = None


class Actor(Contract):
    """Who acts in a use (clause 6.2); `id` is a pseudonym of a member of staff."""

    type: ActorType
    id: Identifier | None = None
    role: Name | None = None
    agreement: Identifier | None = None
    session: Identifier | None = None
    task: Identifier | None = None


class Interval(Contract):
    """From an instant (inclusive) to an instant (exclusive)."""

    from_: Annotated[AwareDatetime, Field(alias="from")]
    to: AwareDatetime


class EventData(Contract):
    """What happened to which categories of personal data: names only, never values."""

    categories: Annotated[list[Name], Field(min_length=1, max_length=CATEGORIES_MAX)] | None = None
    """Names of the category vocabulary; absent in erase and incident events means all."""
    purpose: Name | None = None
    basis: Basis | None = None
    """The legal basis claimed; left out means `deemed_consent`."""
    reference: Identifier | None = None
    """The order, statute (`statute:...`), case or agreement behind the basis."""
    method: Method | None = None
    received_from: Name | None = None
    """The party that passed the data on, when `method` is `received`."""
    recipient: Name | None = None
    destination: Name | None = None
    """ISO 3166-1 alpha-2 region that a share goes to."""
    consideration: Consideration = Consideration.NONE
    channel: Channel | None = None
    protection: Protection | None = None
    combined_with: Annotated[list[Name], Field(max_length=CATEGORIES_MAX)] | None = None
    actor: Actor | None = None
    dataset: Name | None = None
    custodian: Name | None = None
    """`platform`, or the party that keeps the dataset."""
    location: Name | None = None
    """ISO 3166-1 alpha-2 region where the dataset rests."""
    role: StoreRole = StoreRole.PRIMARY
    retain_until: AwareDatetime | None = None
    derived_from: Annotated[list[Identifier], Field(max_length=CATEGORIES_MAX)] | None = None
    transform: Transform = Transform.NONE
    interval: Interval | None = None
    service: Name | None = None
    """The service that an incident reached."""
    party: Name | None = None
    """The party that an incident reached."""
    noticed_at: AwareDatetime | None = None


class Event(Envelope):
    """A CloudEvent about one subject's personal data."""

    specversion: Literal["1.0"]
    id: Identifier
    source: Annotated[str, Field(min_length=len(SERVICE_SOURCE) + 1, max_length=256)]
    """`/services/<id>`: the service that publishes."""
    type: Name
    subject: Subject
    time: AwareDatetime
    """When it happened."""
    data: EventData
    datacontenttype: str = "application/json"
    traceparent: Annotated[str, Field(max_length=64)] | None = None
    correlationid: Annotated[str, Field(max_length=128)] | None = None
    causationid: Annotated[str, Field(max_length=128)] | None = None
    sequence: Annotated[str, Field(max_length=64)] | None = None
    """Producer epoch and number, `<epoch>.<number>`: rises with every event of one producer."""


def incident_subject(source: str, event_id: str) -> str:
    """Give the subject of an incident, which has none of its own: made from its source and id (NAMES)."""
    return hashlib.sha256(f"{source}\0{event_id}".encode()).hexdigest()[:_SUBJECT_DIGITS]


def missing_field(kind: Kind, data: EventData) -> str | None:
    """The first field of `data` that the kind cannot do without and that is absent; None when all are there."""
    for name in REQUIRED[kind]:
        if getattr(data, name) is None:
            return name
    if kind is Kind.COLLECT and data.method is Method.RECEIVED and data.received_from is None:
        return "received_from"
    if kind is Kind.INCIDENT and data.service is None and data.dataset is None and data.party is None:
        return "service"
    return None
