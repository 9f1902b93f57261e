"""Markers of late knowledge that a sample day needs, and those that change no verdict.

The checker is fed in this process, with batches of what arrives within 50 ms, consents first as its source gives
them.  What arrives when is assumed: events within 50 ms; consent records within 50 ms, within 2 s, or one in a hundred
within ten minutes.  Every marker is followed up: the events that it touches are judged anew, and it was needless where
none of them comes out differently.  Then twenty versions of the registry are published over the day: ten say what the
one before said, ten register a party from then on.

Goal: never one too few, which the tests prove; needless ones below 50 per 1,000 consents, and none of a registry that
says the same.  Left out: takeovers, after which the worst is assumed of subjects that a worker has not seen.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import NamedTuple

from benchmarks.rig.telling import Figure, arguments, tell
from flowtrack.domain.consent import ConsentRecord
from flowtrack.domain.event import TYPES, Event
from flowtrack.domain.history import Entry, as_of, entry_of, with_entry
from flowtrack.domain.instants import from_us, instant_us
from flowtrack.domain.registry import PartyEntry, RegistryDocument
from flowtrack.policy.pack import default_pack
from flowtrack.sample.day import SampleDay, sample_day
from flowtrack.sample.diary import Item
from flowtrack.sample.options import SampleOptions
from flowtrack.tracking.check import Checker
from flowtrack.tracking.records import Record, Topic
from flowtrack.tracking.rulebook import Rulebook
from flowtrack.wire.decisions import decode_tracked
from flowtrack.wire.decode import decode_consent, decode_event
from flowtrack.wire.keys import consent_key
from flowtrack.wire.partition import partition_of

PARTITIONS = 8
_BATCH_US = 50_000
_VERSIONS = 20


class Arrival(NamedTuple):
    """When an item of the day arrives."""

    at_us: int
    item: Item


class Told(NamedTuple):
    """How many markers there were, and how many of them were needless."""

    markers: int
    needless: int


class Ledger:
    """What was judged, in the order of the partitions, to follow markers up."""

    def __init__(self, rulebook: Rulebook) -> None:
        self.rulebook = rulebook
        self.histories: dict[str, tuple[Entry, ...]] = {}
        self.judged: dict[str, list[tuple[Event, object]]] = defaultdict(list)
        self.counts: dict[str, Told] = defaultdict(lambda: Told(0, 0))

    def consent(self, record: ConsentRecord) -> None:
        """Apply a consent record."""
        entry = entry_of(record.id, instant_us(record.time), record.data)
        self.histories[record.subject] = with_entry(self.histories.get(record.subject, ()), entry)

    def event(self, event: Event) -> None:
        """Judge an event."""
        self.judged[event.subject].append((event, self._said(event)))

    def marker(self, cause: str, subjects: list[str], reaches_back_us: int) -> None:
        """Judge anew what a marker touches."""
        changed = False
        for subject in subjects:
            rows = self.judged[subject]
            for number, (event, before) in enumerate(rows):
                if instant_us(event.time) >= reaches_back_us and (said := self._said(event)) != before:
                    rows[number] = (event, said)
                    changed = True
        markers, needless = self.counts[cause]
        self.counts[cause] = Told(markers + 1, needless + (not changed))

    def wrong(self) -> int:
        """How many verdicts are not what is known now: a marker too few."""
        return sum(self._said(event) != said for rows in self.judged.values() for event, said in rows)

    def _said(self, event: Event) -> object:
        view = as_of(self.histories.get(event.subject, ()), instant_us(event.time))
        verdict = self.rulebook.decider.decide(TYPES[event.type], event, view)
        return [(each.category, each.judged, each.consent) for each in verdict.categories]


def arrivals(day: SampleDay, delay_us: Callable[[Item], int]) -> Iterator[list[Arrival]]:
    """The day's items in batches: what arrives within 50 ms, consents first."""
    ordered = sorted((Arrival(item.time_us + delay_us(item), item) for item in day.items), key=lambda each: each.at_us)
    batch: list[Arrival] = []
    for each in ordered:
        if batch and each.at_us - batch[0].at_us > _BATCH_US:
            yield sorted(batch, key=lambda held: not held.item.consent)
            batch = []
        batch.append(each)
    yield sorted(batch, key=lambda held: not held.item.consent)


def prompt(chance: random.Random) -> Callable[[Item], int]:
    """Everything arrives within 50 ms."""
    return lambda _: chance.randrange(50_000)


def slow(chance: random.Random) -> Callable[[Item], int]:
    """Consents take up to 2 s, and one in a hundred up to ten minutes."""

    def delay_us(item: Item) -> int:
        if not item.consent:
            return chance.randrange(50_000)
        return chance.randrange(600_000_000 if chance.random() < 0.01 else 2_000_000)

    return delay_us


