"""Work that takes longer than somebody should wait for a page: it goes on beside, and the page tells how far it is."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import structlog

from flowtrack.errors import FlowtrackError, StoreUnavailableError

T = TypeVar("T")
Told = Callable[[str, int, int], None]

_KEPT_MAX: Final = 16
"""Results that are kept, the newest."""
_WAITING_MAX: Final = 4

_log = structlog.get_logger(__name__)


@dataclass
class Job(Generic[T]):
    """A piece of work and how far it is."""

    step: str = ""
    done: int = 0
    total: int = 0
    result: T | None = None
    error: FlowtrackError | None = None

    @property
    def ended(self) -> bool:
        """There is a result, or there will be none."""
        return self.result is not None or self.error is not None

    def tell(self, step: str, done: int, total: int) -> None:
        """Note how far it is."""
        self.step, self.done, self.total = step, done, total


class Jobs(Generic[T]):
    """Does one piece of work after the other; each is done once for all who want it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: OrderedDict[Hashable, Job[T]] = OrderedDict()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="pages")

    def of(self, key: Hashable, work: Callable[[Told], T]) -> Job[T]:
        """Give the job of a key; where there is none, or it failed, it is begun.

        Raises:
            StoreUnavailableError: too much work waits already.
        """
        with self._lock:
            job = self._jobs.get(key)
            if job is not None and job.error is None:
                self._jobs.move_to_end(key)
                return job
            if sum(not each.ended for each in self._jobs.values()) > _WAITING_MAX:
                raise StoreUnavailableError("too much is being worked out already", help="ask again in a moment")
            job = self._jobs[key] = Job()
            while len(self._jobs) > _KEPT_MAX:
                self._jobs.popitem(last=False)
        self._thread.submit(self._do, job, work)
        return job

    @staticmethod
    def _do(job: Job[T], work: Callable[[Told], T]) -> None:
        try:
            job.result = work(job.tell)
        except FlowtrackError as error:
            job.error = error
        except Exception as error:  # noqa: BLE001 - nobody else looks at what this thread raises
            _log.error("work of a page failed", error=type(error).__name__)
            job.error = FlowtrackError("this could not be worked out", help="look into the log of the API")
