"""Order of arrival, repetition and interruption change no decision, and what comes late is announced."""

from __future__ import annotations

import json
from datetime import datetime
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowtrack.domain.consent import ConsentData
from flowtrack.domain.event import TYPES, Event, missing_field
from flowtrack.domain.history import Entry, as_of, entry_of, with_entry, without_entry
from flowtrack.domain.instants import instant_us
from flowtrack.policy.decide import Decider, EventVerdict
from flowtrack.policy.judge import Judge
from flowtrack.policy.pack import default_pack
from flowtrack.tracking.check import Checker
from flowtrack.tracking.records import Record, Topic
from tests.policy import world
from tests.tracking.checking import (
    Told,
    check,
    checker,
    consent_record,
    event_record,
    judgement,
    records,
    rulebook,
    told,
    tombstone,
)

SUBJECT = world.SUBJECTS[0]
RULES = rulebook()
JUDGE = Judge(default_pack())
seeds = st.integers(0, 2**32)


def _events(random: Random, count: int, *, subject: str | None = None) -> list[dict[str, Any]]:
    """Events that have what their kind needs, numbered by one producer."""
    found: list[dict[str, Any]] = []
    while len(found) < count:
        message = world.event(random, len(found), subject=subject)
        event = Event.model_validate(message)
        if missing_field(TYPES[event.type], event.data) is None:
            found.append({**message, "sequence": f"1.{len(found)}"})
    return found


def _consents(random: Random, count: int, *, subject: str | None = None) -> list[dict[str, Any]]:
    return [world.consent(random, number, subject=subject) for number in range(count)]


def _by_event(decisions: list[Any]) -> dict[str, Any]:
    return {each["event_id"]: judgement(each) for each in decisions}


@given(seeds)
def test_any_order_of_arrival_gives_the_decisions_of_the_sorted_input(seed: int) -> None:
    """Once all consents have arrived before judging, neither their order nor that of the events changes a decision."""
    random = Random(seed)
    consents, events = _consents(random, 8), _events(random, 8)
    by_time = [sorted(each, key=lambda message: str(message["time"])) for each in (consents, events)]
    sorted_input = check(records([*by_time[0], *by_time[1]]), rules=RULES)
    random.shuffle(consents)
    random.shuffle(events)
    shuffled = check(records([*consents, *events]), rules=RULES)
    assert _by_event(shuffled.decisions) == _by_event(sorted_input.decisions)
    assert not shuffled.dead


@given(seeds)
def test_batches_may_be_cut_anywhere(seed: int) -> None:
    """The same records in one batch or in many give the same bytes."""
    random = Random(seed)
    messages = [*_consents(random, 8), *_events(random, 8)]
    random.shuffle(messages)
    batch = records(messages)
    whole = checker(rules=RULES).process(batch)
    made, pieces = checker(rules=RULES), []
    while batch:
        size = random.randint(1, 5)
        pieces += made.process(batch[:size])
        made.committed()
        batch = batch[size:]
    assert pieces == whole


@settings(max_examples=8)  # each makes rules that have met nothing
@given(seeds)
def test_a_replay_gives_the_same_bytes(seed: int) -> None:
    """Nothing in an answer comes from the clock, from chance or from what a worker did before."""
    random = Random(seed)
    messages = [*_consents(random, 6), *_events(random, 6)]
    random.shuffle(messages)
    assert checker(rules=rulebook()).process(records(messages)) == checker(rules=RULES).process(records(messages))


@given(seeds)
def test_an_aborted_batch_leaves_the_state_as_it_was(seed: int) -> None:
    """After an abort the same records, or others, are answered as if the batch had never been."""
    random = Random(seed)
    consents, events = _consents(random, 9), _events(random, 9)
    before = records([*consents[:3], *events[:3]])
    batch = _offset(records([*consents[3:], *events[3:]]), 3)
    batch.insert(4, tombstone(90, consents[1]))
    random.shuffle(batch)
    aborting, straight = checker(rules=RULES), checker(rules=RULES)
    for made in (aborting, straight):
        made.process(before)
        made.committed()
    for _ in range(2):
        aborting.process(batch[: random.randint(1, len(batch))])
        aborting.aborted()
    assert aborting.verdict_counts == straight.verdict_counts
    assert aborting.process(batch) == straight.process(batch)


