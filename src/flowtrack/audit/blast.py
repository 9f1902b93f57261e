"""Blast radius: what is downstream of a place that was exposed, or of a consent that was withdrawn.

Who must be told of a breach is asked by GDPR 33 and 34 and PIPA 34; which recipients of what was withdrawn or erased,
by GDPR 19.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Annotated, ClassVar, Final, Literal, NamedTuple

from pydantic import AwareDatetime, Field

from flowtrack.audit.family import About, Answer, Question, SubjectQuestion
from flowtrack.audit.roles import DESKS, Role
from flowtrack.domain.instants import from_us, instant_us
from flowtrack.domain.model import Contract, Identifier, Name
from flowtrack.domain.names import RecordState

HOPS_MAX = 32
PlaceKind = Literal["dataset", "service", "party"]


class Reached(Contract):
    """A place that data got to."""

    kind: PlaceKind
    name: str
    hops: int
    """From the start; 0 is the start itself."""
    categories: list[str]
    """That may have got there."""
    flows: int
    """Flows into it of subjects and categories that were in the start; 0 for the start."""
    subjects: int
    """Whose data got there; in the start, who is affected at all."""
    notify: bool
    """A party: it is to be told."""


class BlastAnswer(Answer):
    """The places that data got to, the nearest first."""

    rows: list[Reached]
    subjects: int
    """With data in the start."""
    pairs: int
    """Of a subject and a category."""
    categories: list[str]
    """Of the data in the start."""
    notify: list[str]
    """Parties to be told, in order."""


class Blast(Question[BlastAnswer]):
    """Where did the data of a dataset, a service or a party get to?

    The period is that in which the place was exposed: whatever came there before its end is taken to have been there,
    and is followed from its beginning on, without an end.
    """

    family: ClassVar[str] = "blast"
    answer: ClassVar[type[Answer]] = BlastAnswer

    start: PlaceKind
    """What was exposed."""
    name: Name
    hops_max: Annotated[int, Field(ge=1, le=HOPS_MAX)] = 8
    """Steps from there that are followed."""
    categories: list[Name] = []
    """Only these of what was there, and what hangs under them by name; left out, all."""


class Downstream(Contract):
    """A place where data was that a consent record had carried."""

    kind: PlaceKind
    name: str
    categories: list[str]
    relied: int
    """Flows that relied on the record."""
    since: int
    """Flows of the same categories since the record ended, on whatever basis."""
    permitted: int
    """Of these, what was permitted all the same."""
    first: AwareDatetime
    last: AwareDatetime
    notify: bool
    """A party: it is to be told."""


class WithdrawalAnswer(Answer):
    """The places in order: parties to be told, services, datasets."""

    rows: list[Downstream]
    ended_at: AwareDatetime | None
    """When the record ceased to carry anything; None where it has not, or is not known."""
    categories: list[str]
    """That flows moved because of it."""
    notify: list[str]
    """Parties to be told, in order."""


class Withdrawal(SubjectQuestion[WithdrawalAnswer]):
    """What is downstream of a consent that its subject took back?"""

    family: ClassVar[str] = "withdrawal"
    answer: ClassVar[type[Answer]] = WithdrawalAnswer
    roles: ClassVar[frozenset[Role]] = DESKS

    record: Identifier
    """Id of the consent record."""


_STANDS: Final = frozenset(
    {RecordState.GIVEN, RecordState.RENEWED, RecordState.ACCEPTED, RecordState.USING, RecordState.OPEN}
)
_ORDER: Final = ("party", "service", "dataset")


class State(NamedTuple):
    """What a record came to say, from an instant on."""

    valid_us: int
    state: str
    expires_us: int | None


class Moved(NamedTuple):
    """One category of one event of the subject."""

    at_us: int
    service: str
    recipient: str
    dataset: str
    category: str
    verdict: str
    consent: str


def ended_at(states: Iterable[State], now_us: int | None) -> int | None:
    """Say since when a record carries nothing, in microseconds; None where it does, or there is none.

    Args:
        states: of the record, those in force by the question's times.
        now_us: the instant of the question, by which an expiry may have passed; None where it has none.
    """
    ended: int | None = None
    for each in sorted(states, key=lambda state: state.valid_us):
        if each.state in _STANDS:
            passed = each.expires_us is not None and (now_us is None or each.expires_us <= now_us)
            ended = each.expires_us if passed else None
        elif ended is None or each.valid_us < ended:
            ended = each.valid_us
    return ended


def downstream(about: About, question: Withdrawal, states: Iterable[State], flows: Iterable[Moved]) -> WithdrawalAnswer:
    """Give the places where data was that a record had carried.

    Args:
        about: of the answer.
        question: with `known_at` pinned.
        states: of the record, those in force by the question's times.
        flows: all of its subject's.
    """
    now = question.as_of or question.known_at
    ended_us = ended_at(states, None if now is None else instant_us(now))
    every = list(flows)
    carried = {flow.category for flow in every if flow.consent == question.record}
    relied: dict[tuple[PlaceKind, str], list[Moved]] = defaultdict(list)
    later: dict[tuple[PlaceKind, str], list[Moved]] = defaultdict(list)
    for flow in every:
        for place in _places(flow):
            if flow.consent == question.record:
                relied[place].append(flow)
            if ended_us is not None and flow.at_us >= ended_us and flow.category in carried:
                later[place].append(flow)
    places = sorted({*relied, *later}, key=lambda place: (_ORDER.index(place[0]), place[1]))
    rows = [_downstream(place, relied[place], later[place]) for place in places]
    return WithdrawalAnswer(
        about=about,
        rows=rows,
        ended_at=None if ended_us is None else from_us(ended_us),
        categories=sorted(carried),
        notify=[row.name for row in rows if row.notify],
    )


def _places(flow: Moved) -> list[tuple[PlaceKind, str]]:
    named: list[tuple[PlaceKind, str]] = [
        ("service", flow.service),
        ("dataset", flow.dataset),
        ("party", flow.recipient),
    ]
    return [place for place in named if place[1]]


def _downstream(place: tuple[PlaceKind, str], relied: list[Moved], later: list[Moved]) -> Downstream:
    both = [*relied, *later]
    return Downstream(
        kind=place[0],
        name=place[1],
        categories=sorted({flow.category for flow in both}),
        relied=len(relied),
        since=len(later),
        permitted=sum(flow.verdict == "permit" for flow in later),
        first=from_us(min(flow.at_us for flow in both)),
        last=from_us(max(flow.at_us for flow in both)),
        notify=place[0] == "party",
    )
