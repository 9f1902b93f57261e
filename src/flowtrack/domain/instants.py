"""Instants as whole microseconds since 1970-01-01T00:00Z: what hot paths compare and store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BEGINNING_US = -(2**62)
"""Before every instant: an interval that has no start."""
END_US = 2**62
"""After every instant: an interval that has no end."""
DAY_US = 86_400_000_000


def instant_us(moment: datetime) -> int:
    """Whole microseconds since the epoch of an aware datetime."""
    gone = moment - EPOCH
    return (gone.days * 86_400 + gone.seconds) * 1_000_000 + gone.microseconds


def since_us(moment: datetime | None) -> int:
    """The start of an interval; None means that it has none."""
    return BEGINNING_US if moment is None else instant_us(moment)


def until_us(moment: datetime | None) -> int:
    """The end of an interval, exclusive; None means that it has none."""
    return END_US if moment is None else instant_us(moment)


def from_us(instant: int) -> datetime:
    """The aware datetime, in UTC, of an instant in microseconds."""
    return EPOCH + timedelta(microseconds=instant)
