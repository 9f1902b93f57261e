"""What can be chosen of a sample day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from flowtrack.domain.instants import instant_us
from flowtrack.errors import ConfigurationError

HOUR_US = 3_600_000_000
MINUTE_US = 60_000_000
SECOND_US = 1_000_000
_SEOUL = timedelta(hours=9)  # no summer time since 1988
SERVICES_MIN = 28
PARTIES_MIN = 40
_LEAST = {"events": 1_000, "subjects": 200, "services": SERVICES_MIN, "parties": PARTIES_MIN}


@dataclass(frozen=True, slots=True)
class SampleOptions:
    """Which day, how large; the same options always give the same bytes.

    Raises:
        ConfigurationError: the day would be too small to hold every flow and every planted violation.
    """

    seed: int = 1
    events: int = 50_000
    """About how many; a flow that has begun is told to its end."""
    subjects: int = 2_000
    services: int = 30
    parties: int = 40
    day: date = date(2026, 3, 2)
    """From midnight to midnight in Seoul.  Events older than 400 days are dead letters, so a pipeline that is to judge
    the day wants a recent one."""

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            if getattr(self, name) < least:
                raise ConfigurationError(
                    f"a sample day with {getattr(self, name)} {name} is too small",
                    where=name,
                    help=f"ask for at least {least}",
                )

    @property
    def start_us(self) -> int:
        """Midnight in Seoul at which the day begins, in microseconds since the epoch."""
        return instant_us(datetime.combine(self.day, time(), UTC) - _SEOUL)
