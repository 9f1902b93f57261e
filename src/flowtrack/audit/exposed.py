"""Exposed subjects: whose data was in a place that was exposed, one by one, so that each of them can be told.

Whom to tell of a breach is asked by GDPR 34 and PIPA 34; how many they are, and where their data got to, is `blast`.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import AwareDatetime

from flowtrack.audit.blast import PlaceKind
from flowtrack.audit.family import Answer, PagedQuestion
from flowtrack.audit.roles import EXAMINERS, Role
from flowtrack.domain.model import Contract, Name


class ExposedSubject(Contract):
    """What of one subject was in the place."""

    subject: str
    """Pseudonym."""
    categories: list[str]
    flows: int
    """Of an event and a category."""
    first: AwareDatetime
    last: AwareDatetime


class ExposedAnswer(Answer):
    """A page of subjects, in the ledger's own order."""

    rows: list[ExposedSubject]
    subjects: int | None
    """On all pages; counted for the first, None on the others."""


class ExposedSubjects(PagedQuestion[ExposedAnswer]):
    """Whose data was in a dataset, at a service or with a party?"""

    family: ClassVar[str] = "exposed-subjects"
    answer: ClassVar[type[Answer]] = ExposedAnswer
    names_subjects: ClassVar[bool] = True
    roles: ClassVar[frozenset[Role]] = EXAMINERS

    start: PlaceKind
    """What was exposed."""
    name: Name
    categories: list[Name] = []
    """Only these, and what hangs under them by name; left out, all."""


def ledger_order(subject: str) -> str:
    """What subjects are ordered by in the ledger: the second half of their digits first."""
    half = len(subject) // 2
    return subject[half:] + subject[:half]
