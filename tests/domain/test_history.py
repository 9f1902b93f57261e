"""A subject's consent history, and its state as of an instant."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtrack.domain.consent import ConsentData
from flowtrack.domain.history import (
    NOTHING,
    ConsentView,
    Entry,
    as_of,
    entry_of,
    with_entry,
    without_entry,
)
from flowtrack.domain.instants import END_US, from_us
from flowtrack.domain.names import RecordKind, RecordState

INSTANTS_MAX = 12


def entry(at: int, kind: str, state: str, *, id_: str = "", **data: Any) -> Entry:
    """An entry that takes effect `at` microseconds after the epoch; its id and record say what it is."""
    known = {"record": kind, **data}
    if isinstance(known.get("expires"), int):
        known["expires"] = from_us(known["expires"])
    return entry_of(
        id_ or f"{at}-{kind}-{state}", at, ConsentData.model_validate({"kind": kind, "state": state, **known})
    )


def folded(*entries: Entry) -> tuple[Entry, ...]:
    """The history after the entries arrived in this order."""
    history: tuple[Entry, ...] = ()
    for each in entries:
        history = with_entry(history, each)
    return history


@st.composite
def entries(draw: st.DrawFn) -> list[Entry]:
    """Entries of all kinds and states, at few instants, so that they collide."""
    count = draw(st.integers(0, 7))
    return [
        entry(
            draw(st.integers(1, INSTANTS_MAX)),
            draw(st.sampled_from(RecordKind)).value,
            draw(st.sampled_from(RecordState)).value,
            id_=f"e{number}",
            record=draw(st.sampled_from(["r", "s"])),
            expires=draw(st.one_of(st.none(), st.integers(1, INSTANTS_MAX))),
            scope=draw(st.sampled_from([None, {"purpose": "service"}, {"purpose": "recommendation"}])),
            country=draw(st.sampled_from([None, "KR", "NO"])),
        )
        for number in range(count)
    ]


@given(entries(), st.randoms(use_true_random=False))
def test_order_of_arrival_does_not_matter(arrived: list[Entry], random: Any) -> None:
    """Any order of arrival gives the same history, so the same state at every instant."""
    shuffled = list(arrived)
    random.shuffle(shuffled)
    assert folded(*shuffled) == folded(*arrived)


@given(entries(), st.integers(0, INSTANTS_MAX + 1))
def test_what_takes_effect_later_says_nothing_of_now(arrived: list[Entry], instant: int) -> None:
    """The state at an instant is that of the entries up to it: a marker need not reach further back than its record."""
    past = [each for each in arrived if each.valid_from_us <= instant]
    assert as_of(folded(*arrived), instant) == as_of(folded(*past), instant)


@given(entries(), st.sampled_from(["e0", "e1", "e2"]))
def test_a_tombstone_takes_one_entry_out(arrived: list[Entry], id_: str) -> None:
    """Without an entry the history is as if it had never come; one that is not there changes nothing."""
    history = folded(*arrived)
    for record in ("r", "s"):
        kept = [each for each in arrived if (each.event_id, each.record) != (id_, record)]
        assert without_entry(history, record, id_) == folded(*kept)


def test_the_same_record_and_event_replaces() -> None:
    """An entry that comes again under its ids takes the place of the first, as compaction keeps only the last."""
    first, second = entry(5, "terms", "accepted", id_="x"), entry(9, "terms", "accepted", id_="x")
    assert folded(first, second) == (second,)
    assert as_of(folded(first, second), 7) == as_of((), 7)


def test_no_entry_is_no_consent() -> None:
    """A subject without any record has no state at all, hence no deemed consent."""
    assert as_of((), 5) == NOTHING
    assert NOTHING.deemed == ""


def _granted(view: ConsentView) -> tuple[bool, bool, bool, bool]:
    return bool(view.deemed), view.account == "open", any(own.in_force for own in view.own), not view.opt_outs


@pytest.mark.parametrize(
    ("kind", "grant", "end"),
    [
        ("terms", "accepted", "rejected"),
        ("terms", "accepted", "withdrawn"),
        ("usage", "using", "left"),
        ("account", "open", "closed"),
        ("consent", "given", "withdrawn"),
        ("consent", "renewed", "refused"),
        ("consent", "given", "invalidated"),
        ("opt_out", "withdrawn", "given"),
    ],
)
def test_a_grant_holds_after_its_instant_and_an_end_at_it(kind: str, grant: str, end: str) -> None:
    """What is granted holds strictly after its instant, what is taken back no longer at its own."""
    opted_out = [entry(1, kind, "given")] if kind == "opt_out" else []
    history = folded(entry(10, kind, grant), entry(20, kind, end), *opted_out)
    none = _granted(as_of(folded(*opted_out), 9))
    held = {instant: _granted(as_of(history, instant)) != none for instant in (9, 10, 11, 19, 20, 21)}
    assert held == {9: False, 10: False, 11: True, 19: True, 20: False, 21: False}


@pytest.mark.parametrize(("kind", "grant"), [("terms", "accepted"), ("usage", "using"), ("consent", "given")])
def test_an_expiry_is_exclusive(kind: str, grant: str) -> None:
    """A permission holds up to the instant before its expiry."""
    history = folded(entry(10, kind, grant, expires=20))
    assert [any(_granted(as_of(history, instant))[:3]) for instant in (19, 20)] == [True, False]


def test_an_opt_out_does_not_expire() -> None:
    """Only withdrawing an opt-out lifts it (clause 3.2c), not a date that its producer gave it."""
    assert as_of(folded(entry(10, "opt_out", "given", expires=20)), 30).opt_outs


@pytest.mark.parametrize("kind", ["terms", "account", "consent", "opt_out"])
def test_at_one_instant_the_cautious_state_is_the_later(kind: str) -> None:
    """Grant and end at the same instant leave nothing granted, in either order of arrival."""
    pair = {"terms": ("accepted", "rejected"), "account": ("open", "closed"), "consent": ("given", "withdrawn")}
    one, other = (entry(10, kind, state) for state in pair.get(kind, ("given", "withdrawn")))
    for order in permutations([one, other]):
        view = as_of(folded(*order), 11)
        if kind == "opt_out":
            assert view.opt_outs
        else:
            assert not any(_granted(view)[:3])


@pytest.mark.parametrize(("leave", "back"), [("account closed", "account open"), ("terms rejected", "terms accepted")])
def test_coming_back_does_not_revive_own_consents(leave: str, back: str) -> None:
    """Whoever left and came back has deemed consent again, own consents only where given anew (clause 0.1)."""
    left, returned = leave.split(), back.split()
    history = folded(
        entry(1, "terms", "accepted", id_="t"),
        entry(2, "consent", "given", record="before"),
        entry(10, left[0], left[1], id_="left"),
        entry(20, returned[0], returned[1], id_="back"),
        entry(30, "consent", "given", record="anew"),
    )
    during, after = as_of(history, 15), as_of(history, 31)
    assert not during.deemed
    assert after.deemed
    assert {own.record: own.in_force for own in after.own} == {"before": False, "anew": True}
    assert as_of(history, 9).own[0].in_force


def test_an_opt_out_and_a_consent_of_one_record_id_both_hold() -> None:
    """A later consent under an opt-out's record id does not lift the opt-out (clause 3.2c)."""
    history = folded(entry(10, "opt_out", "given", record="mail"), entry(20, "consent", "given", record="mail"))
    view = as_of(history, 30)
    assert view.opt_outs == (("mail", None),)
    assert view.own[0].in_force


