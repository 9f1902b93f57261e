"""The memo's law: whatever a decider has met before, it answers as one that has met nothing."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import datetime
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtrack.domain.event import TYPES, Event, missing_field
from flowtrack.domain.history import NOTHING, ConsentView, Own, as_of, entry_of, with_entry
from flowtrack.domain.instants import instant_us
from flowtrack.domain.names import Kind, RecordState
from flowtrack.policy import decide, own_consent
from flowtrack.policy.decide import Decider, EventVerdict
from flowtrack.policy.judge import Judge
from flowtrack.policy.pack import default_pack
from tests.policy import world

JUDGE = Judge(default_pack())
REGISTRY = world.registry()
EVENTS = 40


def _fresh() -> Decider:
    return Decider([JUDGE], [REGISTRY])


def _day(random: Random) -> list[tuple[Event, ConsentView]]:
    """Events of the world with their subjects' states."""
    histories: dict[str, tuple[Any, ...]] = {}
    for number in range(12):
        record = world.consent(random, number)
        entry = entry_of(record["id"], instant_us(datetime.fromisoformat(record["time"])), world.consent_data(record))
        histories[record["subject"]] = with_entry(histories.get(record["subject"], ()), entry)
    shapes = [world.event(random) for _ in range(6)]
    day = []
    for _ in range(EVENTS):
        # the same shapes again and again, by other subjects and at other instants
        message = {**random.choice(shapes), "subject": random.choice(world.SUBJECTS)}
        message["time"] = world.iso(random.randrange(world.INSTANTS))
        event = Event.model_validate(message)
        if missing_field(TYPES[event.type], event.data) is None:
            day.append((event, as_of(histories.get(event.subject, ()), instant_us(event.time))))
    return day


def _decide(decider: Decider, event: Event, view: ConsentView) -> EventVerdict:
    return decider.decide(TYPES[event.type], event, view)


@given(st.randoms(use_true_random=False))
def test_a_warm_decider_answers_as_a_fresh_one(random: Random) -> None:
    """Verdicts, rules, gaps, situations and consent records are the same, across every border of the registry."""
    warm = _fresh()
    for event, view in _day(random):
        assert _decide(warm, event, view) == _decide(_fresh(), event, view)


def _alike(random: Random, kind: Kind, message: dict[str, Any]) -> dict[str, Any]:
    """The event with one field of its data as another event of its kind has it, or without it."""
    other = world.event(random, kind=kind)
    name = random.choice(sorted({*message["data"], *other["data"]}))
    data = {**message["data"], name: other["data"].get(name)}
    return {**message, "data": {name: value for name, value in data.items() if value is not None}}


def _nearly(random: Random, view: ConsentView, other: ConsentView) -> ConsentView:
    """The view with one of its parts as another view has it."""
    name = random.choice([field.name for field in fields(ConsentView)])
    return replace(view, **{name: getattr(other, name)})


@pytest.mark.parametrize("kind", world.KINDS)
def test_events_that_differ_in_one_thing_are_told_apart(kind: Kind) -> None:
    """Where one event was decided, one that differs from it in a single field, or subject's state, is decided anew."""
    random = Random(kind)
    views = [view for seed in range(4) for _, view in _day(Random(seed))]
    views += [
        ConsentView(account="open", terms="accepted", deemed="r", country=country) for country in ("", "KR", "NO")
    ]
    message, view, warm = world.event(random, kind=kind), views[0], _fresh()
    for number in range(600):
        event = Event.model_validate(message)
        if missing_field(kind, event.data) is None:
            assert _decide(warm, event, view) == _decide(_fresh(), event, view)
        # away from one event by single steps, and back to something else before all has changed
        if number % 30 == 0:
            message, view = {**world.event(random, kind=kind), "source": "/services/shop"}, random.choice(views)
        elif number % 2:
            message = _alike(random, kind, message)
        else:
            view = _nearly(random, view, random.choice(views))


@pytest.mark.parametrize("limit", ["SHAPES_MAX", "ANSWERS_MAX"])
def test_a_full_memo_answers_the_same(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A memo that is emptied all the time changes nothing."""
    monkeypatch.setattr(decide, limit, 2)
    monkeypatch.setattr(own_consent, "_MEMO_MAX", 2)
    monkeypatch.setattr(own_consent, "_SCOPES_MAX", 1)
    small, fresh = _fresh(), _fresh()
    for event, view in [pair for seed in range(8) for pair in _day(Random(seed))]:
        assert _decide(small, event, view) == _decide(fresh, event, view)


def test_every_border_of_the_registry_is_met() -> None:
    """One shape of event, asked at each instant forwards and backwards: each time as by a fresh decider."""
    for seed in range(60):
        message = world.event(Random(seed), subject=world.SUBJECTS[0])
        warm = _fresh()
        for number in [*range(world.INSTANTS), *reversed(range(world.INSTANTS))]:
            event = Event.model_validate({**message, "time": world.iso(number)})
            fresh = _fresh()
            assert _decide(warm, event, NOTHING) == _decide(fresh, event, NOTHING)


def test_each_subject_has_its_own_records() -> None:
    """The record that carried a permission, or a denial, is the subject's, not that of who was judged before."""
    message = world.event(Random(1))
    message |= {"type": "flowtrack.use.v1", "source": "/services/shop"}
    message["data"] = {"categories": ["provided.name"], "purpose": "service.provide", "basis": "consent"}
    event = Event.model_validate(message)
    decider = _fresh()
    for record in ("mine", "yours"):
        for state, in_force in ((RecordState.GIVEN, True), (RecordState.WITHDRAWN, False)):
            view = ConsentView(own=(Own(record, state, expired=False, in_force=in_force, scope=None),))
            for _ in range(2):
                assert _decide(decider, event, view).categories[0].consent == record


def test_an_opt_out_of_a_purpose_called_none_is_told_apart() -> None:
    """An event without a purpose is remembered with everything that resolving looked at."""
    message = world.event(Random(1))
    message |= {"type": "flowtrack.erase.v1", "data": {"categories": ["provided.name"]}}
    event = Event.model_validate(message)
    scope = world.consent_data(
        {"data": {"record": "r", "kind": "opt_out", "state": "given", "scope": {"purpose": "none"}}}
    ).scope
    views = (ConsentView(opt_outs=(("r", scope),)), NOTHING)
    warm = _fresh()
    for view in (NOTHING, *views, *reversed(views)):
        assert _decide(warm, event, view) == _decide(_fresh(), event, view)
