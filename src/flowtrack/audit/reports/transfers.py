"""The register of transfers abroad: what went to which country and party, how often, whose (GDPR 44, PIPA 28-8)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from pydantic import AwareDatetime

from flowtrack.audit.questions import Period
from flowtrack.audit.reports.frame import Desk, Report, used
from flowtrack.audit.reports.grouping import distinct, grouped
from flowtrack.audit.transfers import Transfer, TransfersAnswer
from flowtrack.domain.model import Contract


class Country(Contract):
    """What went to one country."""

    country: str
    recipients: list[str]
    categories: list[str]
    bases: list[str]
    flows: int
    denied: int
    """Of these; or could not be judged."""


class Registered(Contract):
    """What went to one party in one country, of one category."""

    country: str
    recipient: str
    type: str
    category: str
    purposes: list[str]
    bases: list[str]
    services: list[str]
    flows: int
    denied: int
    """Of these; or could not be judged."""
    subjects: int
    first: AwareDatetime
    last: AwareDatetime


class TransferRegister(Report):
    """What was shared abroad."""

    name: ClassVar[str] = "transfers"
    sources: ClassVar[tuple[str, ...]] = ("gdpr.30.1", "gdpr.44", "pipa.28-8", "pipl.38", "pipl.39")

    since: AwareDatetime | None
    until: AwareDatetime | None
    known_at: AwareDatetime | None
    home: list[str]
    """Countries that count as home."""
    countries: list[Country]
    transfers: list[Registered]
    by_hand: list[str]
    """Codes of what the register must hold and no ledger has."""


def transfer_register(desk: Desk, answer: TransfersAnswer, period: Period) -> TransferRegister:
    """Build the register.

    Args:
        desk: who makes it, and when.
        answer: every transfer of the period.
        period: which.
    """
    return TransferRegister(
        head=desk.head(
            TransferRegister,
            [used(answer.about)],
            names={name for each in answer.rows for name in (each.category, *each.purposes)},
            clauses=["5.2"],
        ),
        **dict(period),
        home=answer.home,
        countries=_countries(answer.rows),
        transfers=[_registered(each) for each in answer.rows],
        by_hand=["transfer_ground", "safeguards_abroad", "told_of_transfer"],
    )


def _countries(rows: Sequence[Transfer]) -> list[Country]:
    return [
        Country(
            country=country,
            recipients=distinct(each.recipient for each in group),
            categories=distinct(each.category for each in group),
            bases=distinct(basis for each in group for basis in each.bases),
            flows=sum(each.flows for each in group),
            denied=sum(each.denied + each.indeterminate for each in group),
        )
        for country, group in sorted(grouped(rows, lambda each: each.country).items())
    ]


def _registered(each: Transfer) -> Registered:
    copied = ("country", "recipient", "category", "purposes", "bases", "services", "flows", "subjects", "first", "last")
    return Registered(
        **{name: getattr(each, name) for name in copied},
        type=each.recipient_type,
        denied=each.denied + each.indeterminate,
    )
