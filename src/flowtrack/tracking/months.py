"""Months of recording: what is inserted together becomes one block only within one partition of its table."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import TypeVar

T = TypeVar("T")
Month = int
"""Year and month as the store writes them, e.g. 202603."""


def by_month(items: Iterable[T], recorded_ms: Callable[[T], int]) -> list[tuple[Month, list[T]]]:
    """Put items by the month (UTC) in which they were recorded, in order within each; the earliest month first."""
    found: dict[Month, list[T]] = {}
    month, start, end = 0, 0, 0
    held: list[T] = []
    for item in items:
        at = recorded_ms(item)
        if not start <= at < end:
            month, start, end = _month_of(at)
            held = found.setdefault(month, [])
        held.append(item)
    return sorted(found.items(), key=lambda pair: pair[0])


def _month_of(instant_ms: int) -> tuple[Month, int, int]:
    """The month that an instant falls in, its first millisecond, and that of the next."""
    moment = datetime.fromtimestamp(instant_ms / 1000, tz=UTC)
    first = moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    following = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
    return first.year * 100 + first.month, int(first.timestamp()) * 1000, int(following.timestamp()) * 1000
