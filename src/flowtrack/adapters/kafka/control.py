"""Control topics (policies, registry): low volume, read whole by every worker.

They are read to their ends before the worker begins, so that nothing is judged without its rules; from there on
Faust's own consumer brings what is new.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import faust
import structlog
from faust.types import EventT

from flowtrack.adapters.kafka.lag import LogOffsets
from flowtrack.adapters.kafka.replay import read_partition
from flowtrack.adapters.kafka.settings import KafkaSettings
from flowtrack.tracking.records import Record, Topic

_log = structlog.get_logger(__name__)

Handler = Callable[[Record], None]


class ControlTopics:
    """Hands every record of some topics to its handler, once, in each partition's order.

    Args:
        handlers: by topic; a handler deals with what it cannot read itself, an exception ends the worker.
        failed: is called once a handler has raised.
    """

    def __init__(self, settings: KafkaSettings, handlers: Mapping[str, Handler], failed: Callable[[], object]) -> None:
        # Faust fails to start when it has nothing to subscribe to.
        self._handlers = dict(handlers) or {str(Topic.POLICIES): _ignore}
        self._settings = settings
        self._failed = failed
        self._next: dict[tuple[str, int], int] = {}
        self.loaded = False

    def load(self) -> None:
        """Read every topic to where it ends now.

        Raises:
            BrokerError: a topic does not exist, or the broker stops answering.
        """
        log = LogOffsets(self._settings)
        for topic, handler in self._handlers.items():
            places = [(topic, partition) for partition in log.partitions(topic)]
            starts, ends = log.starts(places), log.ends(places)
            for at in places:
                if handler is not _ignore:
                    for record in read_partition(self._settings, *at, starts[at], ends[at]):
                        handler(record)
                self._next[at] = ends[at]
        self.loaded = True

    def follow(self, app: faust.App) -> None:
        """Have the app bring what comes after."""
        for topic, handler in self._handlers.items():
            channel = app.topic(topic, key_serializer="raw", value_serializer="raw", allow_empty=True)
            app.agent(channel, name=f"control.{topic}")(self._agent(handler))

    def _agent(self, handler: Handler) -> Callable[[Any], Any]:
        async def follow(stream: faust.Stream[bytes]) -> None:
            async for event in stream.events():
                try:
                    self._hand_on(_record_of(event), handler)
                except Exception as error:  # noqa: BLE001 - Faust would take the record for done and go on
                    _log.error("control record not applied", error=type(error).__name__, topic=event.message.topic)
                    self._failed()

        return follow

    def _hand_on(self, record: Record, handler: Handler) -> None:
        place = (record.topic, record.partition)
        if record.offset >= self._next.get(place, 0):
            handler(record)
            self._next[place] = record.offset + 1


def _ignore(_record: Record) -> None:
    """Take a record that nobody asked for."""


def _record_of(event: EventT[Any]) -> Record:
    message = event.message
    headers = message.headers or ()
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    return Record(
        message.topic,
        message.partition,
        message.offset,
        int(message.timestamp * 1_000),
        message.key,
        message.value,
        tuple((str(name), value) for name, value in pairs),
    )
