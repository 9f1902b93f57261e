"""How far a change of the registry reaches back: never less than it should, and seldom more."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache
from typing import Any

from hypothesis import event as noted
from hypothesis import given
from hypothesis import strategies as st

from flowtrack.domain.event import TYPES, Event
from flowtrack.domain.history import ConsentView
from flowtrack.domain.instants import END_US, instant_us
from flowtrack.domain.registry import RegistryDocument
from flowtrack.errors import RegistryError
from flowtrack.policy.decide import Decider, EventVerdict
from flowtrack.policy.judge import Judge
from flowtrack.tracking.reach import Reach, reach_of
from flowtrack.wire.decode import decode_event
from tests.rollout.scene import day, event_message, pack_of, registry

DAYS = st.integers(0, 8)
VIEW = ConsentView(account="open", terms="accepted", deemed="terms-1", country="KR")


@cache
def judge_of(version: str, since: str = "2020-01-01T00:00:00Z") -> Judge:
    """One judge a pack: its memo is warm."""
    return Judge(pack_of(version, since))


@st.composite
def spans(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Up to two validities that follow one another, with or without a start and an end."""
    edges = sorted(draw(st.sets(DAYS, min_size=2, max_size=4)))
    found = [
        {"since": day(since).isoformat(), "until": day(until).isoformat()}
        for since, until in zip(edges[::2], edges[1::2], strict=False)
    ]
    if draw(st.booleans()):
        del found[0]["since"]
    if draw(st.booleans()):
        del found[-1]["until"]
    return found


@st.composite
def entries(draw: st.DrawFn, fields: st.SearchStrategy[dict[str, Any]]) -> Any:
    """Validities, each with something to say."""
    return [{**span, **draw(fields)} for span in draw(spans())]


@st.composite
def agreements(draw: st.DrawFn) -> dict[str, Any]:
    """A processing agreement that begins and ends at whatever day, or at none."""
    found: dict[str, Any] = {"instructions": ["service"], "confidentiality": draw(st.booleans()), "security": True}
    for name in ("from", "until"):
        if draw(st.booleans()):
            found[name] = day(draw(DAYS)).isoformat()
    return found


services = st.fixed_dictionaries(
    {"controller": st.sampled_from(["platform", "affiliate", "third_party"]), "regions": st.just(["KR"])},
    optional={"grants": st.just({"support": ["provided"]}), "purposes": st.just(["service"])},
)
parties = st.fixed_dictionaries(
    {"type": st.sampled_from(["partner", "processor", "affiliate"])},
    optional={
        "needs": st.sampled_from([{"service": ["provided"]}, {"service": ["automatic"]}]),
        "agreement": agreements(),
    },
)
orders = st.fixed_dictionaries({"authority": st.just("court"), "categories": st.sampled_from([["provided"], []])})
documents = st.fixed_dictionaries(
    {},
    optional={
        "services": st.dictionaries(st.sampled_from(["shop", "forum"]), entries(services)),
        "parties": st.dictionaries(st.sampled_from(["club", "court"]), entries(parties)),
        "orders": st.dictionaries(st.just("order-1"), entries(orders)),
        "staff_agreements": st.dictionaries(st.just("nda-1"), entries(st.just({}))),
        "sessions": st.dictionaries(st.just("session-1"), entries(st.just({}))),
    },
)
_ACTOR = {"type": "staff", "id": "s-1", "role": "support", "agreement": "nda-1", "session": "session-1", "task": "t"}
_SAFE = {"encrypted": True, "protocol": "TLS 1.3"}
EVENTS: list[tuple[str, dict[str, Any]]] = [
    ("use", {"categories": ["provided.name"], "purpose": "personalisation", "combined_with": ["forum"]}),
    ("use", {"categories": ["provided.name"], "purpose": "service.improve", "actor": _ACTOR}),
    *(
        ("share", {"categories": ["provided.name", "automatic.ip"], "purpose": "service.improve", "recipient": "club",
                   "destination": "KR", "basis": basis, "channel": _SAFE})
        for basis in ("processor", "affiliate", "consent")
    ),
    ("share", {"categories": ["provided.name"], "purpose": "legal.obligation", "recipient": "court",
               "destination": "KR", "basis": "legal_demand", "reference": "order-1", "channel": _SAFE}),
    ("store", {"categories": ["provided.name"], "purpose": "service.provide", "dataset": "d", "custodian": "club",
               "location": "KR", "channel": _SAFE}),
]  # fmt: skip


def event_of(kind: str, data: dict[str, Any], at: datetime) -> Event:
    """An event of the shop."""
    return decode_event(event_message(kind, "shop", at, data))


GRID = [
    event_of(kind, data, day(number) + shift)
    for kind, data in EVENTS
    for number in range(-1, 10)
    for shift in (timedelta(0), timedelta(microseconds=-1))
]


def said(verdict: EventVerdict) -> object:
    """A verdict without the versions that it cites."""
    return verdict.verdict, [(each.category, each.judged, each.consent) for each in verdict.categories]


