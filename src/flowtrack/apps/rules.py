"""Waiting for rules: a checker without any pack would say "no policy in force" of everything, out of haste."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

import structlog

from flowtrack.apps.child import stop_on_signals
from flowtrack.tracking.records import Record, Topic
from flowtrack.tracking.rulebook import Rulebook

if TYPE_CHECKING:
    from flowtrack.adapters.kafka.settings import KafkaSettings

_AGAIN_S = 0.5  # somebody publishes a pack by hand: half a second is soon

_log = structlog.get_logger(__name__)


def rules_are_there(settings: KafkaSettings, rulebook: Rulebook, port: int | None) -> bool:
    """Wait until there is a pack, alive and not ready; false when told to end before.

    Args:
        settings: where Kafka is.
        rulebook: takes the packs, and is not the one to judge by: registry and order come with the worker.
        port: serves /healthz, /readyz and /metrics meanwhile, if given.

    Raises:
        BrokerError: the topics are not as they have to be, or the broker stops answering.
    """
    from flowtrack.adapters.kafka.health import HealthServer
    from flowtrack.adapters.kafka.topics import check_topics

    check_topics(settings)
    awaited = RulesAwaited(settings, rulebook)
    health = None if port is None else HealthServer(port, awaited.reason)
    stop = stop_on_signals()
    if health is not None:
        health.start()
    try:
        return awaited.wait(stop) and not stop.is_set()
    finally:
        if health is not None:
            health.stop()
        # until the worker listens to signals itself they end the process at once: nothing is in hand yet
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)


class RulesAwaited:
    """Reads the policies topic until it holds a pack that can be taken.

    Args:
        settings: where Kafka is.
        rulebook: takes the packs; it is only asked whether there is one.
    """

    def __init__(self, settings: KafkaSettings, rulebook: Rulebook) -> None:
        self._settings = settings
        self._rulebook = rulebook
        self._why = "loading control topics"

    def reason(self) -> str:
        """Say what is waited for; may be asked from another thread."""
        return self._why

    def wait(self, stop: threading.Event) -> bool:
        """Wait for a pack; false when stopped before there is one.

        Raises:
            BrokerError: the topic does not exist, or the broker stops answering.
        """
        from flowtrack.adapters.kafka.lag import LogOffsets
        from flowtrack.adapters.kafka.replay import read_partition

        log, place, read_to = LogOffsets(self._settings), (str(Topic.POLICIES), 0), 0
        while not stop.is_set():
            end = log.ends([place])[place]
            for record in read_partition(self._settings, *place, read_to, end):
                self._rulebook.take_policy(record)
            read_to = end
            why = self._rulebook.readiness()
            if not why:
                return True
            if why != self._why:
                _log.warning("the checker waits for rules", why=why)
            self._why = why
            stop.wait(_AGAIN_S)
        return False


class RulesRead:
    """Gives the records of the control topics that came since it was called last, the first time all of them.

    Args:
        settings: where Kafka is.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._next: dict[str, int] = {}

    def __call__(self) -> Iterator[Record]:
        """Read both topics to where they end now.

        Raises:
            BrokerError: a topic does not exist, or the broker stops answering.
        """
        from flowtrack.adapters.kafka.lag import LogOffsets
        from flowtrack.adapters.kafka.replay import read_partition

        log = LogOffsets(self._settings)
        for topic in (str(Topic.POLICIES), str(Topic.REGISTRY)):
            place = (topic, 0)
            start = self._next.get(topic, log.starts([place])[place])
            end = log.ends([place])[place]
            yield from read_partition(self._settings, *place, start, end)
            self._next[topic] = end
