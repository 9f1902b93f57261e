"""The registry as of an instant, merged from documents; what contradicts itself is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from flowtrack.domain.instants import END_US, instant_us
from flowtrack.domain.registry import RegistryDocument, registry_of
from flowtrack.errors import RegistryError

START = datetime(2026, 3, 1, tzinfo=UTC)
SINCE, UNTIL = instant_us(START), instant_us(START + timedelta(days=1))


def document(version: str = "1", **sections: Any) -> RegistryDocument:
    """A registry document."""
    return RegistryDocument.model_validate({"name": "shop", "version": version, **sections})


def merchant(**validity: Any) -> dict[str, Any]:
    """A party, with the time it holds."""
    return {"type": "merchant", **validity}


def test_since_is_inclusive_and_until_exclusive() -> None:
    """An entry holds at its first instant and no longer at its last."""
    entry = merchant(since=START.isoformat(), until=(START + timedelta(days=1)).isoformat())
    parties = registry_of([document(parties={"store": entry})]).parties
    found = {instant: parties.at("store", instant) is not None for instant in (SINCE - 1, SINCE, UNTIL - 1, UNTIL)}
    assert found == {SINCE - 1: False, SINCE: True, UNTIL - 1: True, UNTIL: False}
    assert "store" in parties
    assert "stroe" not in parties


def test_an_entry_without_validity_always_holds() -> None:
    """What says no instants holds at any."""
    parties = registry_of([document(parties={"store": merchant()})]).parties
    assert all(parties.at("store", instant) is not None for instant in (-END_US, 0, END_US - 1))


def test_what_follows_another_begins_where_it_ends() -> None:
    """Entries of one id may follow each other without a gap, in any order, and each holds in its own time."""
    later = {"type": "affiliate", "since": "2026-03-02T00:00:00Z"}
    earlier = merchant(until="2026-03-02T00:00:00Z")
    parties = registry_of([document(parties={"store": [later, earlier]})]).parties
    before, after = parties.at("store", UNTIL - 1), parties.at("store", UNTIL)
    assert before is not None
    assert after is not None
    assert (before.entry.type, after.entry.type) == ("merchant", "affiliate")
    assert parties.next_start_us("store", UNTIL - 1) == UNTIL


@pytest.mark.parametrize("section", ["services", "parties", "orders", "staff_agreements", "sessions"])
def test_validities_that_overlap_are_refused_and_named(section: str) -> None:
    """Two entries of one id that hold at once are refused, with the id, the section and the document."""
    content: dict[str, Any] = {
        "services": {"controller": "platform"},
        "parties": {"type": "merchant"},
        "orders": {"authority": "police"},
    }.get(section, {})
    one = {**content, "until": "2026-03-02T00:00:00.000001Z"}
    other = {**content, "since": "2026-03-02T00:00:00Z"}
    sections: dict[str, Any] = {section: {"odd-one": [one, other], "fine": content}}
    with pytest.raises(RegistryError) as refusal:
        registry_of([document(**sections)])
    assert "`odd-one`" in refusal.value.what
    assert refusal.value.where == f"shop@1, {section}"
    assert "until" in refusal.value.help


@pytest.mark.parametrize("days", [0, -1])
def test_an_entry_that_ends_before_it_begins_is_refused(days: int) -> None:
    """An empty or inverted validity is a mistake, not an entry that never holds."""
    entry = merchant(since=START.isoformat(), until=(START + timedelta(days=days)).isoformat())
    with pytest.raises(RegistryError, match="`store` ends before it begins"):
        registry_of([document(parties={"store": entry})])


def test_a_later_document_replaces_id_by_id() -> None:
    """A document over another replaces the ids that it has, whole, and leaves the others."""
    one = document(parties={"a": merchant(), "b": [merchant(until="2026-01-01T00:00:00Z"), merchant(since=START)]})
    other = RegistryDocument.model_validate({"name": "more", "version": "7", "parties": {"b": {"type": "affiliate"}}})
    merged = registry_of([one, other])
    b = merged.parties.at("b", 0)
    assert merged.label == "shop@1+more@7"
    assert b is not None
    assert b.entry.type == "affiliate"
    assert merged.parties.at("a", 0) is not None


def test_a_section_that_nobody_keeps_is_none() -> None:
    """An absent section differs from an empty one: nobody keeps that list, so no id can be looked up in it."""
    assert registry_of([document()]).sessions is None
    kept = registry_of([document(), document(sessions={})]).sessions
    assert kept is not None
    assert kept.at("s", 0) is None


def test_a_time_without_zone_is_refused() -> None:
    """Nobody knows when such an entry begins."""
    with pytest.raises(ValidationError):
        document(parties={"store": merchant(since="2026-03-01T00:00:00")})


@given(st.lists(st.integers(0, 40), min_size=2, max_size=8, unique=True), st.integers(-1, 41))
def test_span_without_is_where_nothing_holds(edges: list[int], at: int) -> None:
    """Around an instant without an entry, the span has none anywhere inside and one at each finite end."""
    edges = sorted(edges[: len(edges) // 2 * 2])
    entries = [
        merchant(since=START + timedelta(microseconds=since), until=START + timedelta(microseconds=until))
        for since, until in zip(edges[::2], edges[1::2], strict=True)
    ]
    parties = registry_of([document(parties={"store": entries})]).parties
    if parties.at("store", SINCE + at) is not None:
        return
    since, until = parties.span_without_us("store", SINCE + at)
    assert since <= SINCE + at < until
    inside = [instant for instant in range(SINCE - 1, SINCE + 42) if since <= instant < until]
    assert not [instant for instant in inside if parties.at("store", instant)]
    assert until == END_US or parties.at("store", until)
    assert since == -END_US or parties.at("store", since - 1)
