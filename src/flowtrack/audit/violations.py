"""Violations: flows that were denied, or could not be judged, one by one and the newest first."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import AwareDatetime

from flowtrack.audit.family import Answer, PagedQuestion
from flowtrack.audit.roles import EXAMINERS, Role
from flowtrack.domain.model import Contract, Name


class Violation(Contract):
    """A flow that did not pass."""

    happened_at: AwareDatetime
    recorded_at: AwareDatetime
    subject: str
    """Pseudonym."""
    event_id: str
    service: str
    kind: str
    category: str
    purpose: str
    recipient: str
    verdict: str
    severity: str
    clauses: list[str]
    reasons: list[str]
    gaps: list[str]
    pack: str
    revision: int


class ViolationsAnswer(Answer):
    """A page of violations."""

    rows: list[Violation]


class Violations(PagedQuestion[ViolationsAnswer]):
    """Which flows were denied, or could not be judged?"""

    family: ClassVar[str] = "violations"
    answer: ClassVar[type[Answer]] = ViolationsAnswer
    names_subjects: ClassVar[bool] = True
    roles: ClassVar[frozenset[Role]] = EXAMINERS

    service: Name | None = None
    recipient: Name | None = None
    category: Name | None = None
    purpose: Name | None = None
    verdict: Literal["deny", "indeterminate"] | None = None
    """Only what was denied, or only what could not be judged."""
    clause: Name | None = None
    """Only what this clause of the policy decided."""
