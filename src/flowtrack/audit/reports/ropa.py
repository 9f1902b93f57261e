"""The record of processing activities, from real traffic, beside what is declared (GDPR 30, PIPL 56).

Both directions of difference: what services do and nobody declared, and what is declared and nobody does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import ClassVar, Literal, NamedTuple

from pydantic import AwareDatetime

from flowtrack.audit.groups import SituationsAnswer
from flowtrack.audit.origin import Unexplained
from flowtrack.audit.overdue import OverdueRow
from flowtrack.audit.questions import Period
from flowtrack.audit.reports.frame import Desk, Report, used_whole
from flowtrack.audit.reports.grouping import distinct, grouped
from flowtrack.audit.reports.holding import Held, Overstayed
from flowtrack.audit.reports.situations import Group, groups_of
from flowtrack.domain.instants import instant_us
from flowtrack.domain.model import Contract
from flowtrack.domain.names import Controller, Kind, Verdict
from flowtrack.domain.registry import PartyEntry, Registry, ServiceEntry
from flowtrack.domain.vocabulary import Vocabularies


class Activity(Contract):
    """What one service did for one purpose."""

    service: str
    controller: str
    """As the registry has it; empty where it does not know the service."""
    purpose: str
    kinds: list[str]
    bases: list[str]
    categories: list[str]
    recipients: list[str]
    regions: list[str]
    """Where the service collects, accesses, stores or displays, as the registry has it."""
    clauses: list[str]
    flows: int
    denied: int
    """Of these; or could not be judged."""


class Recipient(Contract):
    """Who received data, and what the registry says of them."""

    recipient: str
    type: str
    country: str
    agreement: bool
    categories: list[str]
    purposes: list[str]
    flows: int
    denied: int


class Difference(Contract):
    """Something that traffic and declarations do not agree on."""

    direction: Literal["undeclared", "unseen"]
    what: str
    """Code; its words stand with the page's."""
    service: str = ""
    recipient: str = ""
    purpose: str = ""
    category: str = ""
    flows: int = 0
    permitted: int = 0
    """Of these: what the policy let pass although nobody declared it."""


class Ropa(Report):
    """A record of processing activities."""

    name: ClassVar[str] = "ropa"
    sources: ClassVar[tuple[str, ...]] = ("gdpr.30.1", "pipl.56", *Held.SOURCES)

    since: AwareDatetime | None
    until: AwareDatetime | None
    known_at: AwareDatetime | None
    registry: str
    flows: int
    activities: list[Activity]
    recipients: list[Recipient]
    undeclared: list[Difference]
    unseen: list[Difference]
    overstayed: Overstayed
    """At the end of the period."""
    overdue: list[OverdueRow]
    unexplained: list[Unexplained]
    unread: int
    """Flows whose situation is not defined in the ledger: of their purpose nothing is known."""
    by_hand: list[str]
    """Codes of what the record must hold and no ledger has."""


class _Declared(NamedTuple):
    """What is declared at an instant."""

    registry: Registry
    words: Vocabularies
    at_us: int

    def service(self, name: str) -> ServiceEntry | None:
        holding = self.registry.services.at(name, self.at_us)
        return None if holding is None else holding.entry

    def party(self, name: str) -> PartyEntry | None:
        holding = self.registry.parties.at(name, self.at_us)
        return None if holding is None else holding.entry

    def services(self) -> Iterator[tuple[str, ServiceEntry]]:
        for name in self.registry.services.names():
            entry = self.service(name)
            if entry is not None and entry.controller != Controller.THIRD_PARTY:
                yield name, entry

    def parties(self) -> Iterator[tuple[str, PartyEntry]]:
        for name in self.registry.parties.names():
            entry = self.party(name)
            if entry is not None:
                yield name, entry

    def lies_in(self, purpose: str, terms: Iterable[str]) -> bool:
        return any(self.words.purpose.is_a(purpose, term) for term in terms)

    def needed(self, entry: PartyEntry, purpose: str, category: str) -> bool:
        """Whether somebody declared that the purpose needs the category at this party (clause 6.4)."""
        return any(
            self.words.purpose.is_a(purpose, named) and any(self.words.category.is_a(category, each) for each in needs)
            for named, needs in entry.needs.items()
        )


def ropa(
    desk: Desk, met: SituationsAnswer, held: Held, period: Period, registry: Registry, words: Vocabularies
) -> Ropa:
    """Build the record from the situations of a period.

    Args:
        desk: who makes it, and when.
        met: the situations of the period.
        held: without good reason, in and at the end of the period.
        period: which flows.
        registry: what is declared, as it stands at the end of the period.
        words: of the pack in force: what lies under what.
    """
    declared = _Declared(registry, words, instant_us(_end(period, desk.made_at)))
    groups = list(groups_of(met))
    read = [each for each in groups if each.attributes]
    return Ropa(
        head=desk.head(
            Ropa,
            [used_whole("situations", met.completeness), *held.used],
            names={name for each in read for name in (each.flows.category, each.said("purpose"))}
            | held.names
            | {purpose for _, entry in declared.services() for purpose in entry.purposes or []},
            clauses={clause for each in read for clause in each.clauses},
        ),
        **dict(period),
        registry=registry.label,
        flows=sum(each.flows.flows for each in groups),
        activities=_activities(read, declared),
        recipients=_recipients(read, declared),
        undeclared=list(_undeclared(read, declared)),
        unseen=list(_unseen(read, declared)),
        overstayed=held.overstayed,
        overdue=held.overdue,
        unexplained=held.unexplained,
        unread=sum(each.flows.flows for each in groups if not each.attributes),
        by_hand=["controller", "data_protection_officer", "subject_categories", "erasure_limits", "security_measures"],
    )


