"""Pseudonyms: fixed by test vectors, and a key that shows itself to nobody."""

from __future__ import annotations

import hashlib
import pickle
import re
import traceback
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtrack.domain.model import SUBJECT_PATTERN
from flowtrack.errors import ConfigurationError, ContractError
from flowtrack.sdk import PseudonymKey, pseudonym

KEY = bytes(range(32))


@pytest.mark.parametrize(
    ("identifier", "key", "expected"),
    [
        ("user-42", KEY, "9ea4048a00eb6f5dd196882e24b5659f"),
        ("홍길동", KEY, "d787e55153354a3c918f34e96438040c"),
        (b"\x00\xff", KEY, "29f65ac9962f4b6c594d7575c745f7cc"),
        ("user-42", bytes(range(64)), "c20678e37e3391a891f2047624cceb11"),
    ],
)
def test_vectors(identifier: str | bytes, key: bytes, expected: str) -> None:
    """Pseudonyms never change: histories would split."""
    assert pseudonym(identifier, key) == expected


def test_it_is_keyed_blake2b() -> None:
    """Any language's BLAKE2b gives the same 128 bits."""
    assert pseudonym("user-42", KEY) == hashlib.blake2b(b"user-42", digest_size=16, key=KEY).hexdigest()


@given(identifier=st.text(min_size=1) | st.binary(min_size=1))
def test_it_is_a_subject(identifier: str | bytes) -> None:
    """Whatever the identifier, the pseudonym is 32 hex digits; lone surrogates are no text at all."""
    try:
        made = pseudonym(identifier, KEY)
    except UnicodeEncodeError:
        assert isinstance(identifier, str)
        assert re.search("[\ud800-\udfff]", identifier)
        return
    assert re.fullmatch(SUBJECT_PATTERN, made)


@given(one=st.binary(min_size=1), other=st.binary(min_size=1))
def test_different_people_have_different_pseudonyms(one: bytes, other: bytes) -> None:
    """No two identifiers share a pseudonym, and another key gives another."""
    assert (pseudonym(one, KEY) == pseudonym(other, KEY)) == (one == other)
    assert pseudonym(one, KEY) != pseudonym(one, bytes(32))


def test_nobody_has_no_pseudonym() -> None:
    """An empty identifier is refused: all nobodies would be one person."""
    with pytest.raises(ContractError, match="the identifier is empty"):
        pseudonym("", KEY)


@pytest.mark.parametrize("length", [0, 16, 31, 65])
def test_keys_of_a_wrong_length_are_refused(length: int) -> None:
    """A key has 32 to 64 bytes; the error tells the length only."""
    with pytest.raises(ConfigurationError, match=f"the key has {length} bytes") as refusal:
        PseudonymKey(b"k" * length)
    assert "kkkk" not in str(refusal.value)


def test_a_key_file_holds_hex(tmp_path: Path) -> None:
    """A file of hex digits with a line's end, as `openssl rand -hex 32` writes it."""
    (tmp_path / "key").write_text(KEY.hex() + "\n")
    assert PseudonymKey.read(tmp_path / "key").pseudonym("user-42") == pseudonym("user-42", KEY)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"secret-not-hex\n", "not hex digits"),
        (b"\xff\xfe", "not hex digits"),
        (b"abcd\n", "the key has 2 bytes"),
        (b"", "the key has 0 bytes"),
    ],
)
def test_a_bad_key_file_is_refused(content: bytes, said: str, tmp_path: Path) -> None:
    """What is wrong with the file is said with its name, and never what stands in it."""
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(ConfigurationError, match=said) as refusal:
        PseudonymKey.read(tmp_path / "key")
    assert str(tmp_path / "key") in str(refusal.value)
    assert "secret" not in "".join(traceback.format_exception(refusal.value))


def test_a_missing_key_file_is_named(tmp_path: Path) -> None:
    """A file that is not there is named, with what to do."""
    with pytest.raises(ConfigurationError, match="cannot read the key file"):
        PseudonymKey.read(tmp_path / "nowhere")


def test_a_key_shows_itself_to_nobody() -> None:
    """Neither repr nor pickle gives the key away."""
    key = PseudonymKey(b"secret" * 6)
    assert "secret" not in repr(key)
    with pytest.raises(ConfigurationError, match="does not travel"):
        pickle.dumps(key)
