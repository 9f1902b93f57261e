"""Subjects in the order of the table, cut into slices: what is asked of all of them is asked slice by slice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from flowtrack.audit.exposed import ledger_order

PLACES: Final = 1 << 128
_HEX: Final = 16


def place_of(subject: str) -> int:
    """Give where a subject stands among all that there could be."""
    return int(ledger_order(subject), _HEX)


def subject_at(place: int) -> str:
    """Give the subject at a place, whether there is one or not."""
    return ledger_order(f"{place:032x}")


def slices(count: int) -> Iterator[tuple[str, str]]:
    """Give the first and the last subject of so many slices, of which each has about as many subjects."""
    for number in range(count):
        yield subject_at(PLACES * number // count), subject_at(PLACES * (number + 1) // count - 1)
