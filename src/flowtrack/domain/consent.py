"""Consent records and usage policies.

A record's states follow the consent status of W3C DPV and ISO/IEC TS 27560; a usage policy has the five
dimensions of usage control (data, processing, purpose, recipient, storage).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from flowtrack.domain.model import Contract, Envelope, Identifier, Name, Subject
from flowtrack.domain.names import RecordKind, RecordState

DAYS_MAX = 100_000
CONSENT_TYPE = "flowtrack.consent.v1"


class AllOf(Contract):
    """A conjunction: all of its terms hold at once."""

    all: Annotated[list[Name], Field(min_length=1, max_length=16)]


Term = Name | AllOf
"""One term of a vocabulary, or a conjunction of several."""


class Duration(Contract):
    """An interval of days that data may be kept; a bound left out does not restrict."""

    min_days: Annotated[int, Field(ge=0, le=DAYS_MAX)] | None = None
    max_days: Annotated[int, Field(ge=0, le=DAYS_MAX)] | None = None


class Storage(Contract):
    """Where data may rest, and for how long."""

    location: Term | None = None
    duration: Duration | None = None


class UsagePolicy(Contract):
    """What may be done with which data, why, by whom and where; a dimension left out does not restrict."""

    data: Term | None = None
    processing: Term | None = None
    purpose: Term | None = None
    recipient: Term | None = None
    storage: Storage | None = None


def names_in(scope: UsagePolicy | None) -> set[str]:
    """Give the terms of a usage policy in all dimensions but the place."""
    terms = [] if scope is None else [scope.data, scope.processing, scope.purpose, scope.recipient]
    return {name for term in terms if term for name in (term.all if isinstance(term, AllOf) else [term])}


class Notice(Contract):
    """What the subject saw when deciding: so that informed consent can be shown (GDPR 7(1))."""

    version: Name
    language: Name | None = None
    hash: Name | None = None


class ConsentData(Contract):
    """One state of one consent record; the same `record` again is a later state of it."""

    record: Identifier
    kind: RecordKind
    state: RecordState
    scope: UsagePolicy | None = None
    notice: Notice | None = None
    expires: AwareDatetime | None = None
    method: Name | None = None
    country: Name | None = None
    """ISO 3166-1 alpha-2 country of the subject; on `account` records."""


class ConsentRecord(Envelope):
    """A CloudEvent `flowtrack.consent.v1`: `time` is when the state takes effect."""

    specversion: Literal["1.0"]
    id: Identifier
    source: Annotated[str, Field(min_length=1, max_length=256)]
    type: Literal["flowtrack.consent.v1"]
    subject: Subject
    time: AwareDatetime
    data: ConsentData
    datacontenttype: str = "application/json"
