"""How far the workers have come: what each group has committed, held against where the logs end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from itertools import chain
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, Self

from flowtrack.apps.groups import ALERTER_GROUP, CHECKER_GROUP, SINK_GROUP
from flowtrack.apps.worker import WorkerKind
from flowtrack.tracking.records import Topic

if TYPE_CHECKING:
    from flowtrack.adapters.kafka.settings import KafkaSettings

_POLL_S = 0.05


class Stage(NamedTuple):
    """A worker's consumer group, and what it reads."""

    group: str
    topics: tuple[str, ...]


STAGES = {
    WorkerKind.CHECKER: Stage(CHECKER_GROUP, (Topic.CONSENTS, Topic.EVENTS)),
    WorkerKind.ALERTER: Stage(ALERTER_GROUP, (Topic.FINDINGS, Topic.AMENDMENTS)),
    WorkerKind.SINK: Stage(
        SINK_GROUP, (Topic.DECISIONS, Topic.DEADLETTERS, Topic.ALERTS, Topic.POLICIES, Topic.REGISTRY)
    ),
}
"""By worker."""
DRAINED = {
    WorkerKind.CHECKER: (WorkerKind.CHECKER,),
    WorkerKind.ALERTER: (WorkerKind.SINK, WorkerKind.ALERTER),
    WorkerKind.SINK: (WorkerKind.SINK,),
}
"""In the order in which data flows, each worker with those that have to be without lag for it to be done: the alerter
reads what the sink judges anew, and the sink writes what the alerter makes of it."""


class Progress:
    """Asks the broker how far the workers are; keeps its connections, so use it as a context.

    Raises:
        BrokerError: the broker does not answer.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        from flowtrack.adapters.kafka.lag import GroupOffsets, LogOffsets

        self._log = LogOffsets(settings)
        self._groups = {kind: GroupOffsets(settings, stage.group) for kind, stage in STAGES.items()}
        self._places: dict[WorkerKind, list[tuple[str, int]]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for group in self._groups.values():
            group.close()

    def done(self, kind: WorkerKind) -> int:
        """Give how many records a worker has done with."""
        return sum(self._groups[kind].committed(self._places_of(kind)).values())

    def lag(self, kind: WorkerKind) -> int:
        """Give how many records a worker has yet to do."""
        places = self._places_of(kind)
        ends, done = self._log.ends(places), self._groups[kind].committed(places)
        starts = self._log.starts(places) if len(done) < len(places) else {}
        return sum(max(0, end - done.get(at, starts.get(at, 0))) for at, end in ends.items())

    def settle(
        self,
        timeout_s: float,
        *,
        kinds: Sequence[WorkerKind] = tuple(chain(*DRAINED.values())),
        look: Callable[[], None] = lambda: None,
    ) -> bool:
        """Wait until these workers, one after the other, have no lag; False when the time runs out first.

        Args:
            timeout_s: for all of them together.
            kinds: in the order in which data flows.
            look: is called again and again meanwhile; what it raises ends the wait.
        """
        deadline_s = time.monotonic() + timeout_s
        pause = threading.Event()
        for kind in kinds:
            while self.lag(kind):
                look()
                if time.monotonic() > deadline_s:
                    return False
                pause.wait(_POLL_S)
        return True

    def _places_of(self, kind: WorkerKind) -> list[tuple[str, int]]:
        if kind not in self._places:
            self._places[kind] = [
                (topic, partition) for topic in STAGES[kind].topics for partition in self._log.partitions(topic)
            ]
        return self._places[kind]