def decided(decider: Decider, event: Event) -> object:
    """What a decider says of an event."""
    return said(decider.decide(TYPES[event.type], event, VIEW))


def is_unnamed(decider: Decider, event: Event) -> bool:
    """Whether the event names a party that is not in force."""
    verdict = decider.decide(TYPES[event.type], event, VIEW)
    situation = verdict.categories[0].situation
    gaps = () if situation is None else situation.circumstances.gaps
    return bool({"unknown_party", "party_not_yet_registered"} & set(gaps))


def document_of(sections: dict[str, Any], version: str) -> RegistryDocument | None:
    """A document, or none where its agreements contradict themselves."""
    try:
        return registry(version, **sections)
    except RegistryError:
        return None


@given(documents, documents)
def test_no_verdict_changes_before_the_reach(before: dict[str, Any], after: dict[str, Any]) -> None:
    """Of whatever two registries: an event whose verdict, reasons or gaps differ happened within the reach."""
    old, new = (Decider([judge_of("1")], [registry(name, **said)]) for name, said in (("1", before), ("2", after)))
    reach = reach_of(old, new)
    changed = [event for event in GRID if decided(old, event) != decided(new, event)]
    for event in changed:
        at_us = instant_us(event.time)
        unnamed = is_unnamed(old, event) and is_unnamed(new, event)
        assert reach.anyhow_us <= at_us or (unnamed and reach.unnamed_us <= at_us)
        if is_unnamed(new, event) and not is_unnamed(old, event):
            assert reach.unnaming_us <= at_us
    noted(f"reaches back: {reach.anyhow_us < END_US}, changes something: {bool(changed)}")


@given(documents)
def test_what_says_the_same_reaches_nowhere(sections: dict[str, Any]) -> None:
    """A new version that says what the one before said changes nothing."""
    old, new = (Decider([judge_of("1")], [registry(version, **sections)]) for version in "12")
    assert reach_of(old, new) == Reach()


def deciders(before: dict[str, Any], after: dict[str, Any]) -> Reach:
    """The reach between two registries that differ in one party."""
    old, new = (Decider([judge_of("1")], [registry(v, parties={"club": p})]) for v, p in (("1", before), ("2", after)))
    return reach_of(old, new)


def test_an_agreement_prolonged_reaches_back_to_its_old_end() -> None:
    """What was judged before the old end was judged right."""
    agreement = {"instructions": ["service"], "confidentiality": True, "security": True, "from": day(0).isoformat()}
    before = {"type": "processor", "agreement": {**agreement, "until": day(3).isoformat()}}
    after = {"type": "processor", "agreement": {**agreement, "until": day(30).isoformat()}}
    assert deciders(before, after) == Reach(anyhow_us=instant_us(day(3)))


def test_an_entry_ended_later_reaches_back_to_its_old_end() -> None:
    """The reach is where the two begin to differ, not where the entry begins."""
    before = {"type": "partner", "since": day(0).isoformat(), "until": day(5).isoformat()}
    reach = deciders(before, {**before, "until": day(7).isoformat()})
    assert reach.anyhow_us == instant_us(day(5))
    assert reach.unnaming_us == END_US


def test_a_party_registered_from_now_on_reaches_back_only_to_who_named_it() -> None:
    """Before its start it was unknown and is not yet registered: that concerns events that named such a party."""
    old = Decider([judge_of("1")], [])
    new = Decider([judge_of("1")], [registry(parties={"club": {"type": "partner", "since": day(5).isoformat()}})])
    reach = reach_of(old, new)
    assert reach.anyhow_us == instant_us(day(5))
    assert reach.unnamed_us < instant_us(day(-1_000))


def test_a_published_entry_gone_brings_back_the_packs_own() -> None:
    """What the pack itself registers holds where nothing is published over it, also before that began."""
    judge = judge_of("1")
    service = next(iter(judge.pack.registry.services or {}), None)
    over = {"shop" if service is None else service: {"controller": "third_party", "since": day(5).isoformat()}}
    reach = reach_of(Decider([judge], [registry(services=over)]), Decider([judge], []))
    assert reach.anyhow_us <= instant_us(day(5))
    assert (reach.anyhow_us < instant_us(day(5))) == (service is not None)


def test_a_pack_reaches_back_to_its_instant() -> None:
    """A new version decides from its own instant on, whatever the registry says."""
    first, second = judge_of("1"), judge_of("2", "2026-03-04T00:00:00Z")
    assert reach_of(Decider([first]), Decider([first, second])).anyhow_us == instant_us(day(3))
    assert reach_of(Decider([first, second]), Decider([first])).anyhow_us == instant_us(day(3))


def test_under_a_pack_that_is_replaced_the_registry_matters_only_in_its_time() -> None:
    """An entry that ended before the pack began is no difference."""
    late = judge_of("2", "2026-03-04T00:00:00Z")
    over = {"old-shop": {"controller": "affiliate", "until": day(2).isoformat()}}
    assert reach_of(Decider([late]), Decider([late], [registry(services=over)])) == Reach()
