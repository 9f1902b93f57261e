"""What reports say of data that is held without good reason: kept beyond its end, or of unknown origin."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import AwareDatetime

from flowtrack.audit.origin import Origin, Unexplained
from flowtrack.audit.overdue import Overdue, OverdueRow
from flowtrack.audit.questions import Period
from flowtrack.audit.reports.frame import AnswerUsed, used
from flowtrack.audit.reports.ordering import Bench
from flowtrack.audit.reports.whole import LISTED_MAX, whole
from flowtrack.domain.model import Contract


class Overstayed(Contract):
    """How much is kept beyond its end."""

    held_against: AwareDatetime | None
    """The instant that ends are held against; None of an empty ledger."""
    keep_days: int | None
    """For copies that name no end; without it those are never overdue."""
    copies: int
    """Of one subject's data of one category in one dataset."""
    not_listed: int
    """Rows of what is overdue that a report does not list; copies counts those, too."""
    unexplained_not_listed: int
    """Rows of unknown origin that it does not list."""


class Held(Contract):
    """What is held without good reason, for a report's tables."""

    SOURCES: ClassVar[tuple[str, ...]] = ("gdpr.5.1.e", "pipa.21.1", "pipa.20.1")

    overstayed: Overstayed
    overdue: list[OverdueRow]
    """By dataset, service and category; what is due longest first."""
    unexplained: list[Unexplained]
    """Uses and shares of what the service was never seen to get; most first."""
    used: list[AnswerUsed]

    @property
    def names(self) -> set[str]:
        """Of categories and purposes that it speaks of."""
        rows = [*(each.category for each in self.overdue), *(each.category for each in self.unexplained)]
        return {*rows, *(purpose for each in self.unexplained for purpose in each.purposes)}


def held(bench: Bench, period: Period, *, rows_max: int = LISTED_MAX) -> Held:
    """Ask what was overdue at the end of a period, and whose origin in it is not known.

    Args:
        bench: whom to ask, and when.
        period: which flows.
        rows_max: so many rows are listed of each.

    Raises:
        StoreError: the ledger does not answer.
    """
    ends = bench.now if period.until is None else min(period.until, bench.now)
    keep = bench.terms.keep_days
    overdue = whole(
        bench.ledger, Overdue(as_of=ends, known_at=period.known_at, keep_days=keep), bench.asker, rows_max=rows_max
    )
    times: dict[str, Any] = dict(period)
    origin = whole(bench.ledger, Origin(**times, samples_max=0), bench.asker, rows_max=rows_max)
    excerpt = rows_max < LISTED_MAX
    return Held(
        overstayed=Overstayed(
            held_against=None if overdue.at is None else ends,
            keep_days=keep,
            copies=overdue.copies,
            not_listed=overdue.about.completeness.left_out or 0,
            unexplained_not_listed=origin.about.completeness.left_out or 0,
        ),
        overdue=overdue.rows,
        unexplained=origin.rows,
        used=[used(each, excerpt=excerpt) for each in (overdue.about, origin.about)],
    )
