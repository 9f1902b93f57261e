"""What a source reads: its group's partitions, the state topic ahead of the others, and where each stands.

The state topic's partitions are assigned by the group together with the others, but read by a consumer of their own:
so they can be read up to the log's end without waiting behind events that were fetched before.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from flowtrack.adapters.kafka import metrics
from flowtrack.adapters.kafka.beginnings import Beginning, Beginnings
from flowtrack.adapters.kafka.faults import NOT_THERE, WAY_BARRED, broker_error
from flowtrack.adapters.kafka.lag import LogOffsets, Place
from flowtrack.adapters.kafka.plan import Plan
from flowtrack.adapters.kafka.replay import read_partition, record_of
from flowtrack.adapters.kafka.settings import KafkaSettings, Setting
from flowtrack.adapters.kafka.status import SourceStatus
from flowtrack.errors import BrokerError, RuntimeStateError
from flowtrack.tracking.records import Record

_STATE_WAIT_S = 0.05  # how long a batch waits for state that the broker does not deliver
_STATE_FIRST_WAIT_S = 5.0  # the same, until each partition has shown that it is being fetched at all
_METADATA_S = 10.0
_SESSION_TIMEOUT_MS = 6_000
_HEARTBEAT_MS = 1_000
_POLL_INTERVAL_MS = 300_000  # a takeover that loads much state, or a batch done in halves; the watchdog is quicker

FETCHED_KBYTES_MAX = 16_384
"""What a consumer holds fetched at most, beyond one answer of the broker: back-pressure instead of memory."""
_RECORD_BYTES = 1_536
"""Room for a record; where a batch of them needs more than the bound, so much is held: else no batch would be full."""
_AT_ONCE = 1_000
"""Records taken from the consumer before their bytes are looked at."""
FETCH: dict[str, Setting] = {
    "queued.max.messages.kbytes": FETCHED_KBYTES_MAX,
    "fetch.queue.backoff.ms": 20,  # once that much is held; by default a second, in which all of it is worked
    # Compressed, a partition: small, so that a batch mixes partitions.  Outputs of one partition alone fill more than
    # the five requests that may be in flight, and then librdkafka's thread spins until one is answered.
    "fetch.message.max.bytes": 131_072,
}
"""How a reader's consumers fetch."""

_log = structlog.get_logger(__name__)

Resumed = Callable[[int, int], int]
Gained = Callable[[int, Iterable[Record]], None]
Lost = Callable[[int], None]


class Batch(NamedTuple):
    """Records in the order in which they are to be worked, state first, and the offsets that follow them."""

    records: list[Record]
    ends: dict[Place, int]

    @classmethod
    def of(cls, records: list[Record]) -> Batch:
        """Make a batch of some records, e.g. half of another's."""
        return cls(records, {(r.topic, r.partition): r.offset + 1 for r in records})


