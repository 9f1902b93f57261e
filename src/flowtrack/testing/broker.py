"""A broker in memory that obeys Kafka's rules, for tests of whatever must be exact when workers die.

It keeps what exactness rests on: transactions whose records are seen when they are committed and never when they are
aborted (`read_committed`), offsets of control records that are no records, groups whose generation fences members that
have been given up (KIP-447), offsets that cannot be asked for while a transaction holds them (KIP-447 again:
`require_stable`), producers fenced by a later epoch, and compaction.  It has no network, no time of its own and no
threads: whoever uses it decides when a session or a transaction times out.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

from flowtrack.errors import BrokerError, RuntimeStateError
from flowtrack.tracking.records import Output, Record

Place = tuple[str, int]
"""Topic and partition."""


class GenerationFencedError(BrokerError):
    """The member is no longer of its group's generation: its partitions may be another's."""


class ProducerFencedError(BrokerError):
    """A later producer of the same transactional id exists, or the coordinator ended this one's transaction."""


class UnstableOffsetsError(BrokerError):
    """An open transaction holds offsets of the group: ask again when it has ended."""


class _Transaction:
    """One transaction; what it wrote refers to it."""

    def __init__(self) -> None:
        self.state: Literal["open", "committed", "aborted"] = "open"
        self.places: set[Place] = set()
        self.offsets: dict[str, dict[Place, int]] = {}
        self.notes: dict[str, dict[Place, str]] = {}


class _Entry(NamedTuple):
    """What stands at an offset: a record, or none for a transaction's end."""

    offset: int
    record: Record | None
    transaction: _Transaction | None


class _Log:
    """The log of one partition."""

    def __init__(self) -> None:
        self.entries: list[_Entry] = []
        self.end = 0
        self.open: dict[_Transaction, int] = {}
        """Transactions that are still open here, with their first offset, in the order of these."""

    def append(self, record: Record | None, transaction: _Transaction | None) -> None:
        self.entries.append(_Entry(self.end, record, transaction))
        self.end += 1

    @property
    def stable_end(self) -> int:
        """The last stable offset: where the earliest open transaction begins, else the end."""
        return next(iter(self.open.values()), self.end)

    def read(self, offset: int, limit: int, *, committed_only: bool) -> list[Record]:
        until = self.stable_end if committed_only else self.end
        found: list[Record] = []
        for entry in self.entries[bisect_left(self.entries, offset, key=lambda each: each.offset) :]:
            if entry.offset >= until or len(found) >= limit:
                break
            hidden = committed_only and entry.transaction is not None and entry.transaction.state != "committed"
            if entry.record is not None and not hidden:
                found.append(entry.record)
        return found


class Change(NamedTuple):
    """What a member hears of a rebalance: that it has lost its partitions, or which it has been assigned."""

    assigned: bool
    places: tuple[Place, ...]


class _Group:
    """A consumer group with the eager protocol: all give up what they have, then all are assigned anew."""

    def __init__(self, topics: tuple[str, ...]) -> None:
        self.topics = topics
        self.generation = 0
        self.members: list[MemoryMember] = []
        self.preparing = False
        self.offsets: dict[Place, int] = {}
        self.notes: dict[Place, str] = {}

    def take(self, offsets: Mapping[Place, int], notes: Mapping[Place, str]) -> None:
        """Note a commit."""
        self.offsets.update(offsets)
        self.notes.update({place: notes.get(place, "") for place in offsets})


class MemoryMember:
    """A member of a consumer group; made by `MemoryBroker.join`."""

    def __init__(self, broker: MemoryBroker, group: str) -> None:
        self._broker = broker
        self.group = group
        self.generation = -1
        self.places: tuple[Place, ...] = ()
        self.rejoined = True

    def poll(self) -> Change | None:
        """Hear of a rebalance, and take the next step of it; None where nothing changes."""
        return self._broker._poll(self)  # noqa: SLF001 - one thing in several classes

    def commit(self, offsets: Mapping[Place, int], notes: Mapping[Place, str] = MappingProxyType({})) -> None:
        """Commit offsets outside of any transaction.

        Args:
            offsets: by place.
            notes: what else each commit says (Kafka's metadata); a place that is left out says nothing any more.

        Raises:
            GenerationFencedError: the member has been given up, or a new generation has begun.
        """
        self._broker._check_generation(self)  # noqa: SLF001 - (likewise)
        self._broker._groups[self.group].take(offsets, notes)  # noqa: SLF001 - (likewise)

    def leave(self) -> None:
        """Leave the group."""
        self._broker.evict(self)


