"""The desk at which questions are handed in: so many at once, so many waiting, and none for ever."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

from flowtrack.audit.family import Answer, Question
from flowtrack.audit.ledger import Asks
from flowtrack.audit.roles import Asker
from flowtrack.errors import FlowtrackError

A = TypeVar("A", bound=Answer)
T = TypeVar("T")


class BusyError(FlowtrackError):
    """As many questions as are answered and wait at once are there already."""


class SlowError(FlowtrackError):
    """An answer takes longer than whoever asks should wait."""


class Desk:
    """Asks a ledger from threads of its own.

    A question that is given up goes on in its thread, and keeps its place until it ends: so slow questions cannot
    pile up.

    Args:
        ledger: its `ask` is called from several threads.
        questions_max: answered at once.
        waiting_max: waiting beside these.
        exports_max: exports at once.
        timeout_s: for each, waiting included.
    """

    def __init__(
        self, ledger: Asks, *, questions_max: int, waiting_max: int, exports_max: int, timeout_s: float
    ) -> None:
        self._ledger = ledger
        self._threads = ThreadPoolExecutor(questions_max, thread_name_prefix="desk")
        self._places = threading.BoundedSemaphore(questions_max + waiting_max)
        self._exports = threading.BoundedSemaphore(exports_max)
        self._timeout_s = timeout_s

    async def ask(self, question: Question[A], asker: Asker) -> A:
        """Answer a question.

        Raises:
            BusyError: too many questions are there.
            SlowError: it takes too long.
            QuestionError: the question is not right.
            StoreError: the ledger cannot answer.
        """
        return await self.do(partial(self._ledger.ask, question, asker=asker))

    async def do(self, work: Callable[[], T]) -> T:
        """Do what takes several questions, in the place of one.

        Args:
            work: is called in a thread of its own.

        Raises:
            BusyError: too many questions are there.
            SlowError: it takes too long.
        """
        if not self._places.acquire(blocking=False):
            raise BusyError("too many questions are being answered", help="ask again in a moment")
        try:
            future: Future[T] = self._threads.submit(work)
        except BaseException:
            self._places.release()
            raise
        future.add_done_callback(self._leave)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), self._timeout_s)
        except TimeoutError:
            raise SlowError(
                "the answer takes too long", help="ask for a shorter period, fewer rows, or name a service or party"
            ) from None

    @contextmanager
    def exporting(self) -> Iterator[None]:
        """Take a place for an export.

        Raises:
            BusyError: as many as there may be are under way.
        """
        if not self._exports.acquire(blocking=False):
            raise BusyError("too many exports are under way", help="ask again when one has ended")
        try:
            yield
        finally:
            self._exports.release()

    def close(self) -> None:
        """Take no more questions, and do not wait for those that go on."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _leave(self, _: Future[Any]) -> None:
        self._places.release()
