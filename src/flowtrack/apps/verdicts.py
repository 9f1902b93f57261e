"""Holding what came out of a sample day against what was planted in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from flowtrack.sample.truth import Violation


class Judged(NamedTuple):
    """One category of an event that did not pass, as the ledger holds it."""

    event_id: str
    category: str
    verdict: str
    clauses: Sequence[str]
    reasons: Sequence[str]
    gaps: Sequence[str]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Planted, found, and what differs."""

    planted: int
    found: int
    missed: tuple[str, ...]
    """What was planted and not found as it should be, in words."""
    false_alarms: tuple[str, ...]
    """What was denied or could not be judged although nothing was planted, in words."""

    @property
    def equal(self) -> bool:
        """Whether all was found, and nothing else."""
        return not self.missed and not self.false_alarms


def compare(planted: Iterable[Violation], judged: Iterable[Judged]) -> Comparison:
    """Hold the planted violations against everything that did not pass.

    A violation is found when its category of its event has the planted verdict, cites the planted clause, and names
    the planted reason or gap.
    """
    violations = list(planted)
    seen = {(each.event_id, each.category): each for each in judged}
    missed = [text for violation in violations if (text := _missed(violation, seen))]
    expected = {(violation.event_id, violation.category) for violation in violations}
    false_alarms = [
        f"{each.verdict} of {each.category} in event {each.event_id}: {', '.join([*each.reasons, *each.gaps])}"
        for place, each in seen.items()
        if place not in expected
    ]
    return Comparison(len(violations), len(violations) - len(missed), tuple(missed), tuple(false_alarms))


def _missed(violation: Violation, seen: dict[tuple[str, str], Judged]) -> str:
    """Say what is wrong with what came out for a violation; empty when it is as planted."""
    named = f"{violation.planted} ({violation.clause}, event {violation.event_id}, {violation.category})"
    judged = seen.get((violation.event_id, violation.category))
    if judged is None:
        return f"{named}: passed"
    if judged.verdict != violation.verdict:
        return f"{named}: {judged.verdict} instead of {violation.verdict}"
    if violation.clause and violation.clause not in judged.clauses:
        return f"{named}: cites {', '.join(judged.clauses) or 'no clause'}"
    if violation.reason and violation.reason not in judged.reasons:
        return f"{named}: reasons {', '.join(judged.reasons)} instead of {violation.reason}"
    if violation.gap and violation.gap not in judged.gaps:
        return f"{named}: gaps {', '.join(judged.gaps)} instead of {violation.gap}"
    return ""
