"""The keyword arguments of the SDK's methods, one TypedDict a kind: the fields of `EventData` that make sense there.

What stands here as required is what the contract requires (`flowtrack.domain.event.REQUIRED`); a test holds both
together.  Values may be given as the enums of `flowtrack.domain.names` or as their names.

Annotations are not postponed here, as they are elsewhere: only so can a program ask which keys are required.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal, Required, TypedDict

from flowtrack.domain.consent import Notice, UsagePolicy
from flowtrack.domain.event import Actor, Channel, Interval
from flowtrack.domain.names import (
    Basis,
    Consideration,
    Method,
    Protection,
    RecordKind,
    RecordState,
    StoreRole,
    Transform,
)

BasisName = Literal[
    "consent",
    "deemed_consent",
    "law",
    "legal_demand",
    "affiliate",
    "processor",
    "breach_disclosure",
    "lawful_interest",
]
TransformName = Literal["none", "pseudonymise", "anonymise", "aggregate"]
Fields = Mapping[str, object]
"""A nested value given as a plain mapping."""


class Envelope(TypedDict, total=False):
    """What every event may say beside its data."""

    subject: str
    """A ready pseudonym, 32 hex digits, in place of an identifier."""
    time: datetime
    """When it happened, with its zone; left out: now."""
    event_id: str
    """Left out: a new one. The same id again, from the same service, is kept and told as a repeat."""
    traceparent: str
    correlationid: str
    causationid: str


class EventFields(Envelope, total=False):
    """What every event about a person may say."""

    basis: Basis | BasisName
    reference: str
    derived_from: Sequence[str]
    transform: Transform | TransformName


class CollectFields(EventFields, total=False):
    """A collection (clauses 2.1 to 2.3)."""

    categories: Required[Sequence[str]]
    purpose: Required[str]
    method: Required[Method | Literal["provided", "automatic", "received"]]
    received_from: str


class UseFields(EventFields, total=False):
    """A use (clauses 3.0 to 3.4, 6.2)."""

    categories: Required[Sequence[str]]
    purpose: Required[str]
    combined_with: Sequence[str]
    actor: Actor | Fields


class ShareFields(Envelope, total=False):
    """A share (clauses 4 and 6.4)."""

    categories: Required[Sequence[str]]
    purpose: Required[str]
    recipient: Required[str]
    destination: Required[str]
    basis: Required[Basis | BasisName]
    channel: Required[Channel | Fields]
    consideration: Consideration | Literal["none", "sale", "rent", "exchange"]
    protection: Protection | Literal["clear", "encrypted", "hashed"]
    reference: str
    derived_from: Sequence[str]
    transform: Transform | TransformName


class StoreFields(EventFields, total=False):
    """A copy at rest (clauses 5.1, 5.2, 6.3)."""

    categories: Required[Sequence[str]]
    purpose: Required[str]
    dataset: Required[str]
    custodian: Required[str]
    location: Required[str]
    channel: Required[Channel | Fields]
    protection: Protection | Literal["clear", "encrypted", "hashed"]
    role: StoreRole | Literal["primary", "backup"]
    retain_until: datetime


class EraseFields(EventFields, total=False):
    """An erasure; without categories, of all of them."""

    categories: Sequence[str]
    purpose: str
    dataset: str
    custodian: str
    location: str


class IncidentFields(TypedDict, total=False):
    """A breach of personal data (clause 6.5); it has no subject of its own."""

    interval: Required[Interval | Fields]
    service: str
    dataset: str
    party: str
    categories: Sequence[str]
    noticed_at: datetime
    reference: str
    time: datetime
    event_id: str
    traceparent: str
    correlationid: str
    causationid: str


class ConsentFields(TypedDict, total=False):
    """One state of one consent record; `time` is when it takes effect."""

    record: Required[str]
    kind: Required[RecordKind | Literal["consent", "terms", "usage", "opt_out", "account"]]
    state: Required[RecordState | str]
    scope: UsagePolicy | Fields
    notice: Notice | Fields
    expires: datetime
    method: str
    country: str
    subject: str
    time: datetime
    event_id: str
