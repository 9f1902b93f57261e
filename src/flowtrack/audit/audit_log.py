"""The audit log: who asked what about whom, when and why; and who changed what in the ledger."""

from __future__ import annotations

from typing import ClassVar

from pydantic import AwareDatetime

from flowtrack.audit.family import Answer, PagedQuestion
from flowtrack.audit.roles import Role
from flowtrack.domain.model import Contract, Name, Subject


class AuditLine(Contract):
    """A question, or something done to the ledger."""

    asked_at: AwareDatetime
    who: str
    role: str
    """Empty for who runs Flowtrack."""
    asked: str
    """The family that was asked, or what was done."""
    subject: str
    """Pseudonym; empty where it was about nobody, or whose it was is erased."""
    why: str
    parameters: str
    """What else the question said, as JSON."""


class AuditLogAnswer(Answer):
    """A page of lines, the newest first."""

    rows: list[AuditLine]


class AuditLog(PagedQuestion[AuditLogAnswer]):
    """Who asked what about whom?"""

    family: ClassVar[str] = "audit-log"
    answer: ClassVar[type[Answer]] = AuditLogAnswer
    names_subjects: ClassVar[bool] = True
    roles: ClassVar[frozenset[Role]] = frozenset({Role.AUDITOR})
    by_clock: ClassVar[bool] = True

    who: Name | None = None
    """Only what this account asked."""
    role: Role | None = None
    """Only what was asked in this role."""
    subject: Subject | None = None
    """Only what was asked about this one."""
    asked: Name | None = None
    """Only this family, or this thing done."""

    @property
    def whom(self) -> str | None:
        """The subject that it is about."""
        return self.subject