def _offset(batch: list[Record], offset: int) -> list[Record]:
    return [record._replace(offset=record.offset + offset) for record in batch]


@given(seeds)
def test_a_new_owner_goes_on_where_the_last_one_stood(seed: int) -> None:
    """Folding the consents that were applied before gives the decisions that their applier would have given."""
    random = Random(seed)
    consents, events = _consents(random, 8), _events(random, 5)
    history = [*records(consents), tombstone(8, consents[2])]
    stays, follows = checker(rules=RULES), checker(rules=RULES, history=history, resumed=True)
    stays.process(history)
    stays.committed()
    batch = records(events)
    assert _by_event(told(follows.process(batch)).decisions) == _by_event(told(stays.process(batch)).decisions)


def test_partitions_know_nothing_of_each_other() -> None:
    """A partition that is given up and taken over again starts from its history, and its neighbours keep theirs."""
    subjects = ["00000000" + "0" * 24, "00000001" + "0" * 24]
    terms = [_plain_consent(subject) for subject in subjects]
    uses = [_plain_use(subject) for subject in subjects]
    made = checker(partitions=2, rules=RULES)
    made.process([consent_record(0, each, partition=number) for number, each in enumerate(terms)])
    made.committed()
    made.revoked(0)
    made.assigned(0, [])
    found = told(made.process([event_record(0, each, partition=number) for number, each in enumerate(uses)]))
    assert [each["verdict"] for each in found.decisions] == ["deny", "permit"]


def _plain_consent(subject: str, **change: Any) -> dict[str, Any]:
    message = world.consent(Random(1), 0, subject=subject, at=1)
    return {**message, "data": {"record": "terms", "kind": "terms", "state": "accepted"}, **change}


def _plain_use(subject: str, at: int = 5) -> dict[str, Any]:
    message = world.event(Random(1), 0, subject=subject, at=at)
    data = {"categories": ["provided.name"], "purpose": "service.provide"}
    return {**message, "type": "flowtrack.use.v1", "source": "/services/shop", "data": data}


def test_an_event_just_after_a_consent_rests_on_it() -> None:
    """At the instant of a consent it does not hold yet, a microsecond later it does, whichever was asked first."""
    terms = _plain_consent(SUBJECT, time="2026-03-01T00:01:00Z")
    times = ["2026-03-01T00:01:00Z", "2026-03-01T00:01:00.000001Z", "2026-03-01T00:01:00Z", "2026-03-01T00:02:00Z"]
    uses = [{**_plain_use(SUBJECT), "id": f"e{number}", "time": time} for number, time in enumerate(times)]
    found = check(records([terms, *uses]), rules=RULES)
    assert [each["verdict"] for each in found.decisions] == ["deny", "permit", "deny", "permit"]


# -- late knowledge ------------------------------------------------------------------------------------------------


class Ledger:
    """What was judged, and the consents as they are known: the brute force that markers are held against."""

    def __init__(self) -> None:
        self.history: tuple[Entry, ...] = ()
        self.judged: list[Event] = []
        self._decider = Decider([JUDGE], [world.registry()])

    def verdicts(self, history: tuple[Entry, ...]) -> list[EventVerdict]:
        """What each judged event would get with this history."""
        return [
            self._decider.decide(TYPES[event.type], event, as_of(history, instant_us(event.time)))
            for event in self.judged
        ]

    def after(self, message: dict[str, Any], *, erased: bool) -> tuple[Entry, ...]:
        """The history after a consent record, or its tombstone."""
        entry = entry_of(message["id"], instant_us(_time(message)), ConsentData.model_validate(message["data"]))
        return without_entry(self.history, entry.record, entry.event_id) if erased else with_entry(self.history, entry)


