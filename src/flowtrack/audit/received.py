"""Who received: which party got which categories of data, how often, whose, from whom and under which clauses.

GDPR 15(1)(c) asks for the recipients of a person's data, 30(1)(d) for those of a processing.
"""

from __future__ import annotations

from datetime import date
from typing import ClassVar

from pydantic import AwareDatetime

from flowtrack.audit.family import Answer, PagedQuestion
from flowtrack.audit.roles import EXAMINERS, Role
from flowtrack.domain.model import Contract, Name


class ReceivedRow(Contract):
    """What one party received of one category."""

    recipient: str
    category: str
    flows: int
    """Of an event and a category."""
    denied: int
    """Of these, what the policy denied."""
    indeterminate: int
    """Of these, what could not be judged."""
    subjects: int | None
    """Whose it was; counted where the question names a recipient, None where it does not."""
    services: list[str]
    """Who sent it."""
    purposes: list[str]
    clauses: list[str]
    """What decided."""
    first: date
    """Day of the first of these flows, in UTC."""
    last: date


class ReceivedAnswer(Answer):
    """A page of parties and categories, what was received most first; the sums are those of all pages."""

    rows: list[ReceivedRow]
    flows: int
    denied: int
    subjects: int | None
    """People whose data the party received; None where the question names no recipient."""


class Received(PagedQuestion[ReceivedAnswer]):
    """Who received what?"""

    family: ClassVar[str] = "received"
    answer: ClassVar[type[Answer]] = ReceivedAnswer

    recipient: Name | None = None
    category: Name | None = None
    """Only this one, and what hangs under it by name."""
    service: Name | None = None
    """Only what this service sent."""


class Recipient(Contract):
    """What one party received of one subject."""

    subject: str
    """Pseudonym."""
    flows: int
    denied: int
    categories: list[str]
    services: list[str]
    first: AwareDatetime
    last: AwareDatetime


class RecipientAnswer(Answer):
    """A page of subjects, in their order."""

    rows: list[Recipient]


class ReceivedSubjects(PagedQuestion[RecipientAnswer]):
    """Whose data did one party receive?"""

    family: ClassVar[str] = "received-subjects"
    answer: ClassVar[type[Answer]] = RecipientAnswer
    names_subjects: ClassVar[bool] = True
    roles: ClassVar[frozenset[Role]] = EXAMINERS

    recipient: Name
    category: Name | None = None
    """Only this one, and what hangs under it by name."""
    service: Name | None = None
    """Only what this service sent."""
