"""Services' own repeats: the same event published twice, e.g. by a service that died before it noted its success.

The checker marks what may be one (`suspect`), for it remembers only the last number of each producer.  Here it is
decided: a suspect is a repeat where an event of the same service and id, of the same subject, came before it.  Its row
stands with sign 0: the books have its offset, and no sum counts it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from flowtrack.tracking.parting import Parted

Event = tuple[str, str, str]
"""Subject, service and id: what makes an event the same."""
Place = tuple[int, int]
"""Partition and offset of a decision."""


class Sighting(NamedTuple):
    """An event that counts in the ledger."""

    event: Event
    recorded_ms: int
    partition: int
    """Of its decision; offset likewise."""
    offset: int


class Suspect(NamedTuple):
    """A decision that may be on a repeat, and where it stands."""

    event: Event
    recorded_ms: int
    place: Place


def suspects_of(decisions: Sequence[Parted]) -> tuple[list[Suspect], dict[Event, list[Place]]]:
    """Give the suspects of a batch, in order, and where the batch has their events, suspect or not."""
    found = [Suspect(_event(each), each.record.timestamp_ms, each.place) for each in decisions if each.own.suspect]
    if not found:
        return [], {}
    places: dict[Event, list[Place]] = {suspect.event: [] for suspect in found}
    for each in decisions:
        at = places.get(_event(each))
        if at is not None:
            at.append(each.place)
    return found, places


def _event(each: Parted) -> Event:
    return (each.own.subject, each.common.service, each.own.event_id)


def repeats_among(
    suspects: Iterable[Suspect], places: dict[Event, list[Place]], sightings: Iterable[Sighting]
) -> frozenset[Place]:
    """Tell which suspects are repeats.

    Args:
        suspects: of a batch.
        places: of the batch's events, each in the order of its partition.
        sightings: what the ledger has of the suspects' events; also what came after them, which does not matter.

    Returns:
        Where the repeats stand.  It depends on the log alone, so whoever writes the batch again finds the same.
    """
    seen: dict[Event, list[Sighting]] = {}
    for sighting in sightings:
        seen.setdefault(sighting.event, []).append(sighting)
    return frozenset(
        suspect.place
        for suspect in suspects
        if any(place < suspect.place for place in places[suspect.event] if place[0] == suspect.place[0])
        or any(_before(sighting, suspect) for sighting in seen.get(suspect.event, ()))
    )


def _before(sighting: Sighting, suspect: Suspect) -> bool:
    at = (suspect.recorded_ms, suspect.place[1])
    return sighting.partition == suspect.place[0] and (sighting.recorded_ms, sighting.offset) < at
