"""Malformed messages with good ones between them, through one checker: what becomes of each, and the cost."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from random import Random

from benchmarks.checker import day_of, rules_of
from benchmarks.rig.fault_books import records_of
from benchmarks.rig.kafka_rounds import Filler, Round, measure, python
from benchmarks.rig.telling import Figure
from flowtrack.adapters.kafka.settings import KafkaSettings
from flowtrack.adapters.kafka.topics import create_topics
from flowtrack.apps.documents import publish
from flowtrack.apps.groups import CHECKER_GROUP
from flowtrack.domain.decision import DeadLetter
from flowtrack.errors import ContractError
from flowtrack.sample.diary import Item
from flowtrack.tracking.records import Topic
from flowtrack.wire.decisions import decode_dead_letter, decode_tracked
from flowtrack.wire.decode import decode_event
from flowtrack.wire.partition import partition_of
from tests.rig.kafka_process import KafkaProcess
from tests.wire.messages import spoilt

_DISTINCT = 20_000  # they come again and again: what is measured is the checker, not their making
_GOOD_SHARE = 10
_PARTITIONS = 4


@dataclass(frozen=True, slots=True)
class Spoilt:
    """A message that cannot be read, and why."""

    item: Item
    code: str


def spoil(items: list[Item], random: Random, count: int) -> list[Spoilt]:
    """Mutate real events until each is malformed, and note the code that its fault has."""
    found: list[Spoilt] = []
    for item in cycle(items):
        value = spoilt(random, json.loads(item.value))
        try:
            event = decode_event(value)
        except ContractError as error:
            found.append(Spoilt(item._replace(value=value), str(error.code)))
        else:
            if partition_of(event.subject, _PARTITIONS) != partition_of(item.subject, _PARTITIONS):
                found.append(Spoilt(item._replace(value=value), "wrong_partition"))
        if len(found) >= count:
            return found
    return found


def measure_malformed(count: int, seed: int, folder: Path) -> list[Figure]:
    """Measure good ones alone, then the mixture, and check what became of each message of the mixture."""
    good = list(day_of(max(1_000, min(100_000, count // _GOOD_SHARE)), seed).events())
    bad = spoil(good[:5_000], Random(seed), min(count, _DISTINCT))
    home = folder / "kafka-malformed"
    home.mkdir()
    with closing(KafkaProcess(home)) as kafka:
        kafka.start()
        settings = KafkaSettings(bootstrap_servers=kafka.address, partitions=_PARTITIONS, replication_factor=1)
        create_topics(settings)
        day = day_of(len(good), seed)
        publish(settings, [rule.output() for rule in rules_of(day)])
        filler = Filler(settings)
        filler.write(Topic.CONSENTS, day.consents())
        filler.write(Topic.EVENTS, good)
        alone = measure(python("-m", "flowtrack", "worker", "checker"), settings, CHECKER_GROUP, folder)
        before = {p: len(list(records_of(settings, Topic.EVENTS, p))) for p in range(_PARTITIONS)}
        wanted = _publish(filler, good, bad, count, before)
        mixed = measure(python("-m", "flowtrack", "worker", "checker"), settings, CHECKER_GROUP, folder)
        faults = _faults(settings, wanted)
    print("codes: " + ", ".join(f"{code} {number}" for code, number in sorted(_codes(wanted).items())))
    return _figures(alone, mixed, faults, count)


def _publish(
    filler: Filler, good: list[Item], bad: list[Spoilt], count: int, before: dict[int, int]
) -> dict[tuple[int, int], str]:
    """Publish the mixture; gives by partition and offset the code of each message, empty for a good one."""
    wanted: dict[tuple[int, int], str] = {}
    following = dict(before)

    def note(item: Item, code: str) -> Item:
        partition = partition_of(item.subject, _PARTITIONS)
        wanted[partition, following[partition]] = code
        following[partition] += 1
        return item

    mixture = (
        note(each.item, each.code) if number % (_GOOD_SHARE + 1) else note(good[number // 11 % len(good)], "")
        for number, each in enumerate(islice(cycle(bad), count + count // _GOOD_SHARE))
    )
    filler.write(Topic.EVENTS, mixture)
    return wanted


def _faults(settings: KafkaSettings, wanted: dict[tuple[int, int], str]) -> int:
    """Count messages that are not, exactly once, what they should be: dead with their code, or judged."""
    left, faults = dict(wanted), 0
    for partition in range(_PARTITIONS):
        for record in records_of(settings, Topic.DEADLETTERS, partition):
            letter: DeadLetter = decode_dead_letter(record.value or b"")
            faults += left.pop((letter.partition, letter.offset), None) != str(letter.code)
        for record in records_of(settings, Topic.DECISIONS, partition):
            item = decode_tracked(record.value or b"")
            if item.type == "decision" and (item.partition, item.offset) in wanted:
                faults += left.pop((item.partition, item.offset), None) != ""
    return faults + len(left)


def _codes(wanted: dict[tuple[int, int], str]) -> dict[str, int]:
    codes: dict[str, int] = {}
    for code in wanted.values():
        codes[code or "good"] = codes.get(code or "good", 0) + 1
    return codes


def _figures(alone: Round, mixed: Round, faults: int, count: int) -> list[Figure]:
    ratio = mixed.per_cpu_second / alone.per_cpu_second
    return [
        Figure("malformed: messages", "", (float(count),)),
        Figure("malformed: neither dead with their code nor judged, or twice", "", (float(faults),), "0"),
        Figure("malformed: good ones alone", "messages/CPU s", (alone.per_cpu_second,)),
        Figure("malformed: mixture", "messages/CPU s", (mixed.per_cpu_second,)),
        Figure("malformed: mixture / good ones alone", "ratio", (ratio,), ">= 0.33"),
        Figure("malformed: peak resident memory, mixture", "MiB", (mixed.peak_bytes / 2**20,)),
    ]
