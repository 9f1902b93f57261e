"""Retention overdue: data that services stored, that should be gone, and that no erasure has told of (GDPR 5(1)(e))."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import AwareDatetime, Field

from flowtrack.audit.cursors import Key
from flowtrack.audit.family import Answer, PagedQuestion
from flowtrack.domain.model import Contract, Name

DAYS_MAX = 36_525


class OverdueRow(Contract):
    """Copies of one category in one dataset that are kept too long."""

    dataset: str
    service: str
    """Who stored them last."""
    category: str
    copies: int
    """Of one subject's data each."""
    first_due: AwareDatetime
    """When the first of them should have gone."""
    last_due: AwareDatetime


class OverdueAnswer(Answer):
    """A page of what is overdue, what is due longest first."""

    rows: list[OverdueRow]
    copies: int
    """Of all pages."""
    at: AwareDatetime | None
    """The instant that due dates are held against: `as_of`, else what was known; None of an empty ledger."""


class Overdue(PagedQuestion[OverdueAnswer]):
    """What is stored for longer than it should be?"""

    family: ClassVar[str] = "overdue"
    answer: ClassVar[type[Answer]] = OverdueAnswer

    keep_days: Annotated[int, Field(ge=1, le=DAYS_MAX)] | None = None
    """Copies that name no end may be kept for so many days; left out, they are never overdue."""
    dataset: Name | None = None
    service: Name | None = None
    category: Name | None = None
    """Only this one, and what hangs under it by name."""


def overdue_of(**said: Any) -> OverdueRow:  # noqa: ANN401 - the columns as they come
    """Make a row."""
    return OverdueRow(**said)


def rank_of(row: OverdueRow) -> Key:
    """Where a row stands: what is due longest first."""
    return [int(row.first_due.timestamp() * 1_000_000), row.dataset, row.service, row.category]
