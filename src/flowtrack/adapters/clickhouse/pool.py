"""Several connections to one ledger: a connection is for one thread at a time, and auditors come in numbers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from types import TracebackType
from typing import Self, TypeVar

from flowtrack.adapters.clickhouse.journal import write_down
from flowtrack.adapters.clickhouse.ledger import ClickHouseLedger, LagOf
from flowtrack.adapters.clickhouse.settings import ClickHouseSettings
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.adapters.clickhouse.streams import flow_rows
from flowtrack.audit.family import Answer, Question
from flowtrack.audit.lineage import Lineage, Vocabulary
from flowtrack.audit.roles import Asker
from flowtrack.audit.streams import FlowRows, Stream, StreamForm

A = TypeVar("A", bound=Answer)


class LedgerPool:
    """Answers so many questions at once; one more waits. Use it as a context.

    Args:
        settings: of a database whose migrations are applied.
        size: connections at most; each is opened when it is first needed.
        clock: gives the instant of a question, for the audit log.
        lag: see `LagOf`.
    """

    def __init__(
        self,
        settings: ClickHouseSettings,
        size: int,
        *,
        clock: Callable[[], datetime],
        lag: LagOf | None = None,
    ) -> None:
        self._settings = settings
        self._places = threading.BoundedSemaphore(size)
        self._lock = threading.Lock()
        self._free: list[tuple[Store, ClickHouseLedger]] = []
        self._clock = clock
        self._lag = lag
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._closed = True
            free, self._free = self._free, []
        for store, _ in free:
            store.close()

    def ask(self, question: Question[A], *, asker: Asker) -> A:
        """Answer a question of any family."""
        with self.taken() as (_, ledger):
            return ledger.ask(question, asker=asker)

    @contextmanager
    def whole(self) -> Iterator[ClickHouseLedger]:
        """Give the ledger to one thread, for what is no question of a family.

        Raises:
            StoreError: it cannot be opened.
        """
        with self.taken() as (_, ledger):
            yield ledger

    @contextmanager
    def flows(self, question: FlowRows, form: StreamForm, *, asker: Asker) -> Iterator[Stream]:
        """Give the ledger's rows in bulk (`audit.streams.Streams`)."""
        lag = None if self._lag is None else self._lag()
        with self.taken() as (store, _), flow_rows(store, question, form, asker, self._clock(), lag) as stream:
            yield stream

    def lineage_begins(self, question: Lineage, vocabulary: Vocabulary, *, asker: Asker) -> None:
        """Write down that somebody exports the lineage of a period (`audit.streams.Streams`)."""
        said = {**question.model_dump(mode="json", exclude_none=True), "vocabulary": vocabulary}
        with self.taken() as (store, _):
            write_down(store, self._clock(), asker.who, question.family, said, role=asker.role, why=asker.why)

    @contextmanager
    def taken(self) -> Iterator[tuple[Store, ClickHouseLedger]]:
        """Give a connection to one thread, for as long as it needs it.

        Raises:
            StoreError: none can be opened.
        """
        with self._places:
            with self._lock:
                one = self._free.pop() if self._free else None
            if one is None:
                store = Store(self._settings).open()
                one = store, ClickHouseLedger(store, clock=self._clock, lag=self._lag)
            try:
                yield one
            finally:
                with self._lock:
                    kept = not self._closed
                    if kept:
                        self._free.append(one)
                if not kept:
                    one[0].close()