class Reader:
    """Consumes a plan's topics.

    Args:
        resumed: is asked, before `gained`, from where the state topic's records are needed: partition and committed
            offset, see `Processor.resume_from`.
        gained: is told each partition taken over, with the state topic's records up to its committed offset.
        lost: is told each partition given up.
        gaps_recorded: whether `opening` is looked at for gaps; else a gap ends the worker.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        plan: Plan,
        status: SourceStatus,
        *,
        resumed: Resumed,
        gained: Gained,
        lost: Lost,
        gaps_recorded: bool,
    ) -> None:
        self._settings = settings
        self._plan = plan
        self._status = status
        self._resumed = resumed
        self._gained = gained
        self._lost = lost
        self._log = LogOffsets(settings)
        held_kbytes = max(FETCHED_KBYTES_MAX, plan.batch_records_max * _RECORD_BYTES // 1024)
        self._batch_bytes_max = held_kbytes * 1024
        own = {
            **FETCH,
            "queued.max.messages.kbytes": held_kbytes,
            "auto.offset.reset": "error",
            "enable.partition.eof": True,
            "error_cb": self._on_error,
        }
        self.consumer = Consumer(
            {
                **settings.consumer(plan.group),
                **own,
                "partition.assignment.strategy": "range",  # p of all topics to one worker
                "session.timeout.ms": _SESSION_TIMEOUT_MS,
                "heartbeat.interval.ms": _HEARTBEAT_MS,
                "max.poll.interval.ms": _POLL_INTERVAL_MS,
            }
        )
        self._state = None
        if plan.state_topic is not None:
            self._state = Consumer({**settings.consumer(plan.group), **own})
        self._beginnings = Beginnings(settings, plan, self._log, self.consumer, gaps_recorded=gaps_recorded)
        self.opening = Beginning({}, {})
        """Where the places of the last take-over or rewind began; taken note of by whoever commits."""
        self._topics = {topic: topic for topic in plan.topics}  # records share these, instead of a text each
        self._next: dict[Place, int] = {}
        self._empty_to: dict[Place, int] = {}  # no records up to here: compacted away, or a transaction's marker
        self._silent: set[Place] = set()  # state partitions that have delivered nothing since they were taken over
        self._fetched_s = 0.0  # when records were last taken from the consumer
        self._held = Batch([], {})  # fetched, and waiting for the state that it rests on
        self._state_until: dict[Place, int] | None = None  # where the state topic ended then; none: not asked yet

    # -- partitions come and go ------------------------------------------------------------------------------------

    def open(self) -> None:
        """Join the group; on the embedded broker, take everything.

        There a group's leaving member would be waited for, and one worker a group is all there is.

        Raises:
            BrokerError: see `take_over`.
        """
        if self._settings.embedded:
            self.take_over([(t, p) for t in self._plan.topics for p in self._log.partitions(t)])
        else:
            self.consumer.subscribe(
                list(self._plan.topics), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_revoke
            )

    def take_over(self, places: list[Place]) -> None:
        """Load the state of the places' partitions and go on from their committed offsets.

        Raises:
            BrokerError: see `Beginnings.find`.
        """
        starts, begins, *_ = self.opening = self._beginnings.find(places)
        self._next = dict(begins)
        state = [place for place in places if place[0] == self._plan.state_topic]
        self._silent, self._empty_to = set(state), {}
        self._learn_leaders(places)
        self.consumer.assign([TopicPartition(*at, begins[at]) for at in places if at not in state])
        if self._state is not None:
            self._state.assign([TopicPartition(*at, begins[at]) for at in state])
        for partition in sorted({at[1] for at in places}):
            self._gained(partition, self._history(partition, starts, begins))
        self._status.partitions = tuple(sorted({at[1] for at in places}))
        self._status.reason = ""
        metrics.PARTITIONS.labels(self._plan.name).set(len(self._status.partitions))
        metrics.REBALANCES.labels(self._plan.name).inc()
        _log.info("partitions taken over", worker=self._plan.name, partitions=self._status.partitions)

    def give_up(self) -> None:
        """Forget all partitions: they go to other workers."""
        for partition in sorted({at[1] for at in self._next}):
            self._lost(partition)
        self._next = {}
        self.opening = Beginning({}, {})
        self._hold(Batch([], {}))
        if self._state is not None:
            self._state.unassign()
        self._status.partitions = ()
        self._status.reason = "waiting for partitions"

    def close(self) -> None:
        """Leave the group, giving up what is owned."""
        if self._settings.embedded:
            self.give_up()
        self.consumer.close()
        if self._state is not None:
            self._state.close()

    def _on_assign(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self.take_over([(at.topic, at.partition) for at in partitions])

    def _on_revoke(self, _consumer: Consumer, _partitions: list[TopicPartition]) -> None:
        self.give_up()  # range assignment revokes all, then assigns anew

    def _history(self, partition: int, starts: dict[Place, int], begins: dict[Place, int]) -> Iterable[Record]:
        at = (self._plan.state_topic or "", partition)
        if at not in begins:
            return ()
        wanted = self._resumed(partition, begins[at])
        if wanted > begins[at]:
            raise RuntimeStateError(
                f"state of `{wanted}` is ahead of what is committed, {begins[at]}",
                where=f"{at[0]}/{partition}",
                help="throw the state away: it is made anew from the topic",
            )
        return read_partition(self._settings, *at, max(starts[at], wanted), begins[at])

    def _learn_leaders(self, places: list[Place]) -> None:
        """Ask who leads the topics' partitions: left to itself, librdkafka finds out up to a second later.

        By a question about an offset, not by `list_topics`: within a callback of the group that call takes from the
        one around it what its next callback needs, and the client ends the process ("CallState_get: Assertion").
        """
        try:
            for topic, partition in dict(places).items():
                consumer = self._state if self._state is not None and topic == self._plan.state_topic else self.consumer
                consumer.get_watermark_offsets(TopicPartition(topic, partition), _METADATA_S)
        except KafkaException as error:
            raise broker_error(error, f"group {self._plan.group}") from error

    # -- batches -------------------------------------------------------------------------------------------------

    def fetch(self) -> Batch:
        """Give the next batch; empty when there is nothing.

        The state topic is read to where its log ends once the other records are here, so that no record overtakes
        the state that it rests on. Where the broker does not deliver that within 50 ms, the batch begins without.

        Raises:
            BrokerError: a consumer failed for good.
        """
        if not self._held.records:
            messages = self._fill()
            self._fetched_s = time.monotonic()
            self._hold(self._take(messages))
        if self._state is None:
            return self._release([], {})
        state, complete = self._fetch_state(self._state, wait=bool(self._held.records))
        if not complete:
            return Batch(state.records, state.ends)
        return self._release(state.records, state.ends)

    def _fill(self) -> list[Message[Any, Any]]:
        """Take a batch from the consumer: as many as may be, for as long as may be, and no more bytes than are held.

        librdkafka has fetched on while the last batch was worked, so its time counts from when that was taken.
        """
        messages: list[Message[Any, Any]] = []
        room, bytes_left, until_s = (
            self._plan.batch_records_max,
            self._batch_bytes_max,
            self._fetched_s + self._plan.batch_wait_s,
        )
        while room > 0 and bytes_left > 0:
            asked = min(room, _AT_ONCE)
            some = self._consume(self.consumer, asked, max(0.0, until_s - time.monotonic()))
            messages += some
            room -= len(some)
            bytes_left -= sum(map(len, some))
            if len(some) < asked:
                break
        return messages

    def rewind(self) -> None:
        """Go back to the committed offsets, after a batch was undone.

        Raises:
            BrokerError: see `take_over`.
        """
        self._hold(Batch([], {}))
        if not self._next:
            return
        self.opening = self._beginnings.find(list(self._next))
        begins = self.opening.begins
        self._next, self._empty_to = dict(begins), {}
        try:
            for at, offset in begins.items():
                consumer = self._state if self._state is not None and at[0] == self._plan.state_topic else self.consumer
                consumer.seek(TopicPartition(*at, offset))
        except KafkaException as error:
            raise broker_error(error, f"rewinding group {self._plan.group}") from error

    def go_on_at(self, place: Place, offset: int) -> None:
        """Leave out the records of an owned place below an offset: they are worked already."""
        if place in self._next:
            self._next[place] = max(self._next[place], offset)

    def lag_records(self) -> dict[str, int]:
        """Give by topic how many records are still to be read; the broker is asked.

        Raises:
            BrokerError: the broker does not answer.
        """
        lags = dict.fromkeys(self._plan.topics, 0)
        for at, end in self._log.ends(list(self._next)).items():
            lags[at[0]] += max(0, end - self._read_to(at))
        return lags

    def note(self, own: str) -> str:
        """Give the metadata for the commits of a partition, with the processor's own words."""
        return self._beginnings.note(own)

    def check_topics(self) -> None:
        """Make sure that the topics are those that the worker began with.

        Raises:
            OperatorNeededError: one is not.
            BrokerError: the broker does not answer.
        """
        self._beginnings.check()

    def _read_to(self, place: Place) -> int:
        """Give up to where a log has been read; offsets at its end may be no records."""
        return max(self._next[place], self._empty_to.get(place, 0))

    def _hold(self, batch: Batch) -> None:
        self._held, self._state_until = batch, None

    def _release(self, records: list[Record], ends: dict[Place, int]) -> Batch:
        held = self._held
        self._hold(Batch([], {}))
        return Batch(records + held.records, ends | held.ends)

    def _fetch_state(self, consumer: Consumer, *, wait: bool) -> tuple[Batch, bool]:
        """Read the state topic; with `wait`, to its end, and say whether the batch in hand may go.

        When the batch is full of state, it goes alone, and what waits for it waits for the next.
        """
        room = self._plan.batch_records_max
        ends = self._state_ends() if wait else {}
        batch = Batch([], {})
        if not ends:
            return self._take(self._consume(consumer, room, 0)), True
        deadline_s = time.monotonic() + self._state_wait_s()
        while missing := sum(max(0, end - self._read_to(at)) for at, end in ends.items()):
            if len(batch.records) >= room:
                return batch, False
            rest_s = deadline_s - time.monotonic()
            # Asking for exactly what is missing returns at once when it is there.
            messages = self._consume(consumer, min(missing, room - len(batch.records)), max(0.0, rest_s))
            if messages:
                more = self._take(messages)
                batch = Batch(batch.records + more.records, batch.ends | more.ends)
                deadline_s = time.monotonic() + self._state_wait_s()  # it comes: a bound on silence, not on length
            elif rest_s <= 0:
                self._overtake("the state topic is silent")
                break
        return batch, True

    def _state_ends(self) -> dict[Place, int]:
        """Give where the state topic ended when the batch in hand was fetched; empty when the broker is too slow."""
        if self._state_until is None:
            owned = [at for at in self._next if at[0] == self._plan.state_topic]
            try:
                self._state_until = self._log.ends(owned, self._state_wait_s())
            except BrokerError as error:
                self._overtake(str(error))
                self._state_until = {}
        return self._state_until

    def _state_wait_s(self) -> float:
        return _STATE_FIRST_WAIT_S if self._silent else _STATE_WAIT_S

    def _overtake(self, why: str) -> None:
        """Note that a batch begins before its state is read up: late knowledge, which the processor mends."""
        metrics.OVERTAKEN.labels(self._plan.name).inc()
        _log.warning("batch begins without waiting for state", worker=self._plan.name, why=why)

    def _consume(self, consumer: Consumer, records: int, wait_s: float) -> list[Message[Any, Any]]:
        try:
            return consumer.consume(records, wait_s)
        except KafkaException as error:
            raise broker_error(error, f"group {self._plan.group}") from error

    def _take(self, messages: list[Message[Any, Any]]) -> Batch:
        """Turn messages into records, leaving out those of partitions that have gone meanwhile."""
        records: list[Record] = []
        ends: dict[Place, int] = {}
        at, expected = ("", -1), None
        for message in messages:
            error = message.error()
            if error is not None:
                self._refuse(error, message)
                continue
            # Messages come in runs of one place: what belongs to the place is looked up once a run.
            if message.partition() != at[1] or message.topic() != at[0]:
                self._reach(at, expected, ends)
                at = (self._topics[message.topic() or ""], message.partition() or 0)
                expected = self._next.get(at)
            offset = message.offset() or 0
            if expected is None or offset < expected:
                continue  # fetched before a rebalance or a rewind
            expected = offset + 1
            records.append(record_of(message, *at, offset))
        self._reach(at, expected, ends)
        self._silent.difference_update(ends)
        return Batch(records, ends)

    def _reach(self, place: Place, offset: int | None, ends: dict[Place, int]) -> None:
        """Note up to where a run of messages has come, where it came any further."""
        if offset is not None and offset > self._next[place]:
            ends[place] = self._next[place] = offset

    def _refuse(self, error: KafkaError, message: Message[Any, Any]) -> None:
        place = (message.topic() or "", message.partition() or 0)
        if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's local codes are named so
            self._silent.discard(place)
            self._empty_to[place] = message.offset() or 0
            return
        if error.code() == KafkaError._MAX_POLL_EXCEEDED:  # noqa: SLF001 - (likewise)
            _log.warning("group left: a batch took too long", worker=self._plan.name)
            return
        if error.code() == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001 - (likewise)
            at = self._next.get(place, -1)
            start, end = self._log.starts([place])[place], self._log.ends([place])[place]
            self._beginnings.gap(place, at, start, end)
        if error.code() in NOT_THERE:
            self._beginnings.check()  # knows better whether the topic is gone
        raise broker_error(error, f"group {self._plan.group}, {place[0]}/{place[1]}")

    def _on_error(self, error: KafkaError) -> None:
        """Hear of what librdkafka retries by itself, mostly brokers that do not answer."""
        if error.fatal():
            raise broker_error(error, f"group {self._plan.group}")
        if error.code() in WAY_BARRED:  # one connection lost, e.g. an idle one, is no news
            self._status.broker_down = str(broker_error(error))
        _log.warning("broker trouble", worker=self._plan.name, error=error.name())
