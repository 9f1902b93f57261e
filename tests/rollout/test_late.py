"""Markers of rules and registry that were learnt late: never one too few, and seldom one too many."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import event as noted
from hypothesis import given
from hypothesis import strategies as st

from flowtrack.domain.decision import Marker
from flowtrack.domain.instants import from_us, instant_us
from flowtrack.policy.decide import Decider
from flowtrack.policy.judge import Judge
from flowtrack.tracking.check import Checker
from flowtrack.tracking.late import EVERYTHING, Note
from flowtrack.tracking.records import Record, Topic
from flowtrack.tracking.rollout import CHANGES_MAX, Position
from flowtrack.tracking.rulebook import Rulebook
from flowtrack.wire.decode import decode_event
from tests.rollout.scene import (
    SHARE,
    SUBJECT,
    USE,
    Feed,
    day,
    event_message,
    pack_document,
    pack_of,
    policy_record,
    registry,
    registry_record,
    tracked,
)
from tests.rollout.test_reach import EVENTS, decided, document_of, documents

SHOP = {"shop": {"controller": "platform", "regions": ["KR"]}}


def partner_since(number: float) -> dict[str, Any]:
    """The club as a partner from a day on."""
    return {"club": {"type": "partner", "needs": {"service": ["provided"]}, "since": day(number).isoformat()}}


def rules() -> Rulebook:
    """The default pack and the shop."""
    return Rulebook([pack_of("1")], [registry(services=SHOP, name="shops")])


def feed_of(rulebook: Rulebook, note: str = "", *, resumed: bool = False) -> Feed:
    """A checker that has taken over partition 0 of one."""
    checker = Checker(rulebook, 1, lambda _: resumed, noted=lambda _: [note] if note else [])
    checker.assigned(0, ())
    return Feed(checker)


def position_of(feed: Feed) -> Position:
    """By which edition the partition is noted to be judged."""
    note = Note.read(feed.checker.note(0))
    assert note is not None
    return note.position


def use(at: float) -> bytes:
    """An event that names no party."""
    return event_message("use", "shop", day(at), USE)


def share(at: float) -> bytes:
    """An event that names the club."""
    return event_message("share", "shop", day(at), SHARE)


def markers(found: list[Any]) -> list[Marker]:
    """The markers among what was written."""
    return [each for each in found if each.type == "marker"]


def test_a_registry_change_in_the_past_is_marked_before_the_next_decision() -> None:
    """The marker stands between what was judged without the change and what is judged with it, and says since when."""
    rulebook = rules()
    feed = feed_of(rulebook)
    before = feed.batch([use(5)])
    shop = {**SHOP["shop"], "purposes": ["service"], "since": day(3).isoformat()}
    rulebook.take_registry(registry_record(registry("2", "shops", services={"shop": shop}), 0))
    after = feed.batch([use(6)], 1)
    assert not markers(before)
    assert after[0].type == "marker"
    [marker] = markers(after)
    assert (marker.cause, marker.subject, marker.partition) == ("registry", None, 0)
    assert marker.changed == "shops@2"
    assert instant_us(marker.reaches_back_to) <= instant_us(day(3))
    assert not markers(feed.batch([use(6)], 2))


def test_a_change_that_touches_nothing_judged_is_not_marked() -> None:
    """What begins after the latest event judged needs no marker, nor what nobody has judged anything before."""
    rulebook = rules()
    feed = feed_of(rulebook)
    rulebook.take_registry(registry_record(registry("1", parties=partner_since(0)), 0))
    first = feed.batch([use(5), share(6)])
    club = {"new-club": {"type": "partner", "since": day(7).isoformat()}}
    rulebook.take_registry(registry_record(registry("1", "more", parties=club), 1))
    rulebook.take_registry(registry_record(registry("2", parties=partner_since(0)), 2))
    assert not markers(first)
    assert not markers(feed.batch([use(8)], 2))


def test_a_party_registered_late_is_marked_where_somebody_named_one() -> None:
    """The club was unknown and is not yet registered at the time of the share: the gap has another name now."""
    rulebook = rules()
    feed = feed_of(rulebook)
    [unknown] = [each for each in feed.batch([share(6)]) if each.type == "decision"]
    rulebook.take_registry(registry_record(registry(parties=partner_since(7)), 0))
    [marker] = markers(feed.batch([use(6)], 1))
    assert unknown.categories[0].gaps == ["unknown_party"]
    assert marker.reaches_back_to == day(6)


def test_a_party_taken_away_and_registered_again_later_is_marked_twice() -> None:
    """The share named a known party when it was judged; it does not once the party is gone, and then not yet."""
    rulebook = rules()
    rulebook.take_registry(registry_record(registry("1", parties=partner_since(0)), 0))
    feed = feed_of(rulebook)
    feed.batch([share(6)])
    rulebook.take_registry(registry_record(registry("2", parties={}), 1))
    [gone] = markers(feed.batch([use(6)], 1))
    rulebook.take_registry(registry_record(registry("3", parties=partner_since(7)), 2))
    [foretold] = markers(feed.batch([use(6)], 2))
    assert gone.reaches_back_to <= day(6)
    assert foretold.reaches_back_to <= day(6)


def test_a_pack_reaches_back_to_its_instant() -> None:
    """A pack whose instant has passed when it comes is marked; one whose instant is still to come is not."""
    rulebook = rules()
    feed = feed_of(rulebook)
    feed.batch([use(5)])
    rulebook.take_policy(policy_record(pack_document("2", "2026-03-03T00:00:00Z"), 0))
    [marker] = markers(feed.batch([use(5)], 1))
    assert (marker.cause, marker.changed, marker.reaches_back_to) == ("policy", "default@2", day(2))
    rulebook.take_policy(policy_record(pack_document("3", "2026-03-20T00:00:00Z"), 1))
    assert not markers(feed.batch([use(6)], 2))


def test_every_partition_gets_its_own() -> None:
    """Each partition that has judged within the reach is marked, in the next batch whosever events are in it."""
    rulebook = rules()
    checker = Checker(rulebook, 4, lambda _: False)
    for partition in range(4):
        checker.assigned(partition, ())
    checker.process([Record(Topic.EVENTS, 0, 0, int(day(9).timestamp() * 1000), SUBJECT.encode(), use(5))])
    checker.committed()
    other = "00000001" + SUBJECT[8:]
    message = use(6).replace(SUBJECT.encode(), other.encode())
    checker.process([Record(Topic.EVENTS, 1, 0, int(day(9).timestamp() * 1000), other.encode(), message)])
    checker.committed()
    rulebook.take_policy(policy_record(pack_document("2", "2026-03-03T00:00:00Z"), 0))
    found = markers(tracked(checker.process([])))
    assert [marker.partition for marker in found] == [0, 1]


def test_a_batch_that_comes_again_brings_its_marker_again() -> None:
    """What an aborted transaction took back is written by the next one, once."""
    rulebook = rules()
    feed = feed_of(rulebook)
    feed.batch([use(5)])
    rulebook.take_policy(policy_record(pack_document("2", "2026-03-03T00:00:00Z"), 0))
    position = position_of(feed)
    assert len(markers(feed.batch([use(5)], 1, close=False))) == 1
    assert position_of(feed) != position
    feed.checker.aborted()
    assert position_of(feed) == position
    assert len(markers(feed.batch([use(5)], 1))) == 1
    assert not markers(feed.batch([use(5)], 2))


def test_who_takes_over_knows_what_was_applied() -> None:
    """With the last owner's note, a change that came in between is marked, and nothing else."""
    shops, second = registry("1", "shops", services=SHOP), pack_document("2", "2026-03-03T00:00:00Z")

    def worker(*, late: bool) -> Rulebook:
        rulebook = Rulebook([pack_of("1")])
        rulebook.take_registry(registry_record(shops, 0))
        if late:
            rulebook.take_policy(policy_record(second, 0))
        return rulebook

    first = feed_of(worker(late=False))
    first.batch([use(5)])
    note = first.checker.note(0)
    assert not markers(feed_of(worker(late=False), note, resumed=True).batch([use(5)]))
    [marker] = markers(feed_of(worker(late=True), note, resumed=True).batch([use(5)]))
    assert (marker.changed, marker.reaches_back_to) == ("default@2", day(2))


