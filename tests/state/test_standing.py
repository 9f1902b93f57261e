"""What holds for a packed history is what the law says of it, at every instant."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtrack.domain.consent import ConsentData, UsagePolicy
from flowtrack.domain.history import ConsentView, Entry, as_of, entry_of, with_entry
from flowtrack.domain.instants import from_us
from flowtrack.domain.names import RecordKind, RecordState
from flowtrack.tracking import packing as packing_module
from flowtrack.tracking import standing as standing_module
from flowtrack.tracking.packing import HEAD, INLINE, Packing
from flowtrack.tracking.standing import NOBODY, Forms, Standing, Standings
from flowtrack.wire.encode import encode

INSTANTS_MAX = 9
INSTANTS = range(INSTANTS_MAX + 3)


@st.composite
def histories(draw: st.DrawFn) -> tuple[Entry, ...]:
    """Histories of all kinds and states, at few instants and under few record ids, so that they collide."""
    history: tuple[Entry, ...] = ()
    for number in range(draw(st.integers(0, 9))):
        expires = draw(st.one_of(st.none(), st.integers(1, INSTANTS_MAX)))
        data = ConsentData(
            record=draw(st.sampled_from(["r", "s", "t"])),
            kind=draw(st.sampled_from(RecordKind)),
            state=draw(st.sampled_from(RecordState)),
            scope=draw(st.sampled_from([None, UsagePolicy(purpose="service"), UsagePolicy(data="contact")])),
            expires=None if expires is None else from_us(expires),
            country=draw(st.sampled_from([None, "KR", "NO"])),
        )
        history = with_entry(history, entry_of(f"e{number}", draw(st.integers(1, INSTANTS_MAX)), data))
    return history


def standing_of(forms: Forms, packed: bytes, at_us: int) -> Standing:
    """What holds by a packed history."""
    _, count, expiring = HEAD.unpack_from(packed)
    return forms.standing(packed, count, expiring, at_us)


def named(view: ConsentView, packing: Packing, packed: bytes) -> Any:
    """The view with the names of records in the stead of their places, and scopes as JSON."""

    def name(place: str) -> str:
        return packing.record(packed, int(place)) if place else ""

    return told(
        replace(
            view,
            deemed=name(view.deemed),
            own=tuple(replace(own, record=name(own.record)) for own in view.own),
            opt_outs=tuple((name(record), scope) for record, scope in view.opt_outs),
        )
    )


def told(view: ConsentView) -> Any:
    """A view that can be compared with another whose scopes are of another class."""
    own = [(each.record, each.state, each.expired, each.in_force, _json(each.scope)) for each in view.own]
    opt_outs = [(record, _json(scope)) for record, scope in view.opt_outs]
    return view.account, view.terms, view.deemed, view.country, own, opt_outs


def _json(scope: UsagePolicy | None) -> bytes:
    return b"" if scope is None else encode(scope)


SHARED = Packing()
FORMS = Forms(SHARED, Standings())


@given(histories())
def test_a_standing_is_what_the_law_says(history: tuple[Entry, ...]) -> None:
    """By pattern and by the plain definition a subject has the same state, before, at, between and after all instants.

    Patterns are remembered across all histories that this test makes.
    """
    packed = SHARED.pack(3, history)
    for at_us in (*INSTANTS, *reversed(INSTANTS)):
        standing = standing_of(FORMS, packed, at_us)
        assert named(standing.view, SHARED, packed) == told(as_of(history, at_us)), f"at {at_us}"


@given(histories())
def test_what_a_pattern_cannot_say_is_looked_up(history: tuple[Entry, ...]) -> None:
    """With full tables of words, and with records far into a history, the state is the same."""
    full = Packing(records=["?"] * INLINE, countries=["?"] * INLINE)
    forms = Forms(full, Standings())
    packed = full.pack(0, history)
    for at_us in INSTANTS:
        assert named(standing_of(forms, packed, at_us).view, full, packed) == told(as_of(history, at_us))


def test_a_very_long_history(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there are more entries than places can be told apart, or structs are at hand, the state is the same."""
    monkeypatch.setattr(packing_module, "FAR", 40)
    history: tuple[Entry, ...] = ()
    for number in range(90):
        state = RecordState.WITHDRAWN if number % 3 else RecordState.GIVEN
        data = ConsentData(record=f"r{number // 2}", kind=RecordKind.CONSENT, state=state, expires=from_us(number + 9))
        history = with_entry(history, entry_of(f"e{number}", number, data))
    for length in (30, 90):
        packing = Packing()
        packed, forms = packing.pack(0, history[:length]), Forms(packing, Standings())
        for at_us in range(0, 100, 7):
            assert named(standing_of(forms, packed, at_us).view, packing, packed) == told(
                as_of(history[:length], at_us)
            )


@given(st.lists(histories(), max_size=6))
def test_full_memos_answer_the_same(drawn: list[tuple[Entry, ...]]) -> None:
    """Tables that are emptied all the time change nothing."""
    packing, forms = Packing(), Forms(Packing(), Standings())
    forms = Forms(packing, Standings())
    with pytest.MonkeyPatch.context() as patch:
        for limit in ("STANDINGS_MAX", "FORMS_MAX", "PARTS_MAX"):
            patch.setattr(standing_module, limit, 1)
        for history in drawn:
            packed = packing.pack(0, history)
            for at_us in INSTANTS:
                assert named(standing_of(forms, packed, at_us).view, packing, packed) == told(as_of(history, at_us))


def test_equal_standings_of_all_partitions_are_one() -> None:
    """Subjects of two partitions whose consents say the same have one standing, whatever their records are called."""
    standings = Standings()
    found = set()
    for record, table in (("mine", ()), ("yours", ("", "other", "words"))):
        packing = Packing(table or ("",))
        data = ConsentData(
            record=record, kind=RecordKind.CONSENT, state=RecordState.GIVEN, scope=UsagePolicy(purpose="service")
        )
        packed = packing.pack(0, [entry_of("e", 1, data)])
        found.add(standing_of(Forms(packing, standings), packed, 5))
    assert len(found) == 1


def test_nobody_has_no_records() -> None:
    """A subject without entries has one standing, that of nobody."""
    packing = Packing()
    assert standing_of(Forms(packing, Standings()), packing.pack(7, ()), 5) is NOBODY
