"""How far data may have got from one place: steps between places, followed category by category and forward in time.

A place is a dataset, a service or a party.  A service puts data into a dataset (store, collect), takes it from one
(use, share) and hands it to a party (share).  What this follows are sums by day, so it finds where data may have
got to; who it was is then counted subject by subject.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from typing import Literal, NamedTuple

from flowtrack.audit.blast import PlaceKind, Reached
from flowtrack.domain.names import Kind


class Place(NamedTuple):
    """Where data may be."""

    kind: PlaceKind | Literal["start"]
    """`start` stands for wherever data was first."""
    name: str


class Step(NamedTuple):
    """Data of one category went from one place to another, on some days."""

    source: Place
    target: Place
    category: str
    first: date
    last: date


class Arrival(NamedTuple):
    """Data of some categories may have got to a place."""

    hops: int
    categories: frozenset[str]


def steps_of(kind: str, service: str, recipient: str, dataset: str) -> list[tuple[Place, Place]]:
    """The steps that a flow is: from where to where."""
    at, held = Place("service", service), Place("dataset", dataset)
    steps = []
    if dataset and kind in {Kind.STORE, Kind.COLLECT}:
        steps.append((at, held))
    if dataset and kind in {Kind.USE, Kind.SHARE}:
        steps.append((held, at))
    if recipient and kind == Kind.SHARE:
        steps.append((at, Place("party", recipient)))
    return steps


def spread(
    start: Place, categories: Iterable[str], steps: Iterable[Step], since: date, hops_max: int
) -> dict[Place, Arrival]:
    """The places that data may have got to, the start among them.

    Args:
        start: where it was.
        categories: of the data there.
        steps: all that were taken.
        since: days before are not followed.
        hops_max: so many steps at most.
    """
    leaving: dict[tuple[Place, str], list[Step]] = defaultdict(list)
    for step in steps:
        leaving[step.source, step.category].append(step)
    arrived = {(start, category): since for category in categories}
    hops = {start: 0}
    reached = dict(arrived)  # and since which day: what comes a longer way may come earlier, and go on by more
    for hop in range(1, hops_max + 1):
        following: dict[tuple[Place, str], date] = {}
        for (place, category), on in arrived.items():
            for step in leaving[place, category]:
                if step.last < on:
                    continue
                there, then = (step.target, category), max(on, step.first)
                before = following.get(there, reached.get(there))
                if before is None or then < before:
                    following[there] = then
        arrived = following
        if not arrived:
            break
        reached |= arrived
        for place, _ in arrived:
            hops.setdefault(place, hop)
    found: dict[Place, set[str]] = defaultdict(set)
    for place, category in reached:
        found[place].add(category)
    return {place: Arrival(hops[place], frozenset(names)) for place, names in found.items()}


def reached_of(
    start: Place, subjects: int, found: dict[Place, Arrival], counted: dict[Place, tuple[int, int]]
) -> list[Reached]:
    """The places with somebody's data, nearest first; the start stands for itself."""
    counted = {**counted, start: (0, subjects)}
    return [
        Reached(
            kind=place.kind,
            name=place.name,
            hops=arrival.hops,
            categories=sorted(arrival.categories),
            flows=counted[place][0],
            subjects=counted[place][1],
            notify=place.kind == "party" and bool(arrival.hops),
        )
        for place, arrival in sorted(found.items(), key=lambda item: (item[1].hops, item[0]))
        if place in counted and place.kind != "start"
    ]
