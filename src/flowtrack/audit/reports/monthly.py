"""The monthly compliance report: what happened, how it was judged, what went wrong, and how complete the books are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from typing import ClassVar

from pydantic import AwareDatetime

from flowtrack.audit.alerts import AlertCount, AlertsAnswer
from flowtrack.audit.answers import BooksAnswer
from flowtrack.audit.groups import SituationsAnswer
from flowtrack.audit.origin import Unexplained
from flowtrack.audit.overdue import OverdueRow
from flowtrack.audit.overview import OverviewAnswer, PartyCount, Rest, ServiceCount
from flowtrack.audit.reports.frame import Desk, Report, used, used_whole
from flowtrack.audit.reports.grouping import distinct
from flowtrack.audit.reports.holding import Held, Overstayed
from flowtrack.audit.reports.situations import Group, groups_of
from flowtrack.audit.reports.terms import plus_months
from flowtrack.domain.decision import Alert
from flowtrack.domain.model import Contract
from flowtrack.domain.names import Verdict
from flowtrack.policy.pack import Pack

_FAULTS = (Verdict.DENY, Verdict.INDETERMINATE)


class DayVerdicts(Contract):
    """Flows of one day, by verdict."""

    day: date
    permit: int
    deny: int
    indeterminate: int
    not_applicable: int
    flows: int


class ClauseFaults(Contract):
    """Flows that a clause did not let pass."""

    clause: str
    deny: int
    indeterminate: int
    reasons: list[str]
    services: list[str]


class Sent(Contract):
    """What one service shared of one category with one party."""

    service: str
    category: str
    recipient: str
    flows: int
    not_denied: int
    denied: int


class VerdictCount(Contract):
    """Flows with one verdict."""

    verdict: str
    flows: int


class BooksCount(Contract):
    """Whether the books balance, over all partitions."""

    judged: int
    """Offsets with a decision."""
    dead: int
    """Offsets with a dead letter."""
    missing: int
    """Offsets with neither."""
    both: int
    """Offsets with both: one too many."""
    repeated_rows: int
    """Rows that stand more than once."""
    balanced: bool


class Monthly(Report):
    """A month."""

    name: ClassVar[str] = "monthly"
    sources: ClassVar[tuple[str, ...]] = ("gdpr.5.2", "pipl.54", *Held.SOURCES)

    month: str
    since: AwareDatetime
    until: AwareDatetime
    known_at: AwareDatetime | None
    events: int | None
    flows: int
    verdicts: list[VerdictCount]
    days: list[DayVerdicts]
    """Every day of the month on which something happened."""
    clauses: list[ClauseFaults]
    """By which flows did not pass; a flow counts for each clause that decided it."""
    never_cited: list[str]
    """Clauses that the pack enforces and no verdict of the month cites."""
    services: list[ServiceCount]
    services_rest: Rest
    recipients: list[PartyCount]
    recipients_rest: Rest
    streams: list[Sent]
    streams_rest: Rest
    alerts: list[AlertCount]
    """As they are when the report is made, of all months."""
    worst_alerts: list[Alert]
    overstayed: Overstayed
    """At the end of the month, or when the report is made."""
    overdue: list[OverdueRow]
    unexplained: list[Unexplained]
    books: BooksCount
    """Of the whole ledger."""


def month_of(text: str) -> tuple[datetime, datetime]:
    """Give the first instant of a month, and that of the next, in UTC.

    Args:
        text: `2026-03`.

    Raises:
        ValueError: it is no month.
    """
    since = datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC)
    return since, plus_months(since, 1)


def monthly(
    desk: Desk,
    month: str,
    overview: OverviewAnswer,
    met: SituationsAnswer,
    alerts: AlertsAnswer,
    books: BooksAnswer,
    held: Held,
) -> Monthly:
    """Build the report of a month.

    Args:
        desk: who makes it, and when.
        month: `2026-03`.
        overview: of the month.
        met: situations of the month.
        alerts: the first page of all.
        books: of the whole ledger.
        held: without good reason.
    """
    since, until = month_of(month)
    groups = list(groups_of(met))
    faults = [each for each in groups if each.flows.verdict in _FAULTS]
    clauses = _clauses(faults)
    verdicts: Counter[str] = Counter()
    for row in overview.rows:
        verdicts[row.verdict] += row.flows
    return Monthly(
        head=desk.head(
            Monthly,
            [
                used(overview.about),
                used(alerts.about, excerpt=True),
                used_whole("situations", met.completeness),
                *held.used,
                used_whole("books", books.completeness),
            ],
            names={each.category for each in overview.streams} | held.names,
            clauses=[each.clause for each in clauses],
        ),
        month=month,
        since=since,
        until=until,
        known_at=overview.about.question.get("known_at"),
        events=overview.events,
        flows=overview.flows,
        verdicts=[VerdictCount(verdict=verdict, flows=flows) for verdict, flows in sorted(verdicts.items())],
        days=_days(overview),
        clauses=clauses,
        never_cited=_never_cited(desk.packs, groups),
        services=overview.services,
        services_rest=overview.services_rest,
        recipients=overview.parties,
        recipients_rest=overview.parties_rest,
        streams=[Sent(**dict(each), not_denied=each.flows - each.denied) for each in overview.streams],
        streams_rest=overview.streams_rest,
        alerts=alerts.counts,
        worst_alerts=alerts.rows,
        overstayed=held.overstayed,
        overdue=held.overdue,
        unexplained=held.unexplained,
        books=_books(books),
    )


def _days(overview: OverviewAnswer) -> list[DayVerdicts]:
    counted: dict[date, Counter[str]] = {}
    for row in overview.rows:
        counted.setdefault(row.day, Counter())[row.verdict] += row.flows
    return [
        DayVerdicts(day=day, flows=found.total(), **{verdict.value: found[verdict] for verdict in Verdict})
        for day, found in sorted(counted.items())
    ]


def _clauses(faults: Iterable[Group]) -> list[ClauseFaults]:
    by_clause: dict[str, list[Group]] = {}
    for each in faults:
        for clause in each.clauses:
            by_clause.setdefault(clause, []).append(each)
    rows = [
        ClauseFaults(
            clause=clause,
            deny=sum(each.flows.flows for each in group if each.flows.verdict == Verdict.DENY),
            indeterminate=sum(each.flows.flows for each in group if each.flows.verdict == Verdict.INDETERMINATE),
            reasons=distinct(reason for each in group for reason in each.reasons),
            services=distinct(each.flows.service for each in group),
        )
        for clause, group in by_clause.items()
    ]
    return sorted(rows, key=lambda row: (-row.deny - row.indeterminate, row.clause))


def _never_cited(packs: Mapping[str, Pack], groups: Iterable[Group]) -> list[str]:
    cited = {clause for each in groups for clause in each.clauses}
    return sorted(
        {
            clause
            for pack in packs.values()
            for clause, words in pack.clauses.items()
            if words.status == "enforced" and clause not in cited
        }
    )


def _books(books: BooksAnswer) -> BooksCount:
    sums = {
        name: sum(getattr(each, name) for each in books.partitions)
        for name in ("judged", "dead", "missing", "both", "repeated_rows")
    }
    return BooksCount(**sums, balanced=not (sums["missing"] or sums["both"] or sums["repeated_rows"]))
