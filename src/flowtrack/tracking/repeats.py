"""Services' own repeats: the same event published twice, e.g. by a service that died before it noted its success.

The checker marks what may be one (`suspect`), for it remembers only the last number of each producer.  Here it is
decided: a suspect is a repeat where an event of the same service and id, of the same subject, came before it.  Its row
stands with sign 0: the books have its offset, and no sum counts it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from flowtrack.tracking.draft import decoded
from flowtrack.tracking.records import Record
from flowtrack.wire.decisions import decode_tracked

Event = tuple[str, str, str]
"""Subject, service and id: what makes an event the same."""
Place = tuple[int, int]
"""Partition and offset of a decision."""

SUSPECT = b'"suspect":true'
"""Stands in every decision that may be a repeat; inside of a JSON text the quotes would be escaped."""


class Sighting(NamedTuple):
    """An event that counts in the ledger."""

    event: Event
    recorded_ms: int
    partition: int
    """Of its decision; offset likewise."""
    offset: int


class Head(msgspec.Struct, gc=False):
    """The fields of a decision that tell its event and where that stood."""

    subject: str
    service: str
    event_id: str
    suspect: bool
    epoch: str
    partition: int
    offset: int

    @property
    def event(self) -> Event:
        """What makes it the same."""
        return (self.subject, self.service, self.event_id)


_head = msgspec.json.Decoder(Head).decode


def head_of(record: Record) -> Head:
    """The few fields of a decision.

    Raises:
        ContractError: it is none.
    """
    try:
        return _head(record.value or b"")
    except msgspec.MsgspecError:
        decoded(decode_tracked, record)  # says what is wrong
        raise


class Suspect(NamedTuple):
    """A decision that may be on a repeat, and where it stands."""

    event: Event
    recorded_ms: int
    place: Place


def suspects_of(decisions: Sequence[Record]) -> tuple[list[Suspect], dict[Event, list[Place]]]:
    """Give the suspects of a batch, in order, and where the batch has their events, suspect or not.

    A batch without suspects, which is the rule, is only searched for the word.
    """
    if not any(SUSPECT in (record.value or b"") for record in decisions):
        return [], {}
    found: list[Suspect] = []
    places: dict[Event, list[Place]] = {}
    for record in decisions:
        head = head_of(record)
        place = (record.partition, record.offset)
        places.setdefault(head.event, []).append(place)
        if head.suspect:
            found.append(Suspect(head.event, record.timestamp_ms, place))
    return found, places


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
