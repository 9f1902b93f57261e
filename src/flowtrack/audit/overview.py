"""Overview: all flows, counted by day, by what was done, by category, and by who sent what to whom."""

from __future__ import annotations

from datetime import date
from typing import Annotated, ClassVar, Final

from pydantic import Field

from flowtrack.audit.family import Answer, Question
from flowtrack.domain.model import Contract, Name

FILTERS: Final = ("service", "recipient", "category", "purpose")


class DayCount(Contract):
    """Flows (an event and a category) of one day, of one kind and with one verdict."""

    day: date
    """On which they happened, in UTC."""
    kind: str
    verdict: str
    flows: int


class KindCount(Contract):
    """Events of one kind whose worst category has one verdict."""

    kind: str
    verdict: str
    events: int


class CategoryCount(Contract):
    """Flows of one category with one verdict."""

    category: str
    verdict: str
    flows: int


class PartyCount(Contract):
    """How much one party received; the family `received` tells what."""

    recipient: str
    flows: int
    denied: int


class ServiceCount(Contract):
    """How much one service did."""

    service: str
    flows: int
    denied: int


class Stream(Contract):
    """What one service shared of one category with one party: an arm of the Sankey diagram."""

    service: str
    category: str
    recipient: str
    flows: int
    denied: int


class Rest(Contract):
    """What a table of the largest leaves out."""

    count: int
    flows: int
    denied: int


class OverviewAnswer(Answer):
    """All flows, counted."""

    rows: list[DayCount]
    events: int | None
    """None unless asked for, and where a filter is given: events are counted whole, not by what is in them."""
    flows: int
    by_kind: list[KindCount]
    """Events; empty where they are not counted."""
    by_category: list[CategoryCount]
    services: list[ServiceCount]
    """Those that did most."""
    services_rest: Rest
    parties: list[PartyCount]
    """Those that received most."""
    parties_rest: Rest
    streams: list[Stream]
    """What was shared most."""
    streams_rest: Rest


class Overview(Question[OverviewAnswer]):
    """How much of what happened when, and how was it judged?"""

    family: ClassVar[str] = "overview"
    answer: ClassVar[type[Answer]] = OverviewAnswer

    service: Name | None = None
    recipient: Name | None = None
    category: Name | None = None
    purpose: Name | None = None
    services_max: Annotated[int, Field(ge=1, le=1_000)] = 20
    """So many services are named; the rest is counted."""
    parties_max: Annotated[int, Field(ge=1, le=1_000)] = 20
    """So many parties are named; the rest is counted."""
    streams_max: Annotated[int, Field(ge=1, le=1_000)] = 60
    """So many streams are named; the rest is counted."""
    events: bool = False
    """Whether events are counted too, each once by the worst verdict of its flows: takes longer than all the rest."""

    @property
    def counts_events(self) -> bool:
        """Whether events are counted: only where all flows are."""
        return self.events and not self.filtered

    @property
    def filtered(self) -> bool:
        """Whether not all flows are counted."""
        return any(getattr(self, name) is not None for name in FILTERS)