def _time(message: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(message["time"])


def _told_history(marker: dict[str, Any]) -> tuple[Entry, ...]:
    history: tuple[Entry, ...] = ()
    for each in marker["history"]:
        at = instant_us(datetime.fromisoformat(each["valid_from"]))
        history = with_entry(history, entry_of(each["event_id"], at, ConsentData.model_validate(each["data"])))
    return history


@given(seeds, st.booleans())
def test_no_marker_is_ever_missing(seed: int, taken_over: bool) -> None:  # noqa: FBT001 - drawn by hypothesis
    """Whenever a record changes what judged events would get, a marker says so, from early enough, with all it takes.

    Every verdict is computed anew with the consents before and after each record, tombstones and records that come
    again with another time included; somewhere within, another worker may take over.
    """
    random = Random(seed)
    ledger, made = Ledger(), checker(rules=RULES)
    events, consents = _events(random, 8, subject=SUBJECT), _consents(random, 5, subject=SUBJECT)
    applied: list[Record] = []
    for offset in range(24):
        if random.random() < 0.4 and events:
            message = events.pop()
            ledger.judged.append(Event.model_validate(message))
            made.process([event_record(offset, message)])
        else:
            _consent_comes(random, made, ledger, consents, applied)
        if random.random() < 0.5:
            made.committed()
        if taken_over and random.random() < 0.1:
            made.committed()
            made = checker(rules=RULES, resumed=True, history=applied)


def _consent_comes(
    random: Random, made: Checker, ledger: Ledger, consents: list[dict[str, Any]], applied: list[Record]
) -> None:
    """One more record, or its tombstone, or the same with another time; the markers are held against the ledger."""
    message = random.choice(consents)
    if random.random() < 0.3:
        message["time"] = world.iso(random.randrange(world.INSTANTS))
    erased = random.random() < 0.2
    record = (tombstone if erased else consent_record)(len(applied), message)
    applied.append(record)
    before, after = ledger.history, ledger.after(message, erased=erased)
    markers = _of_consents(told(made.process([record])))
    changed = [
        event
        for event, old, new in zip(ledger.judged, ledger.verdicts(before), ledger.verdicts(after), strict=True)
        if old != new
    ]
    for event in changed:
        reaching = [each for each in markers if datetime.fromisoformat(each["reaches_back_to"]) <= event.time]
        assert reaching, f"{message['data']} at {message['time']} changed an event of {event.time}, unannounced"
    for marker in markers:
        assert marker["subject"] == SUBJECT
        assert ledger.verdicts(_told_history(marker)) == ledger.verdicts(after)
    ledger.history = after


def _of_consents(found: Told) -> list[Any]:
    return [each for each in found.markers if each["cause"] == "consent"]


def test_a_consent_for_the_future_of_all_that_was_judged_is_no_late_knowledge() -> None:
    """Where everything judged happened before the record takes effect, there is nothing to announce."""
    use, terms = _plain_use(SUBJECT, at=1), _plain_consent(SUBJECT, time=world.iso(9))
    assert not _of_consents(check(records([use, terms]), rules=RULES))
    assert _of_consents(check(records([_plain_use(SUBJECT, at=10), terms]), rules=RULES))


@pytest.mark.parametrize("resumed", [False, True])
def test_who_took_over_announces_what_another_may_have_judged(resumed: bool) -> None:  # noqa: FBT001 - a parameter
    """After a takeover nobody knows what was judged, so the worst is assumed."""
    found = check(records([_plain_consent(SUBJECT)]), rules=RULES, resumed=resumed)
    assert bool(_of_consents(found)) == resumed


def test_a_consent_is_copied_before_it_is_announced() -> None:
    """On decisions/p the record stands before its marker, and what was judged without it before both."""
    outputs = checker(rules=RULES).process(records([_plain_use(SUBJECT), _plain_consent(SUBJECT), _plain_use(SUBJECT)]))
    order = [_type(output.value) for output in outputs if output.topic == Topic.DECISIONS]
    assert [each for each in order if each != "situation"] == ["decision", "consent", "marker", "decision"]


def _type(value: bytes | None) -> str:
    return str(json.loads(value or b"{}")["type"])
