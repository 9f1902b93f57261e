"""A platform in a few objects, and a scheduler that lets everything happen in any order and go wrong anywhere.

All chance comes from one seeded source, so that a plot always runs the same way.  First the world is disturbed, then it
calms down: who sleeps wakes up, who is dead is given up, nothing fails any more, and everything has to come to rest.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from flowtrack.domain.decision import Alert
from flowtrack.testing.broker import MemoryBroker, Place
from flowtrack.tracking.alerter import Alerter
from flowtrack.tracking.check import Checker
from flowtrack.tracking.ledger import LedgerWriter
from flowtrack.tracking.records import Output, Processor, Record, Topic
from flowtrack.tracking.rulebook import Rulebook
from flowtrack.tracking.succession import judged_beyond
from tests.simulation.day import FIRST_ARRIVAL_MS, PARTITIONS, Arrival, closing_events, is_poison
from tests.simulation.disks import Disk
from tests.simulation.planned import PlannedWorker
from tests.simulation.plot import Plot
from tests.simulation.rules import CONTROL, Following, first_rules, in_the_end, rulebook
from tests.simulation.stores import FAULTS, LATE, Request, UncertainLedger
from tests.simulation.worker import Ended, Job, Worker

CALM_STEPS_MAX = 4_000
_TOPICS = {
    Topic.EVENTS: PARTITIONS,
    Topic.CONSENTS: PARTITIONS,
    Topic.DECISIONS: PARTITIONS,
    Topic.FINDINGS: PARTITIONS,
    Topic.DEADLETTERS: PARTITIONS,
    Topic.ALERTS: 1,
    Topic.POLICIES: 1,
    Topic.REGISTRY: 1,
}


@dataclass(frozen=True)
class Logic:
    """What is simulated; a planted fault replaces a part of it."""

    checker: type[Checker] = Checker
    writer: type[LedgerWriter] = LedgerWriter
    alerter: type[Alerter] = Alerter
    worker: type[Worker] = Worker
    sink: type[PlannedWorker] = PlannedWorker
    broker: type[MemoryBroker] = MemoryBroker


class World:
    """Runs a plot to its end; look at `broker`, `ledger` and `told` afterwards."""

    def __init__(self, plot: Plot, logic: Logic, *, trace: Callable[[str], None] | None = None) -> None:
        self.plot = plot.spelt_out()
        self.logic = logic
        self.day = self.plot.day()
        self.now_ms = FIRST_ARRIVAL_MS
        self.broker = logic.broker({str(t): n for t, n in _TOPICS.items()}, lambda: self.now_ms)
        self.ledger = UncertainLedger(self._clock)
        self.told: list[Alert] = []
        self.arrived: list[Record] = []
        self.judged: list[tuple[Record, int]] = []
        """Events whose transaction was committed, in order, each with the number of its partition's takeover."""
        self.first_tries: dict[int, int] = {}
        """By partition, the number of the takeover after which an event of it was judged first, for good or not."""
        self._takeovers: dict[tuple[str, int], int] = {}
        self.workers: list[Worker] = []
        self.dead: list[Worker] = []
        self._following: dict[str, Following] = {}
        self._disks = [Disk(), Disk()]
        self.at_rest = False
        self.steps = 0
        self._chance = random.Random(f"world {plot.seed} {plot.turn}")
        self.batch_max = self._chance.choice([2, 4, 8, 50])
        self._trouble = self._chance.choice([0.02, 0.1, 0.25])
        self._disturbed = True
        self._fed = 0
        self._names = 0
        self._trace = trace
        transactional = self.plot.transactional
        self.jobs = (
            Job("checker", (Topic.EVENTS, Topic.CONSENTS), transactional, Topic.CONSENTS),
            Job("sink", (Topic.DECISIONS, Topic.DEADLETTERS, Topic.ALERTS), transactional),
            Job("alerter", (Topic.FINDINGS,), transactional),
        )

    @property
    def embedded(self) -> bool:
        """Whether all is as on the embedded broker."""
        return not self.plot.transactional

    # ------------------------------------------------------------------------------------------------------ chance

    def chance(self, probability: float) -> bool:
        """Whether something goes wrong now; never once it is calm."""
        return self._disturbed and self._chance.random() < probability

    def fail(self, error: type[Exception]) -> None:
        """Raise the error, at times."""
        if self.chance(self._trouble / 2):
            self._say("fails")
            raise error

    def below(self, most: int) -> int:
        """How much of something comes at once."""
        return self._chance.randint(0, most) if self._disturbed and most > 0 else most

    def shuffled(self, places: Iterable[Place]) -> list[Place]:
        """In any order."""
        ordered = sorted(places)
        self._chance.shuffle(ordered)
        return ordered

    def poison(self, kind: str, records: Iterable[Record]) -> None:
        """Fail as a bug in the checker would, after everything has left its traces.

        Raises:
            ZeroDivisionError: there is poison among the records.
        """
        if kind == "checker" and any(map(is_poison, records)):
            raise ZeroDivisionError

    # --------------------------------------------------------------------------------------------------- the plot

    def run(self) -> None:
        """First disturbed, then calm, until nothing moves any more."""
        for arrival in first_rules() if self.plot.rules else ():
            self.broker.send(Output(*arrival))
        for job in self.jobs:
            self._start(job)
        for _ in range(self.plot.disturbed_steps or 0):
            self.steps += 1
            if self._chance.random() < self._trouble:
                self._disturb()
            elif self._fed < len(self.day) and self._chance.random() < 0.15:
                self._feed()
            else:
                awake = [worker for worker in self.workers if not worker.asleep]
                if awake:
                    self._advance(self._chance.choice(awake))
        self._calm()

    def _calm(self) -> None:
        self._say("calm")
        self._disturbed = False
        self.ledger.faults.clear()
        self._let_arrive(list(self.ledger.on_the_way))
        for worker in self.workers:
            worker.asleep = False
        for worker in list(self.dead):
            self._bury(worker)
        closing = closing_events() if self.plot.rules else []
        while self._comes_to_rest():
            if not closing:
                self.at_rest = True
                return
            self._arrive(closing.pop())  # what the rules have become counts from the next batch on

    def _comes_to_rest(self) -> bool:
        quiet = 0
        for _ in range(CALM_STEPS_MAX):
            if self._fed < len(self.day):
                self._feed()
                quiet = 0
            for job in self.jobs:
                if not self._alive(job):
                    self._start(job)
            for worker in list(self.workers):
                self.steps += 1
                self._advance(worker)
                quiet = quiet + 1 if worker.idle and worker in self.workers else 0
            for worker in list(self.dead):
                self._bury(worker)
            if quiet > 3 * len(self.workers) + 6:
                return True
        return False

    def _feed(self) -> None:
        self._arrive(self.day[self._fed])
        self._fed += 1

    def _arrive(self, arrival: Arrival) -> None:
        self.now_ms += 1_000
        at = (arrival.topic, arrival.partition)
        self._say("arrives", f"{at[0]}/{at[1]}@{self.broker.end(at)} {(arrival.value or b'-').decode()}")
        self.arrived.append(Record(*at, self.broker.end(at), self.now_ms, arrival.key, arrival.value))
        self.broker.send(Output(*arrival))

    def taken_over(self, worker: str, partition: int) -> None:
        """Note that a worker has loaded a partition's state."""
        self._takeovers[worker, partition] = self.steps

    def last_rules(self) -> Rulebook:
        """The rules once everything is known."""
        if not self.plot.rules:
            return rulebook()
        return in_the_end(record for place in CONTROL for record in self.broker.read(place, 0))

    def tried(self, worker: str, records: Iterable[Record]) -> None:
        """Note what a worker has judged and not closed yet."""
        for record in records:
            if record.topic == Topic.EVENTS:
                self.first_tries.setdefault(record.partition, self._takeovers[worker, record.partition])

    def closed(self, worker: str, records: Iterable[Record]) -> None:
        """Note what a worker has closed for good."""
        self.judged += [
            (record, self._takeovers[worker, record.partition]) for record in records if record.topic == Topic.EVENTS
        ]

    def durable(self, processor: Processor) -> None:
        """Let a checker write its snapshots now and then; a real one does after many consents."""
        if isinstance(processor, Checker) and self.plot.disks and self._chance.random() < 0.3:
            for partition, state in processor._states.items():
                processor._keep_snapshot(partition, state)

    # ---------------------------------------------------------------------------------------------------- workers

    def _start(self, job: Job) -> None:
        self._names += 1
        name = f"{job.kind}-{self._names}"
        self._say("starts", name)
        if job.kind == "checker":
            checker = self._checker(name)
            worker = self.logic.worker(self, job, name, checker, checker.quarantine)
        elif job.kind == "sink":
            writer = self.logic.writer(self.ledger, name)
            kind = self.logic.worker if self.embedded else self.logic.sink
            worker = kind(self, job, name, writer)
        else:
            alerter = self.logic.alerter(self.told.extend, clock=self._clock, recall=self._recall)
            worker = self.logic.worker(self, job, name, alerter)
        self.workers.append(worker)

    def _checker(self, name: str) -> Checker:
        """A checker that knows of its predecessors what `apps.checker` lets it know."""
        broker, group = self.broker, self.jobs[0].group

        def judged_before(partition: int) -> bool:
            committed = broker.committed(group, [(Topic.EVENTS, partition)], stable=False)
            return any(committed.values()) or broker.stable_end((Topic.DECISIONS, partition)) > 0

        def noted(partition: int) -> Iterable[str]:
            events: Place = (Topic.EVENTS, partition)
            committed = broker.committed(group, [events], stable=False).get(events, 0)
            if self.embedded and judged_beyond(broker.read((Topic.DECISIONS, partition), 0), committed):
                return ()
            return broker.notes(group, [events, (Topic.CONSENTS, partition)]).values()

        rules = rulebook()
        if self.plot.rules:
            self._following[name] = Following(broker)
            rules = self._following[name].rulebook
        disk = self._disks[self._names % 2] if self.plot.disks else None
        return self.logic.checker(
            rules,
            PARTITIONS,
            judged_before,
            snapshots=disk,
            noted=noted,
            consents_end=lambda p: broker.stable_end((Topic.CONSENTS, p)),
            seen_early=self.embedded,
        )

    def _hear(self, worker: Worker) -> None:
        """Let a checker hear of changes of the rules, at any moment between two calls."""
        following = self._following.get(worker.name)
        if following is None:
            return
        if not self._disturbed:
            while following.hear(CONTROL):
                pass
        elif self._chance.random() < 0.2 and following.hear(self.shuffled(CONTROL)):
            self._say("hears", worker.name)

    def _clock(self) -> datetime:
        return datetime.fromtimestamp(self.now_ms / 1000, UTC)

    def _recall(self) -> Sequence[Record]:
        return self.broker.read((str(Topic.ALERTS), 0), 0)

    def _alive(self, job: Job) -> list[Worker]:
        return [each for each in self.workers if each.job == job]

    def _advance(self, worker: Worker) -> None:
        if worker.job.kind == "alerter" and self._superseded(worker):
            self._kill(worker)  # the supervisor has started another in its place
            return
        self._hear(worker)
        try:
            worker.at = next(worker.steps)
        except Ended:
            self._kill(worker)
        except Exception as error:  # noqa: BLE001 - as the source: an unknown state is left by ending the process
            self._say("fails", repr(error))
            self._kill(worker)
        else:
            if worker.at != "idle":
                self._say(worker.at, worker.name)

    def _superseded(self, worker: Worker) -> bool:
        """Whether an alerter has been given up and has nothing in hand: one counts, and a later one does."""
        given_up = not self.broker.is_member(worker.member)
        in_hand = {"fetched", "processed", "refused", "between outputs", "outputs sent", "offsets sent"}
        return given_up and worker.at not in in_hand and len(self._alive(worker.job)) > 1

    def _kill(self, worker: Worker) -> None:
        """End a process; what it had handed to the network may still arrive."""
        self._say("dies", worker.name)
        worker.steps.close()
        self.workers.remove(worker)
        self.dead.append(worker)
        lost: set[Place] = set()
        for output in worker.undelivered:
            at = (str(output.topic), output.partition)
            if self._chance.random() < 0.3:
                lost.add(at)  # and what follows it in the same log: a producer's records arrive in order
            if at not in lost:
                self.broker.send(output)
        worker.undelivered = []

    def _bury(self, worker: Worker) -> None:
        """Let the broker give a dead worker up."""
        self.broker.evict(worker.member)
        if worker.job.transactional:
            self.broker.expire(worker.name)
        self.dead.remove(worker)

    # ---------------------------------------------------------------------------------------------------- trouble

    def _disturb(self) -> None:
        disk = ("disk",) * 3 if self.plot.disks else ()
        what = self._chance.choice(
            (
                *("kill", "sleep", "wake", "give up", "store") * 2,
                *("expire", "start", "stop", "clock", "compact", "arrives", *disk),
            )
        )
        self._say(what)
        if what == "store":
            self.ledger.faults.append(self._chance.choice(FAULTS if self.embedded else FAULTS + LATE))
        elif what == "clock":
            self._jump()
        elif what == "arrives":
            self._let_arrive(self.ledger.on_the_way[:1])
        elif what == "compact" and self.plot.compaction:
            self.broker.compact((Topic.CONSENTS, self._chance.randrange(PARTITIONS)))
            for place in CONTROL:
                self.broker.compact(place)
        elif what == "disk":
            self._say(self._chance.choice(self._disks).suffer(self._chance))
        elif what == "start":
            self._start_another()
        elif what in {"give up", "expire"}:
            self._lose_touch(what)
        elif self.workers and what in {"kill", "sleep", "wake", "stop"}:
            self._strike(what, self._chance.choice(self.workers))

    def _jump(self) -> None:
        """Let time pass: longer than any insert has leave for, and more blocks than tokens are remembered of."""
        self.now_ms += self._chance.choice([60_000, 7_200_000])
        if not self.embedded:
            self.ledger.forgets_tokens()

    def _let_arrive(self, requests: Sequence[Request]) -> None:
        for request in requests:
            self._say("arrives", request.token)
            self.ledger.arrives(request)

    def _strike(self, what: str, worker: Worker) -> None:
        self._say(what, worker.name)
        if what == "kill":
            self._kill(worker)
        elif what == "stop":
            worker.stopping = True
        elif what == "wake":
            worker.asleep = False
        else:
            worker.asleep = True
            if self.broker.is_member(worker.member) and self.plot.transactional and self._chance.random() < 0.5:
                self._say("gives up", worker.name)  # for longer than its session lasts
                self.broker.evict(worker.member)
                self._start(worker.job)

    def _start_another(self) -> None:
        job = self._chance.choice(self.jobs)
        counting = [worker for worker in self._alive(job) if self.broker.is_member(worker.member)]
        alone = job.kind == "alerter" or not self.plot.transactional
        if len(counting) < (1 if alone else 3):
            self._start(job)

    def _lose_touch(self, what: str) -> None:
        """Let a session or a transaction time out, of a dead worker or of one that is slow."""
        found = self.workers + self.dead
        if not found:
            return
        worker = self._chance.choice(found)
        if worker in self.dead and self.broker.is_member(worker.member):
            self._say("gives up", worker.name)
            self.broker.evict(worker.member)
        elif worker in self.dead:
            self._say("expires", worker.name)  # a transaction outlives its producer's session
            self._bury(worker)
        elif what == "expire" and worker.job.transactional:
            self._say("expires", worker.name)
            self.broker.expire(worker.name)
        elif self.plot.transactional:
            self._say("gives up", worker.name)
            self.broker.evict(worker.member)

    def _say(self, what: str, about: object = "") -> None:
        if self._trace is not None:
            self._trace(f"{self.steps:4d}  {what:20}  {about}")
