"""What was planted in a sample day: the answers that a right pipeline must find, and no others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple


class Violation(NamedTuple):
    """One category of one event that must not pass."""

    event_id: str
    subject: str
    category: str
    verdict: Literal["deny", "indeterminate"]
    clause: str
    """A clause that the decision must cite; for a gap the clause that needs what is unknown."""
    reason: str
    """The reason that the decision must name; empty where a gap is expected."""
    gap: str
    """The gap that the decision must name; empty where a denial is expected."""
    planted: str
    """What was planted, in words."""


class BadMessage(NamedTuple):
    """A message that no service should send: it must end as a dead letter."""

    code: str
    """The dead-letter code that it must get."""
    subject: str
    """Decides the partition, as a right message's subject would."""
    partition_shift: int
    """How many partitions further it is sent than it belongs; a topic of one partition has none that is wrong."""
    value: bytes


@dataclass(frozen=True, slots=True)
class Truth:
    """Everything that was planted."""

    violations: tuple[Violation, ...]
    incidents: tuple[str, ...]
    """Ids of incident events: each raises one alert."""
    repeats: tuple[str, ...]
    """Ids of events that their service published twice, with the same sequence."""
    bad_messages: tuple[BadMessage, ...]
