"""A subject's request for access: everything that the ledger knows of a pseudonym (GDPR 15, PIPA 35, PIPL 45)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, Final

from pydantic import AwareDatetime

from flowtrack.audit.reports.frame import Desk, Report, used
from flowtrack.audit.reports.grouping import distinct, grouped, span
from flowtrack.audit.reports.kept import Flow, Kept, Unexplained, kept_of, unexplained_of
from flowtrack.audit.reports.terms import Deadline, Terms, due_in
from flowtrack.audit.trail import TrailAnswer, TrailConsent
from flowtrack.domain.consent import Notice, UsagePolicy, names_in
from flowtrack.domain.instants import instant_us
from flowtrack.domain.model import Contract
from flowtrack.domain.names import Kind
from flowtrack.domain.registry import Registry

_HELD: Final = ("gdpr.5.1.e", "pipa.20.1", "pipa.21.1")


class Held(Contract):
    """One category of the subject's data: what happened to it."""

    category: str
    flows: int
    denied: int
    """Of these; or could not be judged."""
    kinds: list[str]
    purposes: list[str]
    services: list[str]
    recipients: list[str]
    first: AwareDatetime
    last: AwareDatetime


class Purpose(Contract):
    """What data was processed for, and on which basis."""

    purpose: str
    basis: str
    """As the event claimed it."""
    reasons: list[str]
    """By which it was permitted, or why it was not."""
    clauses: list[str]
    categories: list[str]
    flows: int
    denied: int


class RecipientGot(Contract):
    """What somebody received of this subject."""

    recipient: str
    type: str
    """As the registry has it; empty where it does not know the party."""
    destinations: list[str]
    categories: list[str]
    purposes: list[str]
    bases: list[str]
    flows: int
    denied: int
    first: AwareDatetime
    last: AwareDatetime


class Origin(Contract):
    """Where data came from."""

    method: str
    received_from: str
    service: str
    categories: list[str]
    flows: int
    first: AwareDatetime
    last: AwareDatetime


class Said(Contract):
    """One state of a record of the subject's own will."""

    record: str
    kind: str
    state: str
    valid_from: AwareDatetime
    expires: AwareDatetime | None
    scope: UsagePolicy | None
    notice: Notice | None


class Step(Contract):
    """One flow of one category, in the order of time."""

    happened_at: AwareDatetime
    kind: str
    category: str
    service: str
    purpose: str
    basis: str
    recipient: str
    dataset: str
    location: str
    verdict: str
    clauses: list[str]
    reasons: list[str]
    consent: str
    event_id: str


class AccessRequest(Report):
    """Everything about one subject."""

    name: ClassVar[str] = "access-request"
    sources: ClassVar[tuple[str, ...]] = ("gdpr.12.3", "gdpr.15.1", "pipa.35.3", "pipa_decree.41", "pipl.45", *_HELD)

    subject: str
    received_at: AwareDatetime
    deadlines: list[Deadline]
    as_of: AwareDatetime | None
    known_at: AwareDatetime | None
    held: list[Held]
    purposes: list[Purpose]
    recipients: list[RecipientGot]
    origins: list[Origin]
    unexplained: list[Unexplained]
    kept: list[Kept]
    consents: list[Said]
    steps: list[Step]
    by_hand: list[str]
    """Codes of what the law lets the subject know and no ledger has."""


def access_request(
    desk: Desk, trail: TrailAnswer, registry: Registry, *, received_at: AwareDatetime, terms: Terms
) -> AccessRequest:
    """Build the report from the subject's trail.

    Args:
        desk: who makes it, and when.
        trail: the whole of it.
        registry: that says what recipients are.
        received_at: when the request came.
        terms: how long there is to answer it.
    """
    flows = [Flow(event, part) for event in trail.rows for part in event.categories]
    question = trail.about.question
    names = {flow.part.category for flow in flows} | {flow.event.purpose for flow in flows}
    names |= {name for each in trail.consents for name in names_in(each.scope)}
    return AccessRequest(
        head=desk.head(
            AccessRequest,
            [used(trail.about)],
            names=names,
            clauses={clause for flow in flows for clause in flow.part.clauses},
        ),
        subject=question["subject"],
        received_at=received_at,
        deadlines=access_deadlines(received_at, desk.made_at, terms),
        as_of=question.get("as_of"),
        known_at=question.get("known_at"),
        held=_held(flows),
        purposes=_purposes(flows),
        recipients=_recipients(flows, registry),
        origins=_origins(flows),
        unexplained=unexplained_of(flows),
        kept=kept_of(flows, _held_against(question, desk.made_at), terms.keep_days),
        consents=[_said(each) for each in trail.consents],
        steps=[_step(flow) for flow in flows],
        by_hand=["rights", "complaint", "automated_decisions", "safeguards_abroad"],
    )


