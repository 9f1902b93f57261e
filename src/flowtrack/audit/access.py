"""Staff access: which person at work used whose data, in which role, for which task, from which session (clause 6.2).

GDPR 32(4) asks that people with access act on instructions only; PIPA's safety standard asks for a review of their log.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import AwareDatetime

from flowtrack.audit.family import Answer, PagedQuestion
from flowtrack.audit.roles import EXAMINERS, Role
from flowtrack.audit.trail import facts_of, particulars_of
from flowtrack.domain.model import Contract, Identifier, Name, Subject


class StaffUse(Contract):
    """A use of one category of one subject's data by a person."""

    happened_at: AwareDatetime
    recorded_at: AwareDatetime
    actor: str
    """Id that the service gives its people; never a name. Empty where the event names none."""
    actor_type: str
    """`staff` or `contractor`."""
    role: str
    task: str
    session: str
    agreement: str
    """Of confidentiality."""
    reference: str
    subject: str
    """Pseudonym."""
    event_id: str
    service: str
    category: str
    purpose: str
    verdict: str
    clauses: list[str]
    reasons: list[str]
    pack: str
    revision: int


class StaffCount(Contract):
    """What one person did in one role."""

    actor: str
    role: str
    flows: int
    denied: int
    subjects: int
    without_task: int
    """Flows whose event names no task."""
    without_session: int
    """Flows whose event names no session."""


class AccessAnswer(Answer):
    """A page of uses, the newest first; the counts are those of all pages."""

    rows: list[StaffUse]
    staff: list[StaffCount]


class Access(PagedQuestion[AccessAnswer]):
    """Who of the staff used whose data, and for what?"""

    family: ClassVar[str] = "access"
    answer: ClassVar[type[Answer]] = AccessAnswer
    names_subjects: ClassVar[bool] = True
    roles: ClassVar[frozenset[Role]] = EXAMINERS

    actor: Identifier | None = None
    """Only this person."""
    role: Name | None = None
    """Only what was done in this role."""
    subject: Subject | None = None
    service: Name | None = None
    category: Name | None = None
    """Only this one, and what hangs under it by name."""

    @property
    def whom(self) -> str | None:
        """The subject that it is about, where it is about one."""
        return self.subject


def actor_of(facts: str, particulars: str) -> dict[str, str]:
    """Give who used the data and on what ground, by the names of `StaffUse`, from what the event said.

    Args:
        facts: as the ledger keeps it (`audit.trail.facts_of`).
        particulars: likewise.
    """
    said, alone = facts_of(facts), particulars_of(particulars)
    given = {
        "actor": alone.actor_id,
        "actor_type": said.actor_type,
        "role": said.actor_role,
        "task": alone.actor_task,
        "session": alone.actor_session,
        "agreement": alone.actor_agreement,
        "reference": alone.reference,
    }
    return {name: value or "" for name, value in given.items()}
