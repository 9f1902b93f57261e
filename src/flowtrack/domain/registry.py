"""The registry: services, parties, orders, staff agreements and sessions, each with the time it holds.

A document is what a team publishes; a `Registry` is documents merged and indexed, to be asked as of an instant.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Annotated, Generic, TypeVar

from pydantic import AliasChoices, AwareDatetime, Field

from flowtrack.domain.instants import END_US, since_us, until_us
from flowtrack.domain.model import Contract, Identifier, Name
from flowtrack.domain.names import Controller, PartyType
from flowtrack.errors import RegistryError

Since = Annotated[
    AwareDatetime | None, Field(validation_alias=AliasChoices("since", "from"), serialization_alias="since")
]
Until = Annotated[AwareDatetime | None, Field()]


class ServiceEntry(Contract):
    """A service, who controls it, and where it collects, accesses, stores or displays (clauses 1.1, 1.2, 5.2)."""

    controller: Controller
    regions: list[Name] = []
    grants: dict[Name, list[Name]] = {}
    """Role to the categories that it may see (clause 6.2)."""
    purposes: list[Name] | None = None
    keys: list[Identifier] | None = None
    since: Since = None
    until: Until = None


class Agreement(Contract):
    """A processing agreement (clause 4.4)."""

    from_: Annotated[AwareDatetime | None, Field(alias="from")] = None
    until: AwareDatetime | None = None
    instructions: list[Name] = []
    confidentiality: bool = False
    security: bool = False


class PartyEntry(Contract):
    """A recipient or sender outside the platform, and what each purpose needs it to get (clauses 4.3, 4.4, 6.4)."""

    type: PartyType
    country: Name | None = None
    agreement: Agreement | None = None
    needs: dict[Name, list[Name]] = {}
    since: Since = None
    until: Until = None


class OrderEntry(Contract):
    """An administrative or judicial order (clause 4.2)."""

    authority: Name
    recipients: list[Name] = []
    categories: list[Name] = []
    since: Since = None
    until: Until = None


class TimedEntry(Contract):
    """Something that is either in force or not: a staff agreement, a monitored session (clause 6.2)."""

    since: Since = None
    until: Until = None


Entry = TypeVar("Entry", ServiceEntry, PartyEntry, OrderEntry, TimedEntry)


class RegistryDocument(Contract):
    """What is published under one name and version; an absent section says that nobody keeps that list."""

    name: Name = "registry"
    version: Name = "1"
    services: dict[Name, ServiceEntry | list[ServiceEntry]] | None = None
    parties: dict[Name, PartyEntry | list[PartyEntry]] | None = None
    orders: dict[Identifier, OrderEntry | list[OrderEntry]] | None = None
    staff_agreements: dict[Identifier, TimedEntry | list[TimedEntry]] | None = None
    sessions: dict[Identifier, TimedEntry | list[TimedEntry]] | None = None


@dataclass(frozen=True, slots=True)
class Holding(Generic[Entry]):
    """One entry and the half-open interval, in microseconds, in which it holds."""

    since_us: int
    until_us: int
    entry: Entry


class Section(Generic[Entry]):
    """One section of the registry, to be asked as of an instant."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._held: dict[str, tuple[Holding[Entry], ...]] = {}

    def put(self, key: str, entries: Entry | list[Entry], where: str) -> None:
        """Replace what is known of `key`.

        Raises:
            RegistryError: two of the entries hold at the same time, or one ends before it begins.
        """
        listed = entries if isinstance(entries, list) else [entries]
        held = sorted(
            (Holding(since_us(entry.since), until_us(entry.until), entry) for entry in listed),
            key=lambda holding: holding.since_us,
        )
        for holding in held:
            if holding.until_us <= holding.since_us:
                raise RegistryError(
                    f"`{key}` ends before it begins", where=f"{where}, {self.name}", help="let `until` follow `since`"
                )
        for earlier, later in pairwise(held):
            if later.since_us < earlier.until_us:
                raise RegistryError(
                    f"two validities of `{key}` overlap",
                    where=f"{where}, {self.name}",
                    help="end the earlier entry (`until`) where the later one begins (`since`)",
                )
        self._held[key] = tuple(held)

    def at(self, key: str, instant: int) -> Holding[Entry] | None:
        """The entry in force at the instant; None where there is none."""
        for holding in self._held.get(key, ()):
            if holding.since_us <= instant < holding.until_us:
                return holding
        return None

    def next_start_us(self, key: str, instant: int) -> int | None:
        """The start of the next entry after the instant; None where none follows."""
        return next((holding.since_us for holding in self._held.get(key, ()) if holding.since_us > instant), None)

    def span_without_us(self, key: str, instant: int) -> tuple[int, int]:
        """The longest interval around the instant in which nothing of `key` holds."""
        held = self._held.get(key, ())
        start = max((holding.until_us for holding in held if holding.until_us <= instant), default=-END_US)
        end = min((holding.since_us for holding in held if holding.since_us > instant), default=END_US)
        return start, end

    def __contains__(self, key: object) -> bool:
        """Whether `key` was ever registered."""
        return key in self._held

    def names(self) -> Iterable[str]:
        """Each key that was ever registered."""
        return self._held.keys()

    def items(self) -> Iterable[tuple[str, tuple[Holding[Entry], ...]]]:
        """Each key with its entries, earliest first."""
        return self._held.items()


@dataclass(slots=True)
class Registry:
    """All documents merged; a section that no document has is None."""

    label: str = ""
    """`name@version` of every document, joined by `+`: what a decision cites."""
    services: Section[ServiceEntry] = field(default_factory=lambda: Section[ServiceEntry]("services"))
    parties: Section[PartyEntry] = field(default_factory=lambda: Section[PartyEntry]("parties"))
    orders: Section[OrderEntry] | None = None
    staff_agreements: Section[TimedEntry] | None = None
    sessions: Section[TimedEntry] | None = None


def registry_of(documents: Iterable[RegistryDocument]) -> Registry:
    """Merge documents: a later one replaces, id by id, what an earlier one says.

    Raises:
        RegistryError: an entry contradicts itself.
    """
    merged = Registry()
    labels = []
    for document in documents:
        label = f"{document.name}@{document.version}"
        labels.append(label)
        _put_all(merged.services, document.services, label)
        _put_all(merged.parties, document.parties, label)
        if document.orders is not None:
            merged.orders = merged.orders or Section("orders")
            _put_all(merged.orders, document.orders, label)
        if document.staff_agreements is not None:
            merged.staff_agreements = merged.staff_agreements or Section("staff_agreements")
            _put_all(merged.staff_agreements, document.staff_agreements, label)
        if document.sessions is not None:
            merged.sessions = merged.sessions or Section("sessions")
            _put_all(merged.sessions, document.sessions, label)
    merged.label = "+".join(labels)
    return merged


def _put_all(section: Section[Entry], entries: Mapping[str, Entry | list[Entry]] | None, where: str) -> None:
    for key, listed in (entries or {}).items():
        section.put(key, listed, where)
