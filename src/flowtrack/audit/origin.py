"""Unexplained origin: a service uses or shares a category that it was never seen to collect, nor to be given.

Explained is what the service collected by then, what another handed to it, and, unless the question leaves that out,
what it took from a dataset that somebody had put the category into.  What a service itself says its data stems from
(`derived_from`) explains nothing here: somebody must have passed it on.  Days are those of UTC; what came on the same
day is taken to have come before.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, ClassVar

from pydantic import Field

from flowtrack.audit.cursors import Key
from flowtrack.audit.family import Answer, PagedQuestion
from flowtrack.domain.model import Contract, Name


class Unexplained(Contract):
    """Flows of one category by one service, of which nobody knows where it has it from."""

    service: str
    category: str
    kind: str
    """`use` or `share`."""
    flows: int
    """Of an event and a category."""
    permitted: int
    denied: int
    purposes: list[str]
    recipients: list[str]
    datasets: list[str]
    """That they name, and that nobody had put the category into."""
    first: date
    """Day of the first of these flows, in UTC."""
    last: date
    came: date | None
    """Day on which the category came to the service, later than these flows; None where it never did."""
    samples: list[str]
    """Ids of a few of these events, as far as they are found by reading little."""


class OriginAnswer(Answer):
    """A page of unexplained flows, most first."""

    rows: list[Unexplained]


class Origin(PagedQuestion[OriginAnswer]):
    """Which services use or share what nobody was seen to give them?"""

    family: ClassVar[str] = "origin"
    answer: ClassVar[type[Answer]] = OriginAnswer

    service: Name | None = None
    category: Name | None = None
    """Only this one, and what hangs under it by name."""
    kind: Name | None = None
    recipient: Name | None = None
    verdict: Name | None = None
    by_dataset: bool = True
    """Whether a dataset that flows name explains them, once somebody has put the category into it."""
    samples_max: Annotated[int, Field(ge=0, le=10)] = 3
    """Name so many events of each row at most."""


def by_flows(row: Unexplained) -> Key:
    """What rows are ordered by: those with most flows first."""
    return [-row.flows, row.service, row.category, row.kind]
