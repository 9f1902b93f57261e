"""The review of staff access: who used whose data, in which role, for which task, from which session (clause 6.2)."""

from __future__ import annotations

from typing import ClassVar

from pydantic import AwareDatetime

from flowtrack.audit.access import AccessAnswer, StaffCount, StaffUse
from flowtrack.audit.questions import Period
from flowtrack.audit.reports.frame import Desk, Report, used
from flowtrack.audit.reports.terms import Deadline, Terms, due_in
from flowtrack.domain.model import Contract
from flowtrack.domain.names import Verdict


class Access(Contract):
    """A use of one category of one subject's data by a person."""

    happened_at: AwareDatetime
    actor: str
    """Id that the service gives its people; never a name."""
    actor_type: str
    role: str
    task: str
    session: str
    agreement: str
    subject: str
    """Pseudonym."""
    service: str
    category: str
    purpose: str
    verdict: str
    clauses: list[str]
    reasons: list[str]
    event_id: str


class StaffAccess(Report):
    """What people at work did with whose data."""

    name: ClassVar[str] = "staff-access"
    sources: ClassVar[tuple[str, ...]] = ("gdpr.32.4", "pipa.28", "pipa_safety.8", "pipl.51")

    since: AwareDatetime | None
    until: AwareDatetime | None
    known_at: AwareDatetime | None
    people: int
    """At work, as far as events name them."""
    flows: int
    deadlines: list[Deadline]
    """When the next review is due."""
    staff: list[StaffCount]
    not_permitted: list[Access]
    """Uses that the policy denied, or that could not be judged."""
    unexplained: list[Access]
    """Permitted uses whose event names no task, or no session."""
    uses: list[Access]
    """All of them, the newest first."""


def staff_access(desk: Desk, answer: AccessAnswer, period: Period, terms: Terms) -> StaffAccess:
    """Build the review.

    Args:
        desk: who makes it, and when.
        answer: every use of the period, or as many as are listed.
        period: which.
        terms: how often access is reviewed.
    """
    uses = [_access(each) for each in answer.rows]
    permitted = [each for each in uses if each.verdict in {Verdict.PERMIT, Verdict.NOT_APPLICABLE}]
    review = due_in("staff_review", ["pipa_safety.8"], desk.made_at, desk.made_at, months=terms.staff_review_months)
    return StaffAccess(
        head=desk.head(
            StaffAccess,
            [used(answer.about)],
            names={name for each in uses for name in (each.category, each.purpose)},
            clauses={"6.2", *(clause for each in uses for clause in each.clauses)},
        ),
        **dict(period),
        people=len({each.actor for each in answer.staff if each.actor}),
        flows=sum(each.flows for each in answer.staff),
        deadlines=[review],
        staff=answer.staff,
        not_permitted=[each for each in uses if each not in permitted],
        unexplained=[each for each in permitted if not (each.task and each.session)],
        uses=uses,
    )


def _access(each: StaffUse) -> Access:
    return Access(**{name: getattr(each, name) for name in Access.model_fields})
