"""Axes: round numbers and round instants to write beside a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

_STEPS: Final = (1, 2, 5, 10)
_TIMES: Final = (
    *(timedelta(seconds=s) for s in (1, 5, 15, 30)),
    *(timedelta(minutes=m) for m in (1, 5, 15, 30)),
    *(timedelta(hours=h) for h in (1, 3, 6, 12)),
    *(timedelta(days=d) for d in (1, 2, 7, 14, 30, 91, 182, 365, 730, 3_650, 36_500, 365_000)),
)
_LAST: Final = datetime.max.replace(tzinfo=UTC)


def round_steps(highest: float, steps_max: int = 4) -> list[float]:
    """Give round numbers from zero up to the first that is not below `highest`."""
    if highest <= 0:
        return [0.0, 1.0]
    raw = highest / steps_max
    power = 10.0 ** math.floor(math.log10(raw))
    step = next((power * each for each in _STEPS if power * each >= raw), power * 10)
    step = max(step, 1.0)
    return [step * each for each in range(math.ceil(highest / step) + 1)]


def instants(first: datetime, last: datetime, steps_max: int = 6) -> list[datetime]:
    """Give round instants between two, both included; they are in UTC."""
    first, last = first.astimezone(UTC), last.astimezone(UTC)
    span = max(last - first, timedelta(seconds=1))
    step = next((each for each in _TIMES if span / each <= steps_max), _TIMES[-1])
    midnight = first.replace(hour=0, minute=0, second=0, microsecond=0)
    at = midnight + step * math.ceil((first - midnight) / step)
    found = []
    while at <= last:
        found.append(at)
        if _LAST - at < step:
            break
        at += step
    return found


def shown_instants(at: Sequence[datetime]) -> list[str]:
    """Write instants as short as they can be told apart."""
    whole_days = all((each.hour, each.minute, each.second) == (0, 0, 0) for each in at)
    one_day = len({each.date() for each in at}) <= 1
    form = "%Y-%m-%d" if whole_days else "%H:%M:%S" if one_day else "%m-%d %H:%M"
    return [f"{each:{form}}" for each in at]
