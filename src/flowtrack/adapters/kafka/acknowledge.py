"""An operator's word that a group may go on: after a topic was made anew, a log lost its end, or an offset was set.

The workers stop at each of these and name this; nobody else than a person can know what was lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaException, TopicPartition

from flowtrack.adapters.kafka.faults import broker_error
from flowtrack.adapters.kafka.lag import LogOffsets, positions_by
from flowtrack.adapters.kafka.notes import Identity, Note, OperatorNeededError, Topics, read_note
from flowtrack.adapters.kafka.settings import KafkaSettings

_TIMEOUT_S = 30.0


class Acknowledged(NamedTuple):
    """Where a group goes on in a partition, and why there.

    Args:
        before: the offset that was committed; None where nothing was.
        reason: `kept`, `made anew` (from the new log's start), `end lost` (from the log's end), `passed by retention`
            (kept: the worker records the gap), or `nothing committed` (from the log's start).
    """

    topic: str
    partition: int
    before: int | None
    offset: int
    reason: str


def acknowledge(settings: KafkaSettings, group: str, topics: Sequence[str]) -> list[Acknowledged]:
    """Write a group's offsets anew, with a note of the topics as they are now.

    Args:
        settings: with the epoch that the workers will have: another one than before, where a topic of theirs was made
            anew, since the ledger tells records by epoch, partition and offset.
        group: must have no members.
        topics: all that the group reads.

    Raises:
        OperatorNeededError: a topic is missing, or was made anew and the epoch is the old one.
        BrokerError: the broker refuses, e.g. since workers of the group still run.
    """
    now = Topics(settings, topics).ask()
    log = LogOffsets(settings)
    places = [(name, partition) for name, each in now.items() for partition in range(each.partitions)]
    starts, ends = log.starts(places), log.ends(places)
    consumer = Consumer(settings.consumer(group))
    try:
        committed = positions_by(consumer, group, places, _TIMEOUT_S)
        known = _known(settings, group, list(committed.values()), now)
        found = [_place(at, committed.get(at), known.get(at[0]), now[at[0]], starts[at], ends[at]) for at in places]
        offsets = [
            TopicPartition(*at, each.offset, Note(settings.epoch, now, _own(committed.get(at))).text())
            for at, each in zip(places, found, strict=True)
        ]
        consumer.commit(offsets=offsets, asynchronous=False)
    except KafkaException as error:
        raise broker_error(error, f"group {group}: stop its workers first") from error
    finally:
        consumer.close()
    return found


def _known(
    settings: KafkaSettings, group: str, committed: Sequence[TopicPartition], now: dict[str, Identity]
) -> dict[str, Identity]:
    """Give the topics as the group's commits remember them.

    Raises:
        OperatorNeededError: one was made anew, and the epoch is that of the old one.
    """
    known: dict[str, Identity] = {}
    for position in committed:
        note = read_note(position.metadata)
        if note is None:
            continue
        anew = [name for name, each in note.topics.items() if name in now and now[name].id != each.id]
        if anew and note.epoch == settings.epoch:
            raise OperatorNeededError(
                f"`{anew[0]}` was made anew and the epoch is still `{settings.epoch}`: the ledger would take its "
                "records for repeats of the old ones",
                where=f"group {group}",
                help="set FLOWTRACK_KAFKA__EPOCH to a new name, here and for all workers",
            )
        known |= note.topics
    return known


def _own(position: TopicPartition | None) -> str:
    """Keep what the processor said of the partition: its next owner still needs it."""
    note = None if position is None else read_note(position.metadata)
    return "" if note is None else note.own


def _place(
    at: tuple[str, int], position: TopicPartition | None, known: Identity | None, now: Identity, start: int, end: int
) -> Acknowledged:
    """Choose where to go on in one partition."""
    if position is None:
        return Acknowledged(*at, None, start, "nothing committed")
    before = position.offset
    if known is not None and known.id != now.id:
        return Acknowledged(*at, before, start, "made anew")
    if before > end:
        return Acknowledged(*at, before, end, "end lost")
    return Acknowledged(*at, before, before, "kept" if before >= start else "passed by retention")
