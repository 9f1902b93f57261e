"""Where a worker begins to read: at what its group committed, if the logs are still those, and never at a guess.

Four things may stand between a committed offset and the next record.  Retention has passed it: a gap, which is
recorded in the same commit that passes it, or ends the worker where nobody records gaps.  It lies beyond the log's
end, its topic was made anew, or another program committed it: the worker ends until an operator has looked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import structlog
from confluent_kafka import Consumer, TopicPartition

from flowtrack.adapters.kafka.lag import LogOffsets, Place, positions_by
from flowtrack.adapters.kafka.notes import Identity, Note, OperatorNeededError, Topics, check_same, read_note
from flowtrack.adapters.kafka.plan import Plan
from flowtrack.adapters.kafka.settings import KafkaSettings
from flowtrack.errors import BrokerError
from flowtrack.tracking.records import Gap

_COMMITTED_S = 30.0  # longer than the transaction timeout: a dead worker's commit may still be pending

_log = structlog.get_logger(__name__)


class Beginning(NamedTuple):
    """Where places begin.

    Args:
        starts: the first offset that each log holds.
        begins: the first offset to be read.
        gaps: what was not read and is no longer there.
        unwritten: the `begins` that are not committed as they stand, because of a gap or since nothing ever was.
        notes: what the processor said with the commits, where there are any.
    """

    starts: dict[Place, int]
    begins: dict[Place, int]
    gaps: tuple[Gap, ...] = ()
    unwritten: Mapping[Place, int] = {}
    notes: Mapping[Place, str] = {}


class Beginnings:
    """Finds where a group's places begin, and watches that its topics stay what they are.

    Args:
        consumer: a member of the group.
        gaps_recorded: whether somebody records gaps.
    """

    def __init__(
        self, settings: KafkaSettings, plan: Plan, log: LogOffsets, consumer: Consumer, *, gaps_recorded: bool
    ) -> None:
        self._embedded = settings.embedded
        self._epoch = settings.epoch
        self._group = plan.group
        self._log = log
        self._consumer = consumer
        self._gaps_recorded = gaps_recorded
        self._topics = Topics(settings, plan.topics)
        self._known: dict[str, Identity] = {}

    def note(self, own: str) -> str:
        """Give the metadata for this group's commits, with the processor's own words; empty if it says nothing."""
        return Note(self._epoch, self._known, own).text() if self._known or own else ""

    def check(self) -> None:
        """Make sure that the topics are those that the worker began with.

        Raises:
            OperatorNeededError: one is not.
            BrokerError: the broker does not answer.
        """
        now = self._topics.ask()
        check_same(self._known, now, self._group)
        self._known = now

    def find(self, places: list[Place]) -> Beginning:
        """Give where to go on: the committed offset, or the log's start where nothing was ever committed.

        Raises:
            OperatorNeededError: a topic was made anew or changed its partition count, an offset lies beyond its log's
                end, or another program committed it.
            BrokerError: another program has some of the partitions, an offset lies below its log's start and nobody
                records gaps, or the broker does not answer.
        """
        self.check()
        self._check_whole(places)
        committed = positions_by(self._consumer, self._group, places, _COMMITTED_S)
        for position in committed.values():
            self._check_note(position)
        starts, ends = self._log.starts(places), self._log.ends(places)
        begins, gaps, unwritten = dict(starts), [], {}
        for at, position in committed.items():
            gap = self.gap(at, position.offset, starts[at], ends[at])
            if gap is None:
                begins[at] = position.offset
                continue
            gaps.append(gap)
            unwritten[at] = starts[at]
            _log.error("records lost to retention", topic=at[0], partition=at[1], first=gap.first, end=gap.end)
        if not self._embedded:
            unwritten |= {at: begins[at] for at in places if at not in committed}
        notes = {at: note.own for at, each in committed.items() if (note := read_note(each.metadata)) is not None}
        return Beginning(starts, begins, tuple(gaps), unwritten, notes)

    def gap(self, place: Place, offset: int, start: int, end: int) -> Gap | None:
        """Give what lies between an offset and the log's start; None where the offset is in the log's range.

        Raises:
            OperatorNeededError: the offset is beyond the log's end.
            BrokerError: it is below the log's start and nobody records gaps.
        """
        if start <= offset <= end:
            return None
        where = f"group {self._group}, {place[0]}/{place[1]}"
        if offset > end:
            raise OperatorNeededError(
                f"the committed offset {offset} is out of the log's range [{start}, {end}]: its end was lost, e.g. "
                "with a broker that had the only copy",
                where=where,
                help=f"find out what was lost, then go on with `flowtrack topics acknowledge --group {self._group}` "
                "(or set the offset by hand first): flowtrack does not guess one",
            )
        if not self._gaps_recorded:
            raise BrokerError(
                f"the committed offset {offset} is out of the log's range [{start}, {end}]: retention has passed it",
                where=where,
                help="find out what was lost, then set the group's offset by hand (`kafka-consumer-groups "
                "--reset-offsets`): flowtrack does not guess one",
            )
        return Gap(place[0], place[1], offset, start)

    def _check_note(self, position: TopicPartition) -> None:
        """Make sure that a committed offset is ours, and of these topics."""
        if self._embedded:
            return
        note = read_note(position.metadata)
        if note is None:
            raise OperatorNeededError(
                f"the committed offset {position.offset} was not written by flowtrack",
                where=f"group {self._group}, {position.topic}/{position.partition}",
                help="another program uses this group: give it a group of its own, and look what it consumed; after "
                f"setting an offset by hand, say so with `flowtrack topics acknowledge --group {self._group}`",
            )
        check_same(note.topics, self._known, self._group)

    def _check_whole(self, places: list[Place]) -> None:
        """Make sure that p of every topic came together: else a stranger in the group has the rest."""
        widest = max((each.partitions for each in self._known.values()), default=0)
        wide = {name for name, each in self._known.items() if each.partitions == widest}
        for partition in {at[1] for at in places if at[0] in wide}:
            missing = sorted(wide - {at[0] for at in places if at[1] == partition})
            if missing:
                raise BrokerError(
                    f"partition {partition} came without that of `{missing[0]}`: a member of the group reads other "
                    "topics than this worker",
                    where=f"group {self._group}",
                    help="another program uses this group, or workers of two versions do: end it, or give it a group "
                    "of its own (`kafka-consumer-groups --describe --members` names it)",
                )
