"""What holds for a subject at an instant, remembered by what it depends on.

The law is `flowtrack.domain.history.as_of`.  What it says depends on the pattern of a history, on how many of its
entries are in effect and on which of them have expired (flowtrack.tracking.packing); and on the names of records, in
whose stead places in the history stand here.  Patterns recur in all subjects, so a subject that nobody has looked at
for a month costs a slice of its bytes and a look-up, however many records it has.
"""

from __future__ import annotations

import struct
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Any

from flowtrack.domain.history import NOTHING, ConsentView, Entry, as_of
from flowtrack.domain.instants import END_US
from flowtrack.tracking.packing import (
    ENTRY_BYTES,
    HEAD,
    PATTERN_BYTES,
    RECORD_BYTES,
    TIME_BYTES,
    Packing,
    expiries_of,
    times_of,
)

STANDINGS_MAX = 50_000
"""Answers remembered before the table is emptied, some 1 kB each; a platform of a million subjects has some hundred."""
FORMS_MAX = 50_000
"""Patterns remembered of one partition, likewise."""
PARTS_MAX = 1_000
"""Answers remembered for one pattern."""

_HEAD_BYTES = HEAD.size
_PATTERN_END = RECORD_BYTES + PATTERN_BYTES
_LAST_TIME = _HEAD_BYTES - TIME_BYTES
_time_at = struct.Struct("<q").unpack_from


class Standing:
    """What holds for a subject, but for the names of its records, which stand as places in its history, in digits.

    One object stands for all that is the same, so that memos may go by it.
    """

    __slots__ = ("view",)

    def __init__(self, view: ConsentView) -> None:
        self.view = view


NOBODY = Standing(NOTHING)
"""Of a subject without records."""


class Standings:
    """The standings met so far, of all partitions."""

    def __init__(self) -> None:
        self._known: dict[Any, Standing] = {}

    def of(self, view: ConsentView) -> Standing:
        """The one object for a view whose records are places."""
        # scopes go by object, which the packing keeps one of; the view that is kept keeps them alive
        key = (
            *(view.account, view.terms, view.deemed, view.country),
            tuple((own.record, own.state, own.expired, own.in_force, id(own.scope)) for own in view.own),
            tuple((record, id(scope)) for record, scope in view.opt_outs),
        )
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= STANDINGS_MAX:
                self._known.clear()
            known = self._known[key] = Standing(view)
        return known


class _Form:
    """A pattern that was met, with what it says."""

    __slots__ = ("outline", "parts", "whole")

    def __init__(self, outline: list[Entry] | None) -> None:
        self.outline = outline
        self.whole: Standing | None = None
        """Where all entries are in effect and none can expire."""
        self.parts: dict[tuple[int, int, int], Standing] = {}


class Forms:
    """The patterns met so far in one partition.

    Args:
        packing: of the partition.
        standings: shared by all partitions.
    """

    def __init__(self, packing: Packing, standings: Standings) -> None:
        self._packing = packing
        self._standings = standings
        self._forms: dict[bytes, _Form] = {}

    def standing(self, packed: bytes, count: int, expiring: int, at_us: int) -> Standing:
        """What holds at an instant by a packed history: `as_of`, record names apart.

        Args:
            packed: the history.
            count: how many entries it has, as its head says.
            expiring: how many of them expire, likewise.
            at_us: the instant, microseconds since the epoch.
        """
        if not count:
            return NOBODY
        pattern = packed[_HEAD_BYTES + count * RECORD_BYTES : _HEAD_BYTES + count * _PATTERN_END]
        form = self._forms.get(pattern)
        if form is None:
            form = self._learn(pattern)
        whole = form.whole
        if whole is not None and not expiring and _time_at(packed, _LAST_TIME + count * ENTRY_BYTES)[0] < at_us:
            return whole
        return self._part(form, packed, count, expiring, at_us)

    def _learn(self, pattern: bytes) -> _Form:
        if len(self._forms) >= FORMS_MAX:
            self._forms.clear()
        form = self._forms[pattern] = _Form(self._packing.outline(pattern))
        return form

    def _part(self, form: _Form, packed: bytes, count: int, expiring: int, at_us: int) -> Standing:
        """What holds by the entries in effect: those from before the instant, and of those at it the cautious ones."""
        if form.outline is None:
            return self._standings.of(as_of(_anonymous(self._packing.unpack(packed)), at_us))
        times = times_of(packed, count)
        before, upto = bisect_left(times, at_us), bisect_right(times, at_us)
        expired = 0
        for number, until in enumerate(expiries_of(packed, count, expiring)):
            if until <= at_us:
                expired |= 1 << number
        key = (before, upto, expired)
        known = form.parts.get(key)
        if known is None:
            if len(form.parts) >= PARTS_MAX:
                form.parts.clear()
            known = form.parts[key] = self._standings.of(_view(form.outline, before, upto, expired))
        if before == count and not expiring:
            form.whole = known
        return known


def _view(outline: Sequence[Entry], before: int, upto: int, expired: int) -> ConsentView:
    """`as_of` by an outline, whose instants are places: after all of it, with the entries that are in effect."""
    taken = []
    for place, entry in enumerate(outline[:upto]):
        stands = entry
        if entry.expires_us != END_US:
            stands = entry if expired & 1 else entry._replace(expires_us=END_US)
            expired >>= 1
        if place < before or entry.cautious:
            taken.append(stands)
    return as_of(tuple(taken), len(outline))


def _anonymous(history: Sequence[Entry]) -> tuple[Entry, ...]:
    """The history with the place of each record's first entry in the record's stead."""
    firsts: dict[str, int] = {}
    return tuple(
        entry._replace(record=str(firsts.setdefault(entry.record, place))) for place, entry in enumerate(history)
    )
