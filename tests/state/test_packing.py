"""Packed histories say what the unpacked ones said."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flowtrack.domain.consent import UsagePolicy
from flowtrack.domain.history import Entry
from flowtrack.domain.instants import END_US
from flowtrack.domain.names import RecordKind, RecordState
from flowtrack.tracking.packing import EMPTY, INLINE, Packing, judged_minute, with_judged_minute
from flowtrack.wire.encode import encode

INSTANTS = st.integers(0, 2**45)
IDS = st.one_of(
    st.text(min_size=1, max_size=300),
    st.text("0123456789abcdef", min_size=1, max_size=260),
    st.text("0123456789ABCDEF", min_size=2, max_size=40),
)
SCOPES = st.one_of(
    st.none(),
    st.builds(UsagePolicy, purpose=st.sampled_from(["service", "recommendation"]), recipient=st.none() | IDS),
)
ENTRIES = st.builds(
    Entry,
    valid_from_us=INSTANTS,
    cautious=st.booleans(),
    event_id=IDS,
    record=IDS,
    kind=st.sampled_from(RecordKind),
    state=st.sampled_from(RecordState),
    scope=SCOPES,
    expires_us=INSTANTS | st.just(END_US),
    country=st.sampled_from(["", "KR", "CN"]),
)
HISTORIES = st.lists(ENTRIES, max_size=6).map(lambda entries: tuple(sorted(entries, key=lambda each: each[:4])))


def told(history: tuple[Entry, ...]) -> list[object]:
    """Entries with their scopes as JSON: a packing gives back one object for all that say the same."""
    return [entry._replace(scope=None if entry.scope is None else encode(entry.scope)) for entry in history]  # type: ignore[arg-type]  # to be compared only


@given(HISTORIES, st.integers(0, 2**31))
def test_a_history_comes_back_as_it_was(history: tuple[Entry, ...], minute: int) -> None:
    """Packing and unpacking gives the same entries, and keeps the minute beside them."""
    packing = Packing()
    packed = packing.pack(minute, history)
    assert told(packing.unpack(packed)) == told(history)
    assert judged_minute(packed) == minute
    assert told(packing.unpack(with_judged_minute(packed, minute + 1))) == told(history)


@given(HISTORIES)
def test_each_entry_has_the_record_of_its_place(history: tuple[Entry, ...]) -> None:
    """One record's name is found without unpacking the others, as it stands in the history."""
    packing = Packing()
    packed = packing.pack(0, history)
    assert [packing.record(packed, place) for place in range(len(history))] == [entry.record for entry in history]


@given(HISTORIES)
def test_tables_bring_everything_back(history: tuple[Entry, ...]) -> None:
    """A packing made from another's tables reads what the other packed: that is what a snapshot rests on."""
    packing = Packing()
    packed = packing.pack(0, history)
    again = Packing(packing.records.words, packing.countries.words, packing.scopes)
    read = again.unpack(packed)
    assert told(read) == told(history)
    assert again.pack(0, read) == packed


def test_scopes_that_say_the_same_are_one_object() -> None:
    """Matching remembers by object, so equal scopes of many subjects must be one."""
    packing = Packing()
    entry = Entry(
        valid_from_us=0,
        cautious=False,
        event_id="c",
        record="r",
        kind=RecordKind.CONSENT,
        state=RecordState.GIVEN,
        scope=UsagePolicy(purpose="service"),
        expires_us=END_US,
        country="",
    )
    other = entry._replace(scope=UsagePolicy(purpose="service"))
    first = packing.unpack(packing.pack(0, [entry]))[0].scope
    assert first is not None
    assert first is packing.unpack(packing.pack(0, [other]))[0].scope


@given(history=HISTORIES)
def test_full_tables_only_cost_bytes(history: tuple[Entry, ...]) -> None:
    """Where record names never recur the tables end to grow, and what is new stands with its entry."""
    packing = Packing(records=[str(number) for number in range(INLINE)], countries=["?"] * INLINE)
    packed = packing.pack(0, history)
    assert told(packing.unpack(packed)) == told(history)
    assert [packing.record(packed, place) for place in range(len(history))] == [entry.record for entry in history]
    assert len(packing.records.words) == INLINE


def test_an_empty_history_is_empty() -> None:
    """A subject of whom nothing is known has no entries, and no event judged."""
    assert Packing().unpack(EMPTY) == ()
    assert judged_minute(EMPTY) == 0
