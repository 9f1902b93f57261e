"""A source whose processor writes elsewhere, exactly once: each batch is promised before it is worked.

One transaction a batch, fenced by the group's generation (KIP-447): it says that the batch before is done, publishes
what came of it, and promises this one.  So whoever takes a partition over reads from its committed offset's metadata
what may have been written behind that offset, and sees to it before anything else (docs/decisions/fenced-plan.md).
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import structlog

from flowtrack.adapters.kafka import metrics
from flowtrack.adapters.kafka.faults import BatchUndoneError
from flowtrack.adapters.kafka.lag import Place
from flowtrack.adapters.kafka.reader import Batch
from flowtrack.adapters.kafka.replay import read_partition
from flowtrack.adapters.kafka.source import ProcessingError, Source, first_of, named
from flowtrack.errors import FlowtrackError, StoreError
from flowtrack.tracking.intent import Intent, PlannedProcessor, Promise
from flowtrack.tracking.records import Output

if TYPE_CHECKING:
    from flowtrack.adapters.kafka.plan import Plan
    from flowtrack.adapters.kafka.settings import KafkaSettings

_WRITE_WITHIN_MS = 60_000
"""From before a fenced commit to the last instant at which the store takes what it promised: longer than any insert
that goes well, and shorter than the store remembers tokens."""

_log = structlog.get_logger(__name__)


class PlannedSource(Source):
    """See the module's text; the processor is a `PlannedProcessor`.

    Args as of `Source`.  What is promised are the records of the plan's first topic; of the others, what is worked
    again is harmless.
    """

    def __init__(self, settings: KafkaSettings, plan: Plan, processor: PlannedProcessor, **options: Any) -> None:  # noqa: ANN401 - those of `Source`
        super().__init__(settings, plan, processor, **options)
        self._writer = processor
        self._settings = settings
        self._promised = plan.topics[0]
        self._run = secrets.token_hex(6)
        self._batches = 0
        self._done: dict[Place, int] = {}
        """What is worked and not committed: where each place goes on."""
        self._outputs: list[Output] = []
        """What is to be published with that."""

    def _step(self) -> None:
        batch = self._reader.fetch()
        try:
            if self._reader.opening.begins:
                batch = self._take_up(batch)
            if batch.records or self._is_pending():
                self.status.busy_since_s = time.monotonic()
                self._work(batch)
            elif self._done:
                self._settle()
        except BatchUndoneError as error:
            self._undo(error)
        except ProcessingError as error:
            if not isinstance(error.__cause__, StoreError):
                self._require_poison(error)
                raise
            self._await_store(error)
        self._watch_lag()

    def _leave_off(self) -> None:
        """Commit what is done, before the group is left."""
        if self._done and not self._reader.opening.begins:
            try:
                self._settle()
            except BatchUndoneError as error:
                _log.info("left to the next owner", worker=self._plan.name, error=str(error))

    # -- taking over ---------------------------------------------------------------------------------------------

    def _take_up(self, batch: Batch) -> Batch:
        """Claim what was read of the places' commits, see to what they promise, and give what goes on behind it.

        Reading a commit is not fenced: whoever was given up and has not noticed reads the plan of its successor. So
        what was read is committed again as it is, which only the owner can; nothing is written before that.
        """
        opening, intent_until_ms = self._reader.opening, self._deadline_ms()
        self._done, self._outputs = {}, []
        notes = {at: self._reader.note(opening.notes.get(at, "")) for at in opening.begins}
        self._closing.close(self._told_gaps(opening), opening.begins, self._reader.consumer, notes)
        for place, text in opening.notes.items():
            promise = Promise.read(text)
            if place[0] == self._promised and promise is not None and promise.end > opening.begins[place]:
                self._redo(place, promise, intent_until_ms)
        self._opened(opening)
        return Batch.of([r for r in batch.records if r.offset >= self._done.get((r.topic, r.partition), 0)])

    def _redo(self, place: Place, promise: Promise, deadline_ms: int) -> None:
        begin = self._reader.opening.begins[place]
        records = list(read_partition(self._settings, *place, begin, promise.end))
        intent = Intent(promise.token, deadline_ms)
        self._outputs += self._written(
            "redo", lambda: self._writer.redo(place[1], records, intent), f"{place[0]}/{place[1]}@{begin}"
        )
        self._done[place] = promise.end
        self._reader.go_on_at(place, promise.end)

    # -- a batch -------------------------------------------------------------------------------------------------

    def _close(self, batch: Batch) -> None:
        """Promise a batch, with which the one before is done, and have it worked.

        Raises:
            ProcessingError: the processor failed.
            BatchUndoneError: the same records come again.
        """
        began_s, deadline_ms = time.monotonic(), self._deadline_ms()
        self._batches += 1
        token = f"{self._run}-{self._batches}"
        starts: dict[Place, int] = {}
        for record in batch.records:
            starts.setdefault((record.topic, record.partition), record.offset)
        promises = {
            at: self._reader.note(Promise(token, batch.ends[at]).text()) for at in starts if at[0] == self._promised
        }
        self._commit(self._done | starts, promises)
        intent = Intent(token, deadline_ms)
        self._outputs = self._written("work", lambda: self._writer.work(batch.records, intent), first_of(batch))
        self._done = dict(batch.ends)
        self._count(batch, self._outputs)
        metrics.BATCH_SECONDS.labels(self._plan.name).observe(time.monotonic() - began_s)

    def _settle(self) -> None:
        """Commit that everything is done; there is nothing new."""
        self._commit(self._done, {})
        self._done = {}

    def _commit(self, offsets: dict[Place, int], promises: dict[Place, str]) -> None:
        notes = {at: promises.get(at) or self._reader.note("") for at in offsets}
        self._closing.close(self._outputs, offsets, self._reader.consumer, notes)
        self._outputs = []
        self._call("committed", self._processor.committed)

    def _work(self, batch: Batch) -> None:
        self._close(batch)

    def _written(self, name: str, call: Callable[[], list[Output]], where: str) -> list[Output]:
        try:
            outputs: list[Output] = self._call(name, call)
        except Exception as error:
            raise ProcessingError(named(error), where=where) from error
        self._worked()
        return outputs

    def _undo(self, error: FlowtrackError) -> None:
        self._done, self._outputs = {}, []
        self._call("aborted", self._processor.aborted)
        super()._undo(error)

    def _lost(self, partition: int) -> None:
        self._done = {at: end for at, end in self._done.items() if at[1] != partition}
        self._outputs = []  # whoever redoes the batch publishes them
        super()._lost(partition)

    @staticmethod
    def _deadline_ms() -> int:
        return int(time.time() * 1000) + _WRITE_WITHIN_MS
