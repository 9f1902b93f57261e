"""Deadlines and thresholds: the numbers of laws as settings, each with its source, and what is due by when."""

from __future__ import annotations

import calendar
from datetime import MAXYEAR, datetime, timedelta
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from flowtrack.audit.overdue import DAYS_MAX
from flowtrack.domain.model import Contract

_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)
_MONTHS = 12


class Terms(Contract):
    """Numbers that laws set; an organisation may set stricter ones of its own."""

    gdpr_access_months: Annotated[int, Field(ge=1, le=12)] = 1
    """To answer a subject's request (GDPR 12(3))."""
    gdpr_access_extension_months: Annotated[int, Field(ge=0, le=12)] = 2
    """By which that may be extended (GDPR 12(3))."""
    pipa_access_days: Annotated[int, Field(ge=1, le=365)] = 10
    """To let a subject see their data (PIPA 35(3), decree 41)."""
    pipl_access_days: Annotated[int, Field(ge=1, le=365)] = 15
    """Likewise: PIPL 45 and 50 say `timely`, so the number is this organisation's own."""
    gdpr_breach_hours: Annotated[int, Field(ge=1, le=720)] = 72
    """To tell the supervisory authority (GDPR 33(1))."""
    pipa_breach_hours: Annotated[int, Field(ge=1, le=720)] = 72
    """To tell subjects, and to report (PIPA 34, decree 39 and 40)."""
    pipa_breach_subjects: Annotated[int, Field(ge=1)] = 1_000
    """From so many subjects on a leak is reported (PIPA 34(4), decree 40)."""
    pipa_identifying: list[str] = ["identity_document"]
    """Categories that PIPA calls uniquely identifying: with one of them, or what lies under it, a leak is reported."""
    keep_days: Annotated[int, Field(ge=1, le=DAYS_MAX)] | None = None
    """Copies that name no end may be kept for so many days: the organisation's own; without, they are never overdue."""
    staff_review_months: Annotated[int, Field(ge=1, le=12)] = 1
    """Access logs are looked through so often (PIPC standard, article 8)."""


State = Literal["open", "soon", "overdue", "at_once"]


class Deadline(Contract):
    """Something that is due, and how long there is."""

    duty: str
    """Code; its words stand with the page's."""
    sources: list[str]
    number: int | None
    """None where the law says no number."""
    unit: Literal["months", "days", "hours", "at_once"]
    own_number: bool = False
    """The number is the organisation's own, since the law says none."""
    due_at: AwareDatetime
    left_days: int | None = None
    """Whole days left; negative when it is past. Of deadlines in days and months."""
    left_hours: int | None = None
    """Likewise of those in hours."""
    state: State
    applies: bool = True
    """False where a threshold is not met, or may not be."""
    why: list[str] = []
    """Codes of why it applies, or does not."""


def due_in(
    duty: str,
    sources: list[str],
    began_at: datetime,
    now: datetime,
    *,
    months: int = 0,
    days: int = 0,
    hours: int = 0,
    own_number: bool = False,
) -> Deadline:
    """Give a deadline that began to run at an instant; without any length it is due at once."""
    due_at = plus_months(began_at, months) + days * _DAY + hours * _HOUR
    left = due_at - now
    at_once = not (months or days or hours)
    return Deadline(
        duty=duty,
        sources=sources,
        number=None if at_once else months or days or hours,
        unit="at_once" if at_once else "months" if months else "days" if days else "hours",
        own_number=own_number,
        due_at=due_at,
        left_days=None if hours or at_once else left // _DAY,
        left_hours=left // _HOUR if hours else None,
        state="at_once" if at_once else _state(left, due_at - began_at),
    )


def plus_months(at: datetime, months: int) -> datetime:
    """Give the same day so many months later, or that month's last day (Regulation 1182/71, article 3(2)(c)).

    Raises:
        OverflowError: there is no such year.
    """
    years, month = divmod(at.month - 1 + months, _MONTHS)
    year = at.year + years
    if year > MAXYEAR:
        raise OverflowError("there is no such year")
    return at.replace(year=year, month=month + 1, day=min(at.day, calendar.monthrange(year, month + 1)[1]))


def _state(left: timedelta, whole: timedelta) -> State:
    if left < timedelta(0):
        return "overdue"
    return "soon" if left < whole / 4 else "open"