class MemoryProducer:
    """A transactional producer; made by `MemoryBroker.producer`.

    Every call raises ProducerFencedError once a later producer has its transactional id, or once the coordinator has
    ended its transaction.
    """

    def __init__(self, broker: MemoryBroker, transactional_id: str, epoch: int) -> None:
        self._broker = broker
        self._epoch = epoch
        self.transactional_id = transactional_id

    def begin(self) -> None:
        """Begin a transaction."""
        self._check()
        self._broker._open[self.transactional_id] = _Transaction()  # noqa: SLF001 - (likewise)

    def send(self, output: Output) -> None:
        """Write a record in the transaction."""
        self._broker._append(output, self._check())  # noqa: SLF001 - (likewise)

    def send_offsets(
        self, member: MemoryMember, offsets: Mapping[Place, int], notes: Mapping[Place, str] = MappingProxyType({})
    ) -> None:
        """Have a member's offsets committed with the transaction, with notes as in `MemoryMember.commit`.

        Raises:
            GenerationFencedError: the member has been given up, or a new generation has begun.
        """
        transaction = self._check()
        self._broker._check_generation(member)  # noqa: SLF001 - (likewise)
        if transaction is not None:
            transaction.offsets.setdefault(member.group, {}).update(offsets)
            transaction.notes.setdefault(member.group, {}).update(notes)

    def commit(self) -> None:
        """End the transaction: everything of it counts."""
        self._check()
        self._broker._end(self.transactional_id, "committed")  # noqa: SLF001 - (likewise)

    def abort(self) -> None:
        """End the transaction: nothing of it counts."""
        self._check()
        self._broker._end(self.transactional_id, "aborted")  # noqa: SLF001 - (likewise)

    def _check(self) -> _Transaction | None:
        if self._broker._epochs[self.transactional_id] != self._epoch:  # noqa: SLF001 - (likewise)
            raise ProducerFencedError(
                "the producer has been fenced",
                where=f"transactional id {self.transactional_id}",
                help="end this process: another has taken its place",
            )
        return self._broker._open.get(self.transactional_id)  # noqa: SLF001 - (likewise)


