"""How a source is doing, for readiness and for the watchdog."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass(slots=True)
class SourceStatus:
    """Written by the source's thread, read by others; each field is replaced whole, so no lock is needed.

    Times are of the monotonic clock, in seconds.
    """

    partitions: tuple[int, ...] = ()
    """The partitions owned; none is fine when there are more workers than partitions."""
    lag_records: int = 0
    last_commit_s: float | None = None
    reason: str = "starting"
    """Why the worker is not ready; empty when it is."""
    busy_since_s: float | None = None
    """Since when the batch in hand has been worked on; none between batches."""
    lag_since_s: float | None = None
    """Since when there has been lag without any commit."""
    broker_down: str = field(default="")
    """What librdkafka said last about brokers that do not answer; empty once records flow again."""

    outside: str = ""
    """What outside of Kafka is waited for, and what to do about it; empty while batches go through."""

    @property
    def ready(self) -> bool:
        """Whether the worker owns what it was given and works on it."""
        return not self.reason and not self.broker_down and not self.outside

    def committed(self) -> None:
        """Note that a batch has been closed."""
        self.last_commit_s = time.monotonic()
        self.busy_since_s = None
        self.lag_since_s = None
        self.broker_down = ""
        self.outside = ""

    def lagging(self, records: int) -> None:
        """Note the lag as just measured."""
        self.lag_records = records
        self.broker_down = ""
        if not records:
            self.lag_since_s = None
        elif self.lag_since_s is None:
            self.lag_since_s = time.monotonic()

    def stuck_for_s(self) -> float:
        """Give for how long there has been work and no commit; what is outside of Kafka is no reason to start anew."""
        if self.outside:
            return 0.0
        now_s = time.monotonic()
        return max((now_s - since for since in (self.busy_since_s, self.lag_since_s) if since is not None), default=0.0)