def access_deadlines(received_at: AwareDatetime, now: AwareDatetime, terms: Terms) -> list[Deadline]:
    """By when a request for access is to be answered, under each law."""
    months = terms.gdpr_access_months
    extended = months + terms.gdpr_access_extension_months
    return [
        due_in("gdpr_access", ["gdpr.12.3"], received_at, now, months=months),
        due_in("gdpr_access_extended", ["gdpr.12.3"], received_at, now, months=extended),
        due_in("pipa_access", ["pipa.35.3", "pipa_decree.41"], received_at, now, days=terms.pipa_access_days),
        due_in("pipl_access", ["pipl.45"], received_at, now, days=terms.pipl_access_days, own_number=True),
    ]


def _held(flows: list[Flow]) -> list[Held]:
    return [
        Held(
            category=category,
            flows=len(group),
            denied=sum(flow.is_denied for flow in group),
            kinds=distinct(flow.event.kind for flow in group),
            purposes=distinct(flow.event.purpose for flow in group),
            services=distinct(flow.event.service for flow in group),
            recipients=distinct(flow.event.recipient for flow in group),
            **span([flow.event.happened_at for flow in group]),
        )
        for category, group in sorted(grouped(flows, lambda flow: flow.part.category).items())
    ]


def _purposes(flows: list[Flow]) -> list[Purpose]:
    groups = grouped(flows, lambda flow: (flow.event.purpose, flow.event.basis))
    return [
        Purpose(
            purpose=purpose,
            basis=basis,
            reasons=distinct(reason for flow in group for reason in [*flow.part.reasons, *flow.part.gaps]),
            clauses=distinct(clause for flow in group for clause in flow.part.clauses),
            categories=distinct(flow.part.category for flow in group),
            flows=len(group),
            denied=sum(flow.is_denied for flow in group),
        )
        for (purpose, basis), group in sorted(groups.items())
        if purpose
    ]


def _recipients(flows: list[Flow], registry: Registry) -> list[RecipientGot]:
    shared = [flow for flow in flows if flow.event.kind == Kind.SHARE]
    return [
        RecipientGot(
            recipient=recipient,
            type=_type_of(recipient, group, registry),
            destinations=distinct(flow.event.location for flow in group),
            categories=distinct(flow.part.category for flow in group),
            purposes=distinct(flow.event.purpose for flow in group),
            bases=distinct(flow.event.basis for flow in group),
            flows=len(group),
            denied=sum(flow.is_denied for flow in group),
            **span([flow.event.happened_at for flow in group]),
        )
        for recipient, group in sorted(grouped(shared, lambda flow: flow.event.recipient).items())
    ]


def _type_of(recipient: str, group: list[Flow], registry: Registry) -> str:
    last = max(flow.event.happened_at for flow in group)
    holding = registry.parties.at(recipient, instant_us(last))
    return "" if holding is None else str(holding.entry.type)


def _origins(flows: list[Flow]) -> list[Origin]:
    collected = [flow for flow in flows if flow.event.kind == Kind.COLLECT]

    def key(flow: Flow) -> tuple[str, str, str]:
        facts = flow.event.facts
        return facts.method or "", facts.received_from or "", flow.event.service

    return [
        Origin(
            method=method,
            received_from=received_from,
            service=service,
            categories=distinct(flow.part.category for flow in group),
            flows=len(group),
            **span([flow.event.happened_at for flow in group]),
        )
        for (method, received_from, service), group in sorted(grouped(collected, key).items())
    ]


def _held_against(question: Mapping[str, Any], now: datetime) -> datetime:
    """Give the instant that ends of retention are held against."""
    as_of = question.get("as_of")
    return now if as_of is None else datetime.fromisoformat(as_of)


def _said(consent: TrailConsent) -> Said:
    return Said(**{name: getattr(consent, name) for name in Said.model_fields})


def _step(flow: Flow) -> Step:
    event = ("happened_at", "kind", "service", "purpose", "basis", "recipient", "dataset", "location", "event_id")
    part = ("category", "verdict", "clauses", "reasons", "consent")
    return Step(
        **{name: getattr(flow.event, name) for name in event},
        **{name: getattr(flow.part, name) for name in part},
    )