@pytest.mark.parametrize("state", ["accepted", "open", "using", "requested", "unknown"])
def test_only_a_consent_that_was_given_permits(state: str) -> None:
    """States of terms, accounts and usage, or an open question, are no consent of the subject's own."""
    assert not as_of(folded(entry(10, "consent", state)), 20).own[0].in_force


def test_a_question_changes_no_terms_and_no_account() -> None:
    """Asking again leaves accepted terms and an open account as they are."""
    history = folded(
        entry(1, "terms", "accepted"),
        entry(2, "account", "open"),
        entry(10, "terms", "requested"),
        entry(11, "account", "unknown"),
    )
    view = as_of(history, 20)
    assert (view.terms, view.account, bool(view.deemed)) == ("accepted", "open", True)


def test_a_later_state_keeps_the_scope_that_it_does_not_mention() -> None:
    """Withdrawing or renewing without a scope is about what the record was about."""
    scope = {"purpose": "service"}
    history = folded(entry(1, "consent", "given", scope=scope), entry(5, "consent", "withdrawn"))
    renewed = with_entry(history, entry(9, "consent", "renewed"))
    for view in (as_of(history, 6), as_of(renewed, 10)):
        assert view.own[0].scope is not None
        assert view.own[0].scope.purpose == "service"


def test_the_country_is_the_last_that_the_account_named() -> None:
    """An account record that names no country keeps the one before."""
    history = folded(
        entry(1, "account", "open", country="KR"),
        entry(5, "account", "open"),
        entry(9, "account", "open", country="NO"),
    )
    assert [as_of(history, instant).country for instant in (1, 2, 6, 10)] == ["", "KR", "KR", "NO"]


def test_a_view_without_consents_says_so() -> None:
    """Views compare by what they hold, so that a memo may go by them."""
    assert replace(NOTHING) == ConsentView()
    assert entry(1, "terms", "accepted").expires_us == END_US
