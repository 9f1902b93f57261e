"""A sink as a generator: what `adapters/kafka/planned.py` does with its processor, cut like a `worker`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from flowtrack.errors import StoreError
from flowtrack.testing.broker import Place
from flowtrack.tracking.intent import Intent, PlannedProcessor, Promise
from flowtrack.tracking.records import Output, Record, Topic
from tests.simulation.worker import Batch, Job, Steps, UndoneError, Worker

if TYPE_CHECKING:
    from tests.simulation.world import World

WRITE_WITHIN_MS = 60_000
"""As the source's."""
Call = Callable[[], list[Output]]


class PlannedWorker(Worker):
    """One process whose processor writes elsewhere; each batch is promised before it is worked.

    Args as of `Worker`.
    """

    def __init__(self, world: World, job: Job, name: str, processor: PlannedProcessor) -> None:
        super().__init__(world, job, name, processor)
        self._writer = processor
        self._batches = 0
        self._done: dict[Place, int] = {}
        self._outputs: list[Output] = []
        self._unclaimed: dict[Place, str] | None = None
        """What was read of the places' commits and is not claimed yet."""

    def life(self) -> Steps:
        """From joining the group to leaving it."""
        while not self.stopping:
            change = self.member.poll()
            self.idle = False
            try:
                if change is not None:
                    yield from self._rebalance(change)
                elif self._unclaimed is not None:
                    yield from self._take_up(self._unclaimed)
                else:
                    yield from self._next_batch()
            except UndoneError:
                yield from self._undo()
        yield from self._leave_off()

    def _next_batch(self) -> Steps:
        batch = yield from self._fetch()
        if batch.records:
            yield "fetched"
            yield from self._promised(batch)
        elif self._done:
            yield from self._commit(self._done, {})
            self._done = {}
        else:
            self.idle = True
            yield "idle"

    # -------------------------------------------------------------------------------------------------- taking over

    def _write_opening(self) -> Steps:
        """Nothing: `_take_up` commits what was read, also where nothing ever was."""
        yield "to be claimed"

    def _learn_begins(self) -> Steps:
        yield from super()._learn_begins()
        self._unclaimed = self._broker.notes(self.job.group, self._next)

    def _take_up(self, notes: Mapping[Place, str]) -> Steps:
        deadline_ms = self._deadline_ms()
        self._done, self._outputs = {}, []
        yield from self._claim(dict(self._next), notes)
        for place, text in notes.items():
            promise = Promise.read(text)
            if place[0] == Topic.DECISIONS and promise is not None and promise.end > self._next[place]:
                yield "redoes"
                records = [each for each in self._read_share(place) if each.offset < promise.end]
                intent = Intent(promise.token, deadline_ms)
                self._outputs += self._written(lambda p=place, r=records, i=intent: self._writer.redo(p[1], r, i))  # type: ignore[misc]  # mypy knows no lambda with defaults
                self._done[place] = self._next[place] = promise.end
        self._unclaimed = None
        yield "taken up"

    def _claim(self, begins: Mapping[Place, int], notes: Mapping[Place, str]) -> Steps:
        yield from self._writing([], Batch([], dict(begins)), notes)

    def _read_share(self, place: Place) -> list[Record]:
        return self._broker.read(place, self._next[place])

    def _give_up(self) -> None:
        self._done, self._outputs, self._unclaimed = {}, [], None
        super()._give_up()

    # ------------------------------------------------------------------------------------------------------ a batch

    def _promised(self, batch: Batch) -> Steps:
        deadline_ms = self._deadline_ms()
        self._batches += 1
        token = f"{self.name}-{self._batches}"
        starts: dict[Place, int] = {}
        for record in batch.records:
            starts.setdefault((record.topic, record.partition), record.offset)
        promises = {at: Promise(token, batch.ends[at]).text() for at in starts if at[0] == Topic.DECISIONS}
        yield from self._commit(self._done | starts, promises)
        yield "promised"
        self._outputs = self._written(lambda: self._writer.work(batch.records, Intent(token, self._until(deadline_ms))))
        self._done = dict(batch.ends)
        yield "worked"

    def _until(self, deadline_ms: int) -> int:
        return deadline_ms

    def _commit(self, offsets: Mapping[Place, int], promises: Mapping[Place, str]) -> Steps:
        yield from self._writing(self._outputs, Batch([], dict(offsets)), promises)
        self._outputs = []
        self.processor.committed()

    def _written(self, call: Call) -> list[Output]:
        try:
            return call()
        except StoreError as error:
            raise UndoneError from error

    def _undo(self) -> Steps:
        self._done, self._outputs = {}, []
        self.processor.aborted()
        yield "undone"
        if self._broker.is_current(self.member):
            yield from self._rewind()

    def _leave_off(self) -> Steps:
        if self._done and self._unclaimed is None:
            try:
                yield from self._commit(self._done, {})
            except UndoneError:
                yield "left to the next owner"
        yield from self._leave()

    def _deadline_ms(self) -> int:
        return self._world.now_ms + WRITE_WITHIN_MS