def run(day: SampleDay, delay_us: Callable[[Item], int], changes: dict[int, RegistryDocument]) -> Ledger:
    """Feed a day, publish a version of the registry before some of its batches, and follow every marker up."""
    rulebook = Rulebook([default_pack()], [day.registry])
    checker, ledger = Checker(rulebook, PARTITIONS, lambda _: False), Ledger(rulebook)
    for partition in range(PARTITIONS):
        checker.assigned(partition, ())
    offset = 0
    for number, batch in enumerate(arrivals(day, delay_us)):
        if number in changes:
            rulebook.take_registry(_published(changes[number], number))
        for arrival in batch:
            offset += 1
            _feed(checker, ledger, arrival, offset)
    return ledger


def _feed(checker: Checker, ledger: Ledger, arrival: Arrival, offset: int) -> None:
    item = arrival.item
    record = _record(arrival, offset)
    outputs = [decode_tracked(each.value or b"") for each in checker.process([record]) if each.topic == Topic.DECISIONS]
    checker.committed()
    told = {each.type for each in outputs}
    if "consent" in told:
        ledger.consent(decode_consent(item.value))
    for each in outputs:
        if each.type == "marker":
            subjects = [each.subject] if each.subject else _of_partition(ledger, each.partition)
            ledger.marker(each.cause, subjects, instant_us(each.reaches_back_to))
    if "decision" in told:
        ledger.event(decode_event(item.value))


def _of_partition(ledger: Ledger, partition: int) -> list[str]:
    return [subject for subject in ledger.judged if partition_of(subject, PARTITIONS) == partition]


def _record(arrival: Arrival, offset: int) -> Record:
    item = arrival.item
    topic = Topic.CONSENTS if item.consent else Topic.EVENTS
    key = item.subject
    if item.consent:
        consent = decode_consent(item.value)
        key = consent_key(consent.subject, consent.data.record, consent.id)
    partition = partition_of(item.subject, PARTITIONS)
    return Record(str(topic), partition, offset, arrival.at_us // 1_000, key.encode(), item.value)


def _published(document: RegistryDocument, offset: int) -> Record:
    key = f"{document.name}:{document.version}"
    return Record(str(Topic.REGISTRY), 0, offset, 0, key.encode(), document.model_dump_json(exclude_none=True).encode())


def versions_of(day: SampleDay, batches: int, *, growing: bool) -> dict[int, RegistryDocument]:
    """Versions of the day's registry, spread over it: the same again, or with a party more each time."""
    found, parties = {}, dict(day.registry.parties or {})
    first_us, last_us = day.items[0].time_us, day.items[-1].time_us
    for number in range(1, _VERSIONS // 2 + 1):
        share = number / (_VERSIONS // 2 + 1)
        if growing:
            since = from_us(int(first_us + share * (last_us - first_us)))
            parties[f"new-party-{number}"] = PartyEntry.model_validate({"type": "partner", "since": since})
        version = {"version": f"{day.registry.version}.{number}", "parties": parties}
        found[int(share * batches)] = day.registry.model_copy(update=version)
    return found


def main() -> None:
    """Measure, and tell."""
    options = arguments(__doc__)
    events, rounds = (1_000, 1) if options.tiny else (50_000, options.rounds)
    figures: dict[str, list[float]] = defaultdict(list)
    for seed in range(1, rounds + 1):
        day = sample_day(SampleOptions(events=events, seed=seed))
        consents = sum(item.consent for item in day.items)
        for name, delays in (("prompt", prompt), ("slow", slow)):
            ledger = run(day, delays(random.Random(seed)), {})
            assert ledger.wrong() == 0
            told = ledger.counts["consent"]
            figures[f"{name} consents: markers per 1,000 consents"].append(1_000 * told.markers / consents)
            figures[f"{name} consents: needless markers per 1,000 consents"].append(1_000 * told.needless / consents)
        batches = sum(1 for _ in arrivals(day, prompt(random.Random(seed))))
        for name, growing in (("that say the same", False), ("with a party more", True)):
            ledger = run(day, prompt(random.Random(seed)), versions_of(day, batches, growing=growing))
            assert ledger.wrong() == 0
            told = ledger.counts["registry"]
            figures[f"10 versions {name}: markers in {PARTITIONS} partitions"].append(float(told.markers))
            figures[f"10 versions {name}: needless markers"].append(float(told.needless))
    goals = {
        "prompt consents: needless markers per 1,000 consents": "< 50",
        "slow consents: needless markers per 1,000 consents": "< 50",
        "10 versions that say the same: markers in 8 partitions": "0",
    }
    told_figures = [Figure(name, "markers", tuple(values), goals.get(name, "")) for name, values in figures.items()]
    tell("Markers of late knowledge", told_figures, options.json)


if __name__ == "__main__":
    main()
