"""From which instant two editions of the rules may answer differently.

What the rules say of an event depends on the registry as of its time, entry by entry (policy/resolve.py).  So an
entry is looked at as what it says over time: a step function, cut where an entry or an agreement begins or ends.
Where two editions have the same pack, they may differ only where such functions do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any, NamedTuple

from flowtrack.domain.instants import BEGINNING_US, END_US, since_us, until_us
from flowtrack.domain.registry import Holding, PartyEntry, Registry, Section
from flowtrack.policy.decide import Decider, PackDecider

SECTIONS = ("services", "parties", "orders", "staff_agreements", "sessions")

_ABSENT, _FORETOLD = "absent", "foretold"
_DATES = {"since", "until"}

Piece = tuple[int, Any]
"""From when, and what is said until the next piece."""


class Reach(NamedTuple):
    """The earliest instants at which answers may differ, in microseconds; `END_US` where they never do."""

    anyhow_us: int = END_US
    unnamed_us: int = END_US
    """The same for events that name a party which is not in force, and for those alone: whether such a party is
    unknown, or only not yet registered, is decided by entries that begin later."""
    unnaming_us: int = END_US
    """The earliest instant at which a party may have gone out of force: events since then may be such events."""

    def joined(self, other: Reach) -> Reach:
        """The earlier of each."""
        return Reach(*map(min, self, other))


def reach_of(before: Decider, after: Decider) -> Reach:
    """From when on two deciders may give different verdicts, reasons or gaps; versions cited are not compared."""
    found = Reach()
    edges = {BEGINNING_US, END_US} | {since for each in (before, after) for since, _ in each.timeline}
    for start_us, end_us in pairwise(sorted(edges)):
        old, new = _deciding(before, start_us), _deciding(after, start_us)
        if old is None or new is None:
            if old is not new:
                found = found.joined(Reach(start_us, END_US, start_us))
            continue
        registered = _between(old.registry, new.registry, start_us, end_us)
        if old.judge is not new.judge:
            registered = Reach(start_us, END_US, registered.unnaming_us)
        found = found.joined(registered)
    return found


def registered_alike(old: Registry, new: Registry, start_us: int, end_us: int) -> bool:
    """Whether two registries answer the same about whatever happened in [start, end)."""
    return _between(old, new, start_us, end_us) == Reach()


def _deciding(decider: Decider, instant_us: int) -> PackDecider | None:
    return next((each for since, each in decider.timeline if since <= instant_us), None)


def _between(old: Registry, new: Registry, start_us: int, end_us: int) -> Reach:
    """The reach of a change of the registry, of what it has within [start, end)."""
    found = Reach()
    for name in SECTIONS:
        known: Section[Any] | None = getattr(old, name)
        now: Section[Any] | None = getattr(new, name)
        if known is None and now is None:
            continue
        if known is None or now is None:  # where nobody keeps a list, an id counts for what it says
            return found.joined(Reach(anyhow_us=start_us))
        before, after = dict(known.items()), dict(now.items())
        for key in before.keys() | after.keys():
            held_before, held_after = before.get(key, ()), after.get(key, ())
            if held_before != held_after:
                found = found.joined(_difference(held_before, held_after, start_us, end_us))
    return found


def _difference(before: Iterable[Holding[Any]], after: Iterable[Holding[Any]], start_us: int, end_us: int) -> Reach:
    """The reach of one id that is registered differently."""
    old, new = list(_pieces(before)), list(_pieces(after))
    found = Reach()
    edges = sorted({max(start_us, edge) for edge, _ in (*old, *new) if edge < end_us})
    for edge in edges:
        said, says = _at(old, edge), _at(new, edge)
        if said == says:
            continue
        if isinstance(says, str):
            found = found.joined(Reach(unnamed_us=edge) if isinstance(said, str) else Reach(edge, END_US, edge))
        else:
            found = found.joined(Reach(edge))
    return found


def _at(pieces: list[Piece], instant_us: int) -> Any:  # noqa: ANN401 - whatever an entry says
    return next(said for since, said in reversed(pieces) if since <= instant_us)


def _pieces(held: Iterable[Holding[Any]]) -> Iterator[Piece]:
    """What an id's entries say over time; they do not overlap, and come in order."""
    edge = BEGINNING_US
    for holding in held:
        if holding.since_us > edge:
            yield edge, _FORETOLD if isinstance(holding.entry, PartyEntry) else _ABSENT
        yield from _said_by(holding)
        edge = holding.until_us
    if edge < END_US:
        yield edge, _ABSENT


def _said_by(holding: Holding[Any]) -> Iterator[Piece]:
    """What one entry says over time: itself without its dates, and how its agreement stands."""
    entry = holding.entry
    said = entry.model_dump(exclude=_DATES)
    agreement = entry.agreement if isinstance(entry, PartyEntry) else None
    if agreement is None:
        yield holding.since_us, said
        return
    said["agreement"] = agreement.model_dump(exclude={"from_", "until"})
    begins_us, ends_us = since_us(agreement.from_), until_us(agreement.until)
    within = {edge for edge in (begins_us, ends_us) if holding.since_us < edge < holding.until_us}
    for edge in sorted({holding.since_us, *within}):
        yield edge, (said, edge >= begins_us, edge >= ends_us)