@pytest.mark.parametrize("note", ["", "not one", Note(Position(9, 9, "0" * 16), 0, 0).text()])
def test_who_knows_nothing_assumes_the_worst(note: str) -> None:
    """A partition judged by nobody knows which rules is marked as a whole, once."""
    feed = feed_of(rules(), note, resumed=True)
    [marker] = markers(feed.batch([use(5)]))
    assert marker.changed == EVERYTHING
    assert marker.reaches_back_to == from_us(0)
    assert not markers(feed.batch([use(5)], 1))


def test_changes_too_many_to_remember_are_the_worst() -> None:
    """A partition that slept through more changes than are kept is marked as a whole."""
    rulebook = rules()
    feed = feed_of(rulebook)
    feed.batch([use(5)])
    for number in range(CHANGES_MAX + 1):
        rulebook.take_registry(registry_record(None, number, "nothing:1"))
    assert [marker.changed for marker in markers(feed.batch([use(5)], 1))] == [EVERYTHING]


@given(
    st.lists(
        st.tuples(documents, st.lists(st.sampled_from(range(len(EVENTS) * 10)), max_size=6)), min_size=1, max_size=6
    )
)
def test_never_one_too_few(story: list[tuple[dict[str, Any], list[int]]]) -> None:
    """Whatever changes come between whatever events: who judges anew what markers touch knows all final verdicts."""
    rulebook = Rulebook([pack_of("1")])
    feed = feed_of(rulebook)
    judged: list[tuple[Any, object]] = []
    needless = count = offset = 0
    for version, (sections, numbers) in enumerate(story):
        document = document_of(sections, str(version))
        if document is not None:
            rulebook.take_registry(registry_record(document, version))
        chosen = [(*EVENTS[number % len(EVENTS)], day(number // len(EVENTS))) for number in numbers]
        messages = [event_message(kind, "shop", at, data, offset + n) for n, (kind, data, at) in enumerate(chosen)]
        decider = _decider(rulebook)
        for marker in markers(feed.batch(messages, offset)):
            touched = {n for n, (event, _) in enumerate(judged) if event.time >= marker.reaches_back_to}
            anew = [
                (event, decided(decider, event) if n in touched else said) for n, (event, said) in enumerate(judged)
            ]
            needless += anew == judged
            count += 1
            judged = anew
        judged += [(event, decided(decider, event)) for event in map(decode_event, messages)]
        offset += len(messages)
    final = _decider(rulebook)
    assert [said for _, said in judged] == [decided(final, event) for event, _ in judged]
    noted(f"markers: {min(count, 3)}, needless: {min(needless, 3)}")


_JUDGE = Judge(pack_of("1"))


def _decider(rulebook: Rulebook) -> Decider:
    """The rulebook's registry with a judge of our own, whose memo is warm."""
    return Decider([_JUDGE], rulebook.edition.in_force)
