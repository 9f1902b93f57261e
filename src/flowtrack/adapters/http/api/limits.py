"""How often one token may ask."""

from __future__ import annotations

import math
import time

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from flowtrack.errors import FlowtrackError


class TooManyError(FlowtrackError):
    """More requests than are allowed in a minute; `retry_after_s` says when to go on."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__("too many requests", help=f"go on in {retry_after_s} s")
        self.retry_after_s = retry_after_s


class Rate:
    """Bounds how often each of many may do a thing; counted in this process.

    Args:
        per_minute: for each of them.
    """

    def __init__(self, per_minute: int) -> None:
        self._item = RateLimitItemPerMinute(per_minute)
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())

    def count(self, key: str) -> None:
        """Count one more.

        Raises:
            TooManyError: it is one too many.
        """
        if not self._limiter.hit(self._item, key):
            raise TooManyError(self._wait_s(key))

    def check(self, key: str) -> None:
        """Look whether one more were too many, without counting it.

        Raises:
            TooManyError: it would be.
        """
        if not self._limiter.test(self._item, key):
            raise TooManyError(self._wait_s(key))

    def _wait_s(self, key: str) -> int:
        reset_at_s = self._limiter.get_window_stats(self._item, key).reset_time
        return max(1, math.ceil(reset_at_s - time.time()))
