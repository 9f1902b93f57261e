"""Transfers abroad: shares to another country, or with a party there (GDPR 30(1)(e), PIPA 28-8, PIPL 38-39)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, NamedTuple

from pydantic import AwareDatetime, ValidationError

from flowtrack.audit.cursors import Key
from flowtrack.audit.family import Answer, PagedQuestion
from flowtrack.domain.model import Contract, Name
from flowtrack.domain.registry import RegistryDocument

_OURS = frozenset({"platform", "affiliate"})


class Transfer(Contract):
    """What went to one party and country, of one category."""

    country: str
    """Where it went: the destination that the events say, else the party's country."""
    destination: str
    """As the events say it."""
    recipient: str
    recipient_type: str
    """As the registry has it; empty where it does not know the party."""
    recipient_country: str
    """Likewise."""
    category: str
    purposes: list[str]
    bases: list[str]
    services: list[str]
    """Who sent it."""
    flows: int
    denied: int
    indeterminate: int
    subjects: int
    first: AwareDatetime
    last: AwareDatetime


class TransfersAnswer(Answer):
    """A page of transfers, by country, party and category."""

    rows: list[Transfer]
    home: list[str]
    """Countries that count as home."""


class Transfers(PagedQuestion[TransfersAnswer]):
    """What was shared abroad?"""

    family: ClassVar[str] = "transfers"
    answer: ClassVar[type[Answer]] = TransfersAnswer

    home: Name | None = None
    """This country is home; left out, the regions of the platform's and its affiliates' services are."""
    recipient: Name | None = None
    category: Name | None = None
    """Only this one, and what hangs under it by name."""
    service: Name | None = None


class Geography(NamedTuple):
    """Which countries are home, and where parties are."""

    home: list[str]
    types: dict[str, str]
    countries: dict[str, str]

    @property
    def abroad(self) -> list[str]:
        """Parties in another country."""
        return sorted(name for name, country in self.countries.items() if country not in self.home)


def geography_of(bodies: Iterable[str], home: str | None) -> Geography:
    """Read from registry documents which countries are home, and where parties are; the last of an entry counts.

    Args:
        bodies: as they were published, those in force last at the end; one that cannot be read says nothing.
        home: overrides what services' regions say.
    """
    regions: set[str] = set()
    types: dict[str, str] = {}
    countries: dict[str, str] = {}
    for body in bodies:
        try:
            document = RegistryDocument.model_validate_json(body)
        except ValidationError:
            continue  # the checker has refused it: it has judged nothing
        for entries in (document.services or {}).values():
            for service in entries if isinstance(entries, list) else [entries]:
                regions |= set(service.regions) if service.controller in _OURS else set()
        for name, parties in (document.parties or {}).items():
            for party in parties if isinstance(parties, list) else [parties]:
                types[name], countries[name] = str(party.type), party.country or ""
    known = {name: country for name, country in countries.items() if country}
    return Geography(sorted(regions) if home is None else [home], types, known)


def transfer_of(geography: Geography, **said: Any) -> Transfer:  # noqa: ANN401 - the columns as they come
    """Make a row, with what the registry knows of its party."""
    recipient = said["recipient"]
    country = geography.countries.get(recipient, "")
    return Transfer(
        **said,
        country=said["destination"] or country,
        recipient_type=geography.types.get(recipient, ""),
        recipient_country=country,
    )


def place_of(row: Transfer) -> Key:
    """Where a row stands: by country, party, destination and category."""
    return [row.country, row.recipient, row.destination, row.category]
