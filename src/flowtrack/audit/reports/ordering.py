"""What an order of a report is: a value whose fields whoever orders says, and what it is made with."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, Final, Literal, NamedTuple

from pydantic import AwareDatetime, ValidationError

from flowtrack.audit.accounts import Account
from flowtrack.audit.annotations import bare
from flowtrack.audit.family import PagedQuestion
from flowtrack.audit.ledger import Ledger
from flowtrack.audit.questions import Period
from flowtrack.audit.reports.frame import Desk, Report
from flowtrack.audit.reports.terms import Terms
from flowtrack.audit.roles import Asker, Role
from flowtrack.domain.model import Contract
from flowtrack.domain.registry import Registry, RegistryDocument, registry_of
from flowtrack.domain.vocabulary import Vocabularies
from flowtrack.policy.pack import Pack, default_pack

Purpose = Literal["always", "sometimes", "never"]
"""Whether orders of a report take saying why: some do by what they ask for."""


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


class Annex(NamedTuple):
    """A file that goes with a report: what few may see, or what is too long to print."""

    name: str
    rows: int
    sha256: str


class Order(Contract, ABC):
    """An order of one report; its fields are what whoever orders it says."""

    annex: ClassVar[str] = ""
    """What the annex lists, where there may be one."""

    report: ClassVar[type[Report]]
    roles: ClassVar[frozenset[Role]]
    """Who may have it: nobody who may not ask the questions that it is made of."""

    takes_purpose: ClassVar[Purpose] = "never"
    """Which of its orders name people, so that whoever orders them has to say why."""

    @property
    def needs_purpose(self) -> bool:
        """Whether whoever orders it has to say why: it names people."""
        return self.takes_purpose == "always"

    def asker(self, account: Account, why: str = "") -> Asker:
        """Give who orders it, as whom, and why.

        Raises:
            AccessError: none of the account's roles may have it.
            QuestionError: the purpose is missing, or too long.
        """
        return account.asker_among(self.roles, self.report.name, why, needs_purpose=self.needs_purpose)

    def annex_of(self, report: Report) -> PagedQuestion[Any] | None:  # noqa: ARG002 - most reports have none
        """Give the question whose rows are the report's annex; None where it has none."""
        return None

    def with_annex(self, report: Report, annex: Annex) -> Report:  # noqa: ARG002 - likewise
        """Say in a report what annex was written with it."""
        return report

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


class OrderField(Contract):
    """A field of an order, for whoever shows a form of it."""

    name: str
    kind: Literal["text", "instant", "flag"]
    required: bool
    about: str


def faults_of(error: ValidationError) -> tuple[list[str], str]:
    """Give the fields of an order that are not right, and what it lacks where they do not fit together.

    Args:
        error: of an order that was refused; never repeated is what was given.
    """
    faults = error.errors(include_input=False, include_url=False)
    wrong = sorted({str(fault["loc"][0]) for fault in faults if fault["loc"]})
    lacks = [str(fault["ctx"]["error"]) for fault in faults if not fault["loc"] and "error" in fault.get("ctx", {})]
    return wrong, "; ".join(lacks)


def fields_of(order: type[Order]) -> list[OrderField]:
    """Give the fields of an order, in its order."""
    return [
        OrderField(
            name=name,
            kind=_KINDS.get(bare(field.annotation), "text"),
            required=field.is_required(),
            about=field.description or "",
        )
        for name, field in order.model_fields.items()
    ]


_KINDS: Final[dict[object, Literal["text", "instant", "flag"]]] = {AwareDatetime: "instant", bool: "flag"}
