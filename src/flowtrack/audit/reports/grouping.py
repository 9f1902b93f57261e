"""Grouping the rows of an answer by what a report's table is ordered by."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from datetime import datetime
from typing import TypeVar

R = TypeVar("R")
K = TypeVar("K", bound=Hashable)


def grouped(rows: Iterable[R], key: Callable[[R], K]) -> dict[K, list[R]]:
    """Rows by their key, in the order in which the keys were met first."""
    found: dict[K, list[R]] = defaultdict(list)
    for row in rows:
        found[key(row)].append(row)
    return dict(found)


def distinct(values: Iterable[str | None]) -> list[str]:
    """Each value once, in order, without empty ones."""
    return sorted({value for value in values if value})


def span(instants: Sequence[datetime]) -> dict[str, datetime]:
    """The first and the last of some instants, as fields."""
    return {"first": min(instants), "last": max(instants)}
