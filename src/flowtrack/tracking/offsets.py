"""Which source offsets the ledger holds: what makes a repeat recognisable, whatever cut the work short."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Self

WINDOW_OFFSETS = 1 << 20
"""How far below the highest offset gaps are remembered: far more than is ever in flight, and bounded."""


class Offsets:
    """The offsets of one source partition that are in the ledger, as the highest one and the gaps below it.

    A high-water mark alone would do as long as decisions come in the order of their events.  They do on Kafka's
    transactions; behind a plain checkpoint a worker may die with a later record delivered and an earlier one not, and
    the earlier one then comes again.  So an offset below the mark is a repeat only if it is not in a gap.  Gaps are
    few: dead letters, control records of transactions, and whatever is on its way.

    Args:
        high: the highest offset held; -1 for none.
        gaps: inclusive ranges below `high` that are not held, in any order.
    """

    __slots__ = ("_ends", "_starts", "high")

    def __init__(self, high: int = -1, gaps: Iterable[tuple[int, int]] = ()) -> None:
        self.high = high
        ordered = sorted(gaps)
        self._starts = [start for start, _ in ordered]
        self._ends = [end for _, end in ordered]

    @classmethod
    def of(cls, offsets: Iterable[int]) -> Self:
        """Of the offsets held; whatever is below the lowest of them counts as held too.  There must be one."""
        ordered = sorted(set(offsets))
        gaps = [(before + 1, after - 1) for before, after in pairwise(ordered) if after > before + 1]
        return cls(ordered[-1], gaps)

    def take(self, offset: int) -> bool:
        """Note an offset as held; False when it is held already, or is too far below the highest to know."""
        high = self.high
        if offset == high + 1:
            self.high = offset
            return True
        if offset > high:
            self._open_gap(high + 1, offset - 1)
            self.high = offset
            return True
        return self._close(offset)

    def holds(self, offset: int) -> bool:
        """Whether an offset is held."""
        if offset > self.high:
            return False
        at = bisect_right(self._starts, offset) - 1
        return at < 0 or offset > self._ends[at]

    def gaps(self) -> Sequence[tuple[int, int]]:
        """The gaps, inclusive, in order."""
        return list(zip(self._starts, self._ends, strict=True))

    def _open_gap(self, start: int, end: int) -> None:
        self._starts.append(start)
        self._ends.append(end)
        horizon = end - WINDOW_OFFSETS
        if self._ends[0] < horizon:
            keep = next(i for i, last in enumerate(self._ends) if last >= horizon)
            del self._starts[:keep], self._ends[:keep]

    def _close(self, offset: int) -> bool:
        at = bisect_right(self._starts, offset) - 1
        if at < 0 or offset > self._ends[at]:
            return False
        start, end = self._starts[at], self._ends[at]
        pieces = [(start, offset - 1), (offset + 1, end)]
        kept = [(first, last) for first, last in pieces if first <= last]
        self._starts[at : at + 1] = [first for first, _ in kept]
        self._ends[at : at + 1] = [last for _, last in kept]
        return True
