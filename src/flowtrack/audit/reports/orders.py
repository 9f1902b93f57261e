"""What reports can be ordered: each an order as a value, which asks the ledger what it needs and builds the report.

Commands and addresses are made from `ORDERS`; whoever makes one gives a `Bench`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, Final, NamedTuple

from pydantic import AwareDatetime

from flowtrack.audit.ledger import Ledger
from flowtrack.audit.questions import Period, Situations
from flowtrack.audit.reports.frame import Desk, Report
from flowtrack.audit.reports.law_overlay import LawOverlay, law_overlay, touched_by_law
from flowtrack.audit.reports.ropa import Ropa, ropa
from flowtrack.audit.reports.terms import Terms
from flowtrack.audit.roles import COUNTERS, EXAMINERS, Asker, Role
from flowtrack.domain.model import Contract
from flowtrack.domain.registry import Registry, RegistryDocument, registry_of
from flowtrack.domain.vocabulary import Vocabularies
from flowtrack.policy.pack import Pack, default_pack


class Bench(NamedTuple):
    """What a report is made with."""

    ledger: Ledger
    asker: Asker
    now: datetime
    packs: Mapping[str, Pack]
    """By label: those among the ledger's documents."""
    terms: Terms = Terms()

    @property
    def desk(self) -> Desk:
        """Who makes it, and when."""
        return Desk(made_at=self.now, asker=self.asker, packs=self.packs)

    def registry(self) -> Registry:
        """All registry documents of the ledger, merged in the order in which they came.

        Raises:
            StoreError: the ledger does not answer.
            RegistryError: they contradict each other.
        """
        found = [each for each in self.ledger.documents() if each.kind == "registry"]
        found.sort(key=lambda each: (each.recorded_at, each.name))
        return registry_of(RegistryDocument.model_validate_json(each.body) for each in found)

    def words(self) -> Vocabularies:
        """The vocabularies of the pack that is in force."""
        in_force = [pack for pack in self.packs.values() if pack.effective_from <= self.now]
        chosen = max(in_force or self.packs.values(), key=lambda pack: pack.effective_from, default=None)
        return (chosen or default_pack()).vocabularies


class Order(Contract, ABC):
    """An order of one report; its fields are what whoever orders it says."""

    report: ClassVar[type[Report]]
    roles: ClassVar[frozenset[Role]]
    """Who may have it: nobody who may not ask the questions that it is made of."""

    @abstractmethod
    def make(self, bench: Bench) -> Report:
        """Ask the ledger, and build the report.

        Raises:
            QuestionError: the order is not right.
            StoreError: the ledger does not answer.
        """


class PeriodOrder(Order):
    """An order about a period."""

    since: AwareDatetime | None = None
    """What happened at this instant or later."""
    until: AwareDatetime | None = None
    """What happened before this instant."""
    known_at: AwareDatetime | None = None
    """What was known at this instant."""

    @property
    def period(self) -> Period:
        """As questions take it."""
        return Period(since=self.since, until=self.until, known_at=self.known_at)


class RopaOrder(PeriodOrder):
    """The record of processing activities from real traffic, beside what is declared (GDPR 30, PIPL 56)."""

    report: ClassVar[type[Report]] = Ropa
    roles: ClassVar[frozenset[Role]] = COUNTERS

    def make(self, bench: Bench) -> Report:
        """Ask for the situations of the period, and build the record."""
        met = bench.ledger.situations_met(Situations(**dict(self.period)))
        return ropa(bench.desk, met, self.period, bench.registry(), bench.words())


class LawOverlayOrder(PeriodOrder):
    """Verdicts that rest on deemed consent, which GDPR, PIPA or PIPL would not accept by itself."""

    report: ClassVar[type[Report]] = LawOverlay
    roles: ClassVar[frozenset[Role]] = EXAMINERS

    def make(self, bench: Bench) -> Report:
        """Ask for the situations of the period and whom the findings touch, and build the report."""
        met = bench.ledger.situations_met(Situations(**dict(self.period)))
        questions = touched_by_law(met, self.period, list(bench.packs.values()))
        touched = [bench.ledger.touched(question) for question in questions]
        return law_overlay(bench.desk, met, touched, self.period)


ORDERS: Final[dict[str, type[Order]]] = {order.report.name: order for order in (RopaOrder, LawOverlayOrder)}
"""By the name of the report."""


def order_of(name: str, fields: Mapping[str, Any]) -> Order:
    """Make an order from its fields; left out and empty are the same."""
    return ORDERS[name].model_validate({key: value for key, value in fields.items() if value not in {None, ""}})