def _end(period: Period, now: datetime) -> datetime:
    return now if period.until is None else min(period.until, now)


def _counts(groups: Iterable[Group]) -> dict[str, int]:
    counted = list(groups)
    passed = {Verdict.PERMIT, Verdict.NOT_APPLICABLE}
    return {
        "flows": sum(each.flows.flows for each in counted),
        "denied": sum(each.flows.flows for each in counted if each.flows.verdict not in passed),
    }


def _activities(groups: list[Group], declared: _Declared) -> list[Activity]:
    found = grouped(groups, lambda each: (each.flows.service, each.said("purpose")))
    return [
        Activity(
            service=service,
            controller="" if (entry := declared.service(service)) is None else entry.controller,
            purpose=purpose,
            kinds=distinct(each.said("kind") for each in group),
            bases=distinct(each.said("basis") for each in group),
            categories=distinct(each.flows.category for each in group),
            recipients=distinct(each.flows.recipient for each in group),
            regions=[] if entry is None else sorted(entry.regions),
            clauses=distinct(clause for each in group for clause in each.clauses),
            **_counts(group),
        )
        for (service, purpose), group in sorted(found.items())
    ]


def _recipients(groups: list[Group], declared: _Declared) -> list[Recipient]:
    shared = [each for each in groups if each.flows.recipient]
    return [
        Recipient(
            recipient=recipient,
            type="" if (entry := declared.party(recipient)) is None else entry.type,
            country="" if entry is None else entry.country or "",
            agreement=entry is not None and entry.agreement is not None,
            categories=distinct(each.flows.category for each in group),
            purposes=distinct(each.said("purpose") for each in group),
            **_counts(group),
        )
        for recipient, group in sorted(grouped(shared, lambda each: each.flows.recipient).items())
    ]


def _undeclared(groups: list[Group], declared: _Declared) -> Iterator[Difference]:
    """What was done and nobody declared."""
    by_purpose = grouped(groups, lambda each: (each.flows.service, each.said("purpose")))
    for (service, purpose), group in sorted(by_purpose.items()):
        entry = declared.service(service)
        if entry is None:
            yield _seen("service_unknown", group, service=service, purpose=purpose)
        elif entry.purposes is not None and purpose and not declared.lies_in(purpose, entry.purposes):
            yield _seen("purpose_of_service", group, service=service, purpose=purpose)
    shared = [each for each in groups if each.said("kind") == Kind.SHARE and each.flows.recipient]
    by_share = grouped(shared, lambda each: (each.flows.recipient, each.said("purpose"), each.flows.category))
    for (recipient, purpose, category), group in sorted(by_share.items()):
        party = declared.party(recipient)
        if party is None:
            yield _seen("recipient_unknown", group, recipient=recipient, purpose=purpose, category=category)
        elif not declared.needed(party, purpose, category):
            yield _seen("category_not_needed", group, recipient=recipient, purpose=purpose, category=category)


def _seen(what: str, group: list[Group], **named: str) -> Difference:
    flows = sum(each.flows.flows for each in group)
    permitted = sum(each.flows.flows for each in group if each.flows.verdict == Verdict.PERMIT)
    return Difference(direction="undeclared", what=what, flows=flows, permitted=permitted, **named)


def _unseen(groups: list[Group], declared: _Declared) -> Iterator[Difference]:
    """What is declared and nobody did."""
    purposes = {(each.flows.service, each.said("purpose")) for each in groups}
    services = {service for service, _ in purposes}
    shares = {(each.flows.recipient, each.said("purpose"), each.flows.category) for each in groups}
    parties = {recipient for recipient, _, _ in shares}
    for service, entry in sorted(declared.services()):
        if service not in services:
            yield Difference(direction="unseen", what="service_silent", service=service)
            continue
        for term in sorted(entry.purposes or []):
            if not any(declared.lies_in(purpose, [term]) for name, purpose in purposes if name == service):
                yield Difference(direction="unseen", what="purpose_unused", service=service, purpose=term)
    for party, told in sorted(declared.parties()):
        if party not in parties:
            yield Difference(direction="unseen", what="recipient_silent", recipient=party)
            continue
        got = [(purpose, category) for name, purpose, category in shares if name == party]
        for purpose, category in sorted((purpose, each) for purpose, needs in told.needs.items() for each in needs):
            if not any(
                declared.lies_in(given, [purpose]) and declared.words.category.is_a(sent, category)
                for given, sent in got
            ):
                yield Difference(
                    direction="unseen", what="need_unused", recipient=party, purpose=purpose, category=category
                )