class MemoryBroker:
    """The broker.

    Args:
        topics: their names, and how many partitions each has.
        clock_ms: gives the timestamp of an appended record, in milliseconds since the epoch.
    """

    def __init__(self, topics: Mapping[str, int], clock_ms: Callable[[], int]) -> None:
        self.topics = dict(topics)
        self._clock_ms = clock_ms
        self._logs = {(topic, p): _Log() for topic, count in topics.items() for p in range(count)}
        self._groups: dict[str, _Group] = {}
        self._epochs: dict[str, int] = {}
        self._open: dict[str, _Transaction] = {}

    # ------------------------------------------------------------------------------------------------------- logs

    def send(self, output: Output) -> None:
        """Append a record outside of any transaction."""
        self._append(output, None)

    def read(self, place: Place, offset: int, limit: int = 1 << 30, *, committed_only: bool = True) -> list[Record]:
        """Read records from an offset on.

        Args:
            place: topic and partition.
            offset: of the first record wanted.
            limit: how many records at most.
            committed_only: leave out what is aborted, and what lies behind the beginning of an open transaction.
        """
        return self._logs[place].read(offset, limit, committed_only=committed_only)

    def end(self, place: Place) -> int:
        """The offset that the next record will have."""
        return self._logs[place].end

    def stable_end(self, place: Place) -> int:
        """The last stable offset: no reader of committed records comes past the beginning of an open transaction."""
        return self._logs[place].stable_end

    def compact(self, place: Place) -> None:
        """Drop what a later record of the same key has replaced; tombstones stay, as they do for a day."""
        log = self._logs[place]
        stable_end = log.stable_end
        settled = [entry for entry in log.entries if entry.record is not None and entry.offset < stable_end]
        last = {entry.record.key: entry.offset for entry in settled if entry.record is not None}
        log.entries = [
            entry
            for entry in log.entries
            if entry.record is None or entry.offset >= stable_end or last[entry.record.key] == entry.offset
        ]

    def _append(self, output: Output, transaction: _Transaction | None) -> None:
        place = (str(output.topic), output.partition)
        log = self._logs[place]
        if transaction is not None and place not in transaction.places:
            transaction.places.add(place)
            log.open[transaction] = log.end
        log.append(Record(*place, log.end, self._clock_ms(), output.key, output.value), transaction)

    # ----------------------------------------------------------------------------------------------- transactions

    def producer(self, transactional_id: str) -> MemoryProducer:
        """A producer, with all earlier ones of its id fenced and their transaction ended."""
        self.expire(transactional_id)
        return MemoryProducer(self, transactional_id, self._epochs[transactional_id])

    def expire(self, transactional_id: str) -> None:
        """Let a producer's transaction time out: it is aborted, and the producer fenced."""
        self._epochs[transactional_id] = self._epochs.get(transactional_id, -1) + 1
        if transactional_id in self._open:
            self._end(transactional_id, "aborted")

    @property
    def open_transactions(self) -> list[str]:
        """Transactional ids with an open transaction."""
        return list(self._open)

    def _end(self, transactional_id: str, state: Literal["committed", "aborted"]) -> None:
        transaction = self._open.pop(transactional_id, None)
        if transaction is None:
            raise RuntimeStateError("there is no transaction to end", help="call `begin` first")
        transaction.state = state
        for place in sorted(transaction.places):
            log = self._logs[place]
            del log.open[transaction]
            log.append(None, transaction)
        if state == "committed":
            for group, offsets in transaction.offsets.items():
                self._groups[group].take(offsets, transaction.notes[group])

    # ----------------------------------------------------------------------------------------------------- groups

    def join(self, group: str, topics: Iterable[str]) -> MemoryMember:
        """Join a group; `poll` the member to be assigned partitions."""
        known = self._groups.setdefault(group, _Group(tuple(topics)))
        member = MemoryMember(self, group)
        known.members.append(member)
        self._rebalance(known)
        return member

    def evict(self, member: MemoryMember) -> None:
        """Give a member up, as when its session times out; what it had goes to others."""
        group = self._groups[member.group]
        if member in group.members:
            group.members.remove(member)
            self._rebalance(group)

    def is_member(self, member: MemoryMember) -> bool:
        """Whether the group still counts on the member."""
        return member in self._groups[member.group].members

    def is_current(self, member: MemoryMember) -> bool:
        """Whether the member is of its group's present generation, so that it may commit."""
        group = self._groups[member.group]
        return member in group.members and member.generation == group.generation

    def committed(self, group: str, places: Iterable[Place], *, stable: bool = True) -> dict[Place, int]:
        """The committed offsets, where there are any.

        Args:
            group: whose.
            places: of which topics and partitions.
            stable: refuse to answer while a transaction holds some of them.

        Raises:
            UnstableOffsetsError: an open transaction may still commit other ones.
        """
        wanted = set(places)
        if stable and any(not wanted.isdisjoint(each.offsets.get(group, ())) for each in self._open.values()):
            raise UnstableOffsetsError("a transaction holds offsets", where=f"group {group}", help="ask again")
        known = self._groups[group].offsets if group in self._groups else {}
        return {place: known[place] for place in sorted(wanted) if place in known}

    def notes(self, group: str, places: Iterable[Place]) -> dict[Place, str]:
        """What the last commits of some places say, where they say something."""
        known = self._groups[group].notes if group in self._groups else {}
        return {place: known[place] for place in places if known.get(place)}

    def _rebalance(self, group: _Group) -> None:
        if not group.preparing:
            group.preparing = True
            for member in group.members:
                member.rejoined = member.generation < 0
        self._complete(group)

    def _complete(self, group: _Group) -> None:
        """Assign partitions by range, once every member has given up what it had."""
        if group.preparing and all(member.rejoined for member in group.members):
            group.preparing = False
            group.generation += 1

    def _poll(self, member: MemoryMember) -> Change | None:
        group = self._groups[member.group]
        if member not in group.members:
            lost, member.places, member.generation, member.rejoined = member.places, (), -1, True
            group.members.append(member)
            self._rebalance(group)
            return Change(assigned=False, places=lost)
        if group.preparing:
            if member.rejoined:
                return None
            lost, member.places, member.rejoined = member.places, (), True
            self._complete(group)
            return Change(assigned=False, places=lost)
        if member.generation == group.generation:
            return None
        member.generation = group.generation
        member.places = tuple(self._range(group, group.members.index(member)))
        return Change(assigned=True, places=member.places)

    def _range(self, group: _Group, index: int) -> Iterable[Place]:
        members = len(group.members)
        for topic in group.topics:
            each, more = divmod(self.topics[topic], members)
            first = index * each + min(index, more)
            yield from ((topic, p) for p in range(first, first + each + (index < more)))

    def _check_generation(self, member: MemoryMember) -> None:
        if not self.is_current(member):
            raise GenerationFencedError(
                "the member is not of the group's generation",
                where=f"group {member.group}",
                help="go back to the committed offsets, and poll",
            )
