"""A subject's trail: where one person's data went, step by step, and what the person had said (GDPR 15(1))."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, ClassVar

from pydantic import AwareDatetime

from flowtrack.audit.family import Answer, SubjectQuestion
from flowtrack.audit.roles import DESKS, Role
from flowtrack.domain.consent import Notice, UsagePolicy
from flowtrack.domain.facts import Facts, Particulars
from flowtrack.domain.model import Contract, Name
from flowtrack.domain.names import Kind

_FACTS_CACHED = 4_096


class TrailCategory(Contract):
    """One category of a step, and how it was judged."""

    category: str
    verdict: str
    severity: str
    rules: list[str]
    clauses: list[str]
    reasons: list[str]
    notes: list[str]
    gaps: list[str]
    consent: str
    """Record that carried the verdict; empty where none did."""
    situation: str
    revision: int


class TrailEvent(Contract):
    """One step on a subject's trail."""

    event_id: str
    kind: str
    happened_at: AwareDatetime
    recorded_at: AwareDatetime
    service: str
    purpose: str
    basis: str
    recipient: str
    dataset: str
    location: str
    """Where it was stored, or shared to."""
    facts: Facts
    """What else the event said and services say again and again; empty of what was written before it was kept."""
    particulars: Particulars
    """What it said that is its alone: reference, who did it, what it was derived from, kept until when."""
    verdict: str
    """The worst of its categories."""
    pack: str
    registry: str
    suspect: bool
    correlation_id: str
    epoch: str
    partition: int
    offset: int
    categories: list[TrailCategory]


class TrailConsent(Contract):
    """One state of a consent record on a subject's trail."""

    event_id: str
    record: str
    kind: str
    state: str
    valid_from: AwareDatetime
    recorded_at: AwareDatetime
    expires: AwareDatetime | None
    scope: UsagePolicy | None
    notice: Notice | None
    method: str
    country: str


class TrailAnswer(Answer):
    """A subject's trail, in the order in which things happened."""

    rows: list[TrailEvent]
    consents: list[TrailConsent]
    """Every state that was in force at any time of the trail, also what was said before its period begins."""


class Trail(SubjectQuestion[TrailAnswer]):
    """Where did one subject's data go?"""

    family: ClassVar[str] = "trail"
    answer: ClassVar[type[Answer]] = TrailAnswer
    roles: ClassVar[frozenset[Role]] = DESKS

    category: Name | None = None
    """Only this one, and what hangs under it by name; steps then show no other."""
    service: Name | None = None
    kind: Kind | None = None


@lru_cache(maxsize=_FACTS_CACHED)
def facts_of(text: str) -> Facts:
    """Read the facts of a row; those of one that has none say nothing."""
    return Facts.model_validate_json(text) if text else Facts()


def particulars_of(text: str) -> Particulars:
    """Read the particulars of a row; those of one that has none say nothing."""
    return Particulars.model_validate_json(text) if text else Particulars()


def versions_of(rows: list[TrailEvent]) -> dict[str, Any]:
    """The versions that judged these steps, as `About.judged_by` takes them."""
    return {"packs": [row.pack for row in rows], "registries": [row.registry for row in rows]}
