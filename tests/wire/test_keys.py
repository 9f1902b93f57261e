"""Keys of consent records."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtrack.errors import ContractError
from flowtrack.wire.keys import consent_key, parse_consent_key

SUBJECT = "3f9d2c41a7b85e06d1f4937c20ab6e58"
IDS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=256)


@given(record=IDS, event_id=IDS)
def test_key_has_one_reading(record: str, event_id: str) -> None:
    """Whatever the ids hold, colons and escapes included, the key gives them back."""
    assert parse_consent_key(consent_key(SUBJECT, record, event_id).encode()) == (SUBJECT, record, event_id)


@given(st.tuples(IDS, IDS), st.tuples(IDS, IDS))
def test_keys_differ_where_ids_differ(one: tuple[str, str], other: tuple[str, str]) -> None:
    """Two states of records never share a key, so that compaction keeps both."""
    assert (consent_key(SUBJECT, *one) == consent_key(SUBJECT, *other)) == (one == other)


def test_plain_key_reads_as_it_stands() -> None:
    """An ordinary key is the three ids and two colons."""
    assert consent_key(SUBJECT, "marketing", "e-1") == f"{SUBJECT}:marketing:e-1"


@pytest.mark.parametrize(
    ("key", "code"),
    [
        (b"", "bad_field"),
        (b"a:b", "bad_field"),
        (f"{SUBJECT}:a:b:c".encode(), "bad_field"),
        (f"{SUBJECT}::b".encode(), "bad_field"),
        (f"{SUBJECT}:a:".encode(), "bad_field"),
        (f"{SUBJECT}:a%3a:b".encode(), "bad_field"),
        (f"{SUBJECT}:a%:b".encode(), "bad_field"),
        (f"{SUBJECT}:a\xff:b".encode("latin-1"), "bad_field"),
        (f"{SUBJECT}:{'a' * 257}:b".encode(), "bad_field"),
        (f"{SUBJECT.upper()}:a:b".encode(), "bad_subject"),
        (f"{SUBJECT}\n:a:b".encode(), "bad_subject"),
    ],
)
def test_other_keys_are_refused(key: bytes, code: str) -> None:
    """A key that is not written by us is refused with a code, and not quoted."""
    with pytest.raises(ContractError) as refusal:
        parse_consent_key(key)
    assert refusal.value.code == code
    assert SUBJECT not in str(refusal.value)
