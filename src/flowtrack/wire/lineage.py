"""Flows as other tools are told of them: who did what with which data, whence and whither, and how it was judged."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import NAMESPACE_URL, uuid5

from flowtrack.domain.names import Kind

PRODUCER = "urn:flowtrack"
"""Names us in what others keep."""


class Place(NamedTuple):
    """Where data is."""

    kind: str
    """`subject`, `service`, `dataset` or `party`."""
    name: str
    location: str = ""


class Flow(NamedTuple):
    """One step of data, or many alike that were counted together."""

    id: str
    """Unique among all that are told together."""
    kind: str
    service: str
    purpose: str
    first: datetime
    last: datetime
    events: int | None
    """None where only flows were counted."""
    categories: tuple[str, ...]
    verdicts: Mapping[str, int]
    """How many flows, of an event and a category, with which verdict."""
    source: Place | None
    target: Place | None
    clauses: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    packs: tuple[str, ...] = ()
    registries: tuple[str, ...] = ()
    derived_from: tuple[str, ...] = ()
    """Ids of the flows that it stems from."""
    consents: tuple[str, ...] = ()
    """Records that carried it."""
    inferred: bool = False
    """Not said by the service, concluded from what it said before."""


def places_of(
    kind: str, service: str, *, recipient: str = "", dataset: str = "", received_from: str = "", location: str = ""
) -> tuple[Place | None, Place | None]:
    """Give where a step took data from, and where to; None where it went nowhere or came from nowhere.

    A service collects from the subject or from a party, uses and shares what it holds or what a dataset holds, stores
    what it holds, and erases from where data was.
    """
    at = Place("service", service)
    held = Place("dataset", dataset, location) if dataset else None
    if kind == Kind.COLLECT:
        return (Place("party", received_from) if received_from else Place("subject", "")), held or at
    if kind == Kind.SHARE:
        return held or at, Place("party", recipient, location) if recipient else None
    if kind == Kind.STORE:
        return at, held or Place("dataset", f"{service}/store", location)
    if kind == Kind.ERASE:
        return None, held or at
    return (held, at) if held is not None else (at, None)


def uuid_of(*parts: str) -> str:
    """Give the UUID (version 5) of something that has a name of its own: always the same."""
    return str(uuid5(uuid5(NAMESPACE_URL, PRODUCER), "\x1f".join(parts)))


def utc(moment: datetime) -> str:
    """Give an instant as ISO 8601 in UTC, to the millisecond."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
