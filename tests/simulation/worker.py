"""A worker as a generator: what the source does with a processor, cut wherever a process can die or stand still.

Each `yield` is a place where the world may go on without the worker, for a while or for good.  The order of the calls
is that of `adapters/kafka/source.py`, `reader.py` and `closing.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from flowtrack.testing.broker import (
    Change,
    GenerationFencedError,
    MemoryBroker,
    Place,
    ProducerFencedError,
    UnstableOffsetsError,
)
from flowtrack.tracking.records import Output, Processor, Record, Topic

if TYPE_CHECKING:
    from tests.simulation.world import World

FAILURES_MAX = 3  # as the source's
Steps = Generator[str, None, None]
OnPoison = Callable[[Record, Exception], list[Output]]


class Ended(BaseException):
    """The process ends itself, or is killed in the middle of a call; nothing above it may go on."""


class UndoneError(Exception):
    """A batch was not closed: the same records come again."""


class ProcessingError(Exception):
    """The processor refused a batch."""


class Job(NamedTuple):
    """What a worker of a kind reads and how it closes its batches."""

    kind: str
    topics: tuple[str, ...]
    transactional: bool
    state_topic: str = ""

    @property
    def group(self) -> str:
        """Its consumer group."""
        return f"flowtrack-{self.kind}"


class Batch(NamedTuple):
    """Records and the offsets that follow them."""

    records: list[Record]
    ends: dict[Place, int]

    @classmethod
    def of(cls, records: list[Record]) -> Batch:
        """A batch of some records."""
        return cls(records, {(r.topic, r.partition): r.offset + 1 for r in records})


class Worker:
    """One process of a kind.

    Args:
        world: gives the broker, and chance.
        job: what it does.
        name: unlike any other's.
        processor: what works the batches.
        on_poison: gives the outputs for a record that the processor fails on.
    """

    committed_only = True

    def __init__(
        self, world: World, job: Job, name: str, processor: Processor, on_poison: OnPoison | None = None
    ) -> None:
        self.job = job
        self.name = name
        self.at = "begins"
        self.asleep = False
        self.stopping = False
        self.idle = False
        self.steps = self.life()
        self.undelivered: list[Output] = []
        self._world = world
        self._broker: MemoryBroker = world.broker
        self.processor = processor
        self._on_poison = on_poison
        self.member = self._broker.join(job.group, job.topics)
        self._producer = self._broker.producer(name) if job.transactional else None
        self._next: dict[Place, int] = {}
        self._held: list[Record] = []

    # ------------------------------------------------------------------------------------------------------ source

    def life(self) -> Steps:
        """From joining the group to leaving it."""
        while not self.stopping:
            change = self.member.poll()
            if change is not None:
                self.idle = False
                yield from self._rebalance(change)
                continue
            batch = yield from self._fetch()
            self.idle = not batch.records
            if self.idle:
                yield "idle"
                continue
            yield "fetched"
            yield from self._work(batch)
        yield from self._leave()

    def _leave(self) -> Steps:
        self._give_up()
        self.member.leave()
        yield "left"
        raise Ended

    def _work(self, batch: Batch) -> Steps:
        try:
            for _ in range(FAILURES_MAX):
                try:
                    yield from self._close(batch)
                except ProcessingError:
                    yield "refused"
                else:
                    return
            yield from self._take_apart(batch)
        except UndoneError:
            yield "undone"
            yield from self._rewind()

    def _close(self, batch: Batch) -> Steps:
        try:
            outputs = self.processor.process(batch.records)
            notes = self._notes(batch)
            self._world.tried(self.name, batch.records)
            self._world.poison(self.job.kind, batch.records)
        except Exception as error:
            self.processor.aborted()
            raise ProcessingError from error
        yield "processed"
        yield from self._finish(batch, outputs, notes)

    def _notes(self, batch: Batch) -> dict[Place, str]:
        return {at: self.processor.note(at[1]) for at in batch.ends}

    def _finish(self, batch: Batch, outputs: list[Output], notes: Mapping[Place, str]) -> Steps:
        try:
            yield from self._writing(outputs, batch, notes)
        except UndoneError:
            self.processor.aborted()
            raise
        yield "closed, and not told"
        self.processor.committed()
        self._world.durable(self.processor)

    def _take_apart(self, batch: Batch) -> Steps:
        if len(batch.records) == 1:
            yield from self._quarantine(batch)
            return
        middle = len(batch.records) // 2
        for half in (Batch.of(batch.records[:middle]), Batch.of(batch.records[middle:])):
            try:
                yield from self._close(half)
            except ProcessingError as error:
                if self._on_poison is None:
                    raise Ended from error
                yield from self._take_apart(half)

    def _quarantine(self, batch: Batch) -> Steps:
        try:
            yield from self._close(batch)
        except ProcessingError as error:
            if self._on_poison is None or not isinstance(error.__cause__, Exception):
                raise Ended from error
            outputs = self._on_poison(batch.records[0], error.__cause__)
            yield from self._finish(batch, outputs, self._notes(batch))

    # ------------------------------------------------------------------------------------------------------ reader

    def _rebalance(self, change: Change) -> Steps:
        if not change.assigned:
            self._give_up()
            yield "gave up"
            return
        self._next = dict.fromkeys(change.places, 0)
        yield from self._learn_begins()
        while not self.may_recall():
            yield "waits for alerts"
        begins = dict(self._next)
        yield "knows offsets"
        for partition in sorted({p for _, p in change.places}):
            self.processor.assigned(partition, self.history(partition, begins))
            self._world.taken_over(self.name, partition)
            yield "assigned"
        yield from self._write_opening()

    def _write_opening(self) -> Steps:
        """Commit where places begin that have no commit yet, so that a note goes with each from the first on."""
        while not self._world.embedded:
            known = self._broker.committed(self.job.group, self._next, stable=False)
            opening = Batch([], {at: begin for at, begin in self._next.items() if at not in known})
            if not opening.ends:
                return
            try:
                yield from self._writing([], opening, self._notes(opening))
            except UndoneError:
                yield "undone"
                if not self._broker.is_current(self.member):
                    return
                yield from self._rewind()
            else:
                yield "opened"

    def begins(self, places: Sequence[Place]) -> dict[Place, int]:
        """Where to go on."""
        return dict.fromkeys(places, 0) | self._broker.committed(self.job.group, places)

    def history(self, partition: int, begins: Mapping[Place, int]) -> Sequence[Record]:
        """The state topic up to its committed offset, from where the processor needs it."""
        at = (self.job.state_topic, partition)
        if at not in begins:
            return ()
        wanted = self.processor.resume_from(partition, begins[at])
        return [record for record in self._broker.read(at, wanted) if record.offset < begins[at]]

    def may_recall(self) -> bool:
        """Whether what has been committed to the alerts topic can be seen, behind no open transaction."""
        at = (str(Topic.ALERTS), 0)
        return self.job.kind != "alerter" or self._broker.stable_end(at) == self._broker.end(at)

    def _give_up(self) -> None:
        for partition in sorted({p for _, p in self._next}):
            self.processor.revoked(partition)
        self._next = {}
        self._held = []

    def _rewind(self) -> Steps:
        self._held = []
        yield from self._learn_begins()

    def _learn_begins(self) -> Steps:
        while True:
            try:
                self._next = self.begins(list(self._next))
            except UnstableOffsetsError:
                yield "waits for offsets"
            else:
                return

    def _fetch(self) -> Generator[str, None, Batch]:
        """Give the next batch: state first, up to where it ends now, unless the broker is slow to deliver it."""
        if not self._held:
            self._held = self._take([at for at in self._next if at[0] != self.job.state_topic])
        if not self.job.state_topic:
            return self._release([])
        yield "fetched events"
        state: list[Record] = []
        room = self._world.batch_max
        for at in [at for at in self._next if at[0] == self.job.state_topic]:
            if self._held and self._world.chance(0.1):
                continue  # silent: the batch begins without
            state += self._read(at, room - len(state))
        if self._held and len(state) >= room:
            return Batch.of(state)  # full of state: it goes alone
        return self._release(state)

    def _release(self, state: list[Record]) -> Batch:
        held, self._held = self._held, []
        return Batch.of(state + held)

    def _take(self, places: list[Place]) -> list[Record]:
        """Fetch from some of the places, as a broker answers."""
        taken: list[Record] = []
        for at in self._world.shuffled(places):
            taken += self._read(at, self._world.below(self._world.batch_max - len(taken)))
        return taken

    def _read(self, at: Place, limit: int) -> list[Record]:
        found: list[Record] = []
        if limit > 0:
            found = self._broker.read(at, self._next[at], limit, committed_only=self.committed_only)
        if found:
            self._next[at] = found[-1].offset + 1
        return found

    # ----------------------------------------------------------------------------------------------------- closing

    def _writing(self, outputs: list[Output], batch: Batch, notes: Mapping[Place, str]) -> Steps:
        """Make outputs and offsets durable, as the job says."""
        return (self._checkpoint if self._producer is None else self._transaction)(outputs, batch, notes)

    def _transaction(self, outputs: list[Output], batch: Batch, notes: Mapping[Place, str]) -> Steps:
        producer = self._producer
        if producer is None:
            raise Ended
        try:
            producer.begin()
            for output in outputs:
                producer.send(output)
                if self._world.chance(0.05):
                    yield "between outputs"
            yield "outputs sent"
            self._world.fail(UndoneError)
            try:
                producer.send_offsets(self.member, batch.ends, notes)
            except GenerationFencedError as error:
                raise UndoneError from error
            yield "offsets sent"
            self._world.fail(UndoneError)
            producer.commit()
            self._world.closed(self.name, batch.records)
        except UndoneError:
            try:
                producer.abort()
            except ProducerFencedError as error:
                raise Ended from error
            raise
        except ProducerFencedError as error:
            raise Ended from error
        if self._world.chance(0.01):
            raise Ended  # the acknowledgement was lost: the state is unknown

    def _checkpoint(self, outputs: list[Output], batch: Batch, notes: Mapping[Place, str]) -> Steps:
        self.undelivered = list(outputs)
        for part in (self._world.below(len(outputs)), len(outputs)):
            while len(outputs) - len(self.undelivered) < part:
                self._broker.send(self.undelivered.pop(0))
            if self.undelivered:
                yield "between outputs"
        yield "outputs sent"
        self._world.fail(UndoneError)
        try:
            self.member.commit(batch.ends, notes)
        except GenerationFencedError as error:
            raise UndoneError from error
        if self._world.chance(0.01):
            raise Ended
