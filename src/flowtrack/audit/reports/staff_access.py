"""The review of staff access: who used whose data, in which role, for which task, from which session (clause 6.2)."""

from __future__ import annotations

from typing import ClassVar, Final

from pydantic import AwareDatetime

from flowtrack.audit.access import AccessAnswer, StaffCount, StaffUse
from flowtrack.audit.questions import Period
from flowtrack.audit.reports.frame import Desk, Report, used
from flowtrack.audit.reports.grouping import distinct, grouped, span
from flowtrack.audit.reports.terms import Deadline, Terms, due_in
from flowtrack.audit.reports.whole import ways_to_all
from flowtrack.domain.model import Contract
from flowtrack.domain.names import Verdict

USES_MAX: Final = 50
"""So many uses a review lists one by one unless more are asked for: some ten printed pages."""


class Doing(Contract):
    """What one person did at one service in one role for one purpose: a line of the summary."""

    actor: str
    role: str
    service: str
    purpose: str
    categories: list[str]
    flows: int
    """Of one category of one subject each."""
    not_permitted: int
    """Of these flows."""
    subjects: int
    tasks: int
    """Different ones that events name."""
    sessions: int
    first: AwareDatetime
    last: AwareDatetime


class Listing(Contract):
    """How many uses are listed one by one, and how the others are got."""

    uses_read: int
    """That this review is made of."""
    uses_listed: int
    """Of them, the newest; what was not permitted, or is unexplained, is listed in any case."""
    command: str
    """That gives all of them as CSV."""
    address: str
    """That does over HTTP, below the API's own; both ask for a purpose and are written down."""


class Access(Contract):
    """A use of one subject's data by a person: the categories of one event that were judged alike."""

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
    categories: list[str]
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
    doings: list[Doing]
    """Who did what for which purpose, those with most that was not permitted first."""
    not_permitted: list[Access]
    """Uses that the policy denied, or that could not be judged."""
    unexplained: list[Access]
    """Permitted uses whose event names no task, or no session."""
    listing: Listing
    uses: list[Access]
    """One by one, the newest first: as many as `listing` says."""


def staff_access(
    desk: Desk, answer: AccessAnswer, period: Period, terms: Terms, *, uses_max: int = USES_MAX
) -> StaffAccess:
    """Build the review.

    Args:
        desk: who makes it, and when.
        answer: every use of the period, or as many as are listed.
        period: which.
        terms: how often access is reviewed.
        uses_max: so many uses are listed one by one at most; the summary is of all that were read.
    """
    uses = [_access(rows) for rows in grouped(answer.rows, _alike).values()]
    review = due_in("staff_review", ["pipa_safety.8"], desk.made_at, desk.made_at, months=terms.staff_review_months)
    return StaffAccess(
        head=desk.head(
            StaffAccess,
            [used(answer.about)],
            names={name for each in answer.rows for name in (each.category, each.purpose)},
            clauses={"6.2", *(clause for each in uses for clause in each.clauses)},
        ),
        **dict(period),
        people=len({each.actor for each in answer.staff if each.actor}),
        flows=sum(each.flows for each in answer.staff),
        deadlines=[review],
        staff=answer.staff,
        doings=_doings(uses),
        not_permitted=[each for each in uses if not _permitted(each)],
        unexplained=[each for each in uses if _permitted(each) and not (each.task and each.session)],
        listing=_listing(answer, len(uses), min(uses_max, len(uses))),
        uses=uses[:uses_max],
    )


def _permitted(each: Access) -> bool:
    return each.verdict in {Verdict.PERMIT, Verdict.NOT_APPLICABLE}


def _doings(uses: list[Access]) -> list[Doing]:
    found = [
        Doing(
            actor=actor,
            role=role,
            service=service,
            purpose=purpose,
            categories=distinct(name for each in rows for name in each.categories),
            flows=sum(len(each.categories) for each in rows),
            not_permitted=sum(len(each.categories) for each in rows if not _permitted(each)),
            subjects=len({each.subject for each in rows}),
            tasks=len(distinct(each.task for each in rows)),
            sessions=len(distinct(each.session for each in rows)),
            **span([each.happened_at for each in rows]),
        )
        for (actor, role, service, purpose), rows in grouped(
            uses, lambda each: (each.actor, each.role, each.service, each.purpose)
        ).items()
    ]
    return sorted(found, key=lambda each: (-each.not_permitted, -each.flows, each.actor, each.role, each.purpose))


def _listing(answer: AccessAnswer, read: int, listed: int) -> Listing:
    asked = answer.about.question
    wanted = ("since", "until", "known_at", "actor", "service")
    said = {name: asked[name] for name in wanted if asked.get(name) is not None}
    ways = ways_to_all(answer.about.family, said)
    return Listing(uses_read=read, uses_listed=listed, command=ways.command, address=ways.address)


def _alike(each: StaffUse) -> tuple[str, str, str, tuple[str, ...], tuple[str, ...]]:
    return each.subject, each.event_id, each.verdict, (*each.clauses,), (*each.reasons,)


def _access(rows: list[StaffUse]) -> Access:
    same = {name: getattr(rows[0], name) for name in Access.model_fields if name != "categories"}
    return Access(**same, categories=distinct(each.category for each in rows))
