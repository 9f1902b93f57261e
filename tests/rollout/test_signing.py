"""Packs are signed, and only what a known key signed is taken."""

from __future__ import annotations

import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from flowtrack.apps.keys import PolicySettings, make_pair, public_half
from flowtrack.apps.settings import read
from flowtrack.errors import ConfigurationError, PackError
from flowtrack.policy.signing import PublicKeys, digest_of, read_signing_key, signed
from flowtrack.policy.source import PackDocument

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
KEYS = PublicKeys([KEY.public_key()])
DOCUMENT = PackDocument(
    name="acme", version="1", effective_from=datetime(2026, 1, 1, tzinfo=UTC), files={"pack.yaml": "id: acme", "b": "B"}
)
changes = st.sampled_from(
    [
        {"name": "acme2"},
        {"version": "2"},
        {"effective_from": datetime(2025, 1, 1, tzinfo=UTC)},
        {"files": {"pack.yaml": "id: acme"}},
        {"files": {"pack.yaml": "id: acme", "b": "B", "c": ""}},
        {"files": {"pack.yaml": "id: acmeB", "b": ""}},
    ]
)


def test_a_signed_pack_passes_also_after_it_was_sent() -> None:
    """The signature survives the way over the topic, where files may come in another order."""
    sent = PackDocument.model_validate_json(signed(DOCUMENT, KEY).model_dump_json())
    turned = sent.model_copy(update={"files": dict(reversed(sent.files.items()))})
    KEYS.verify(sent)
    KEYS.verify(turned)
    assert digest_of(sent) == digest_of(turned) == digest_of(DOCUMENT)


@given(changes)
def test_whatever_is_changed_breaks_the_signature(change: dict[str, object]) -> None:
    """Name, version, instant and every file are signed."""
    with pytest.raises(PackError, match="bad_signature"):
        KEYS.verify(signed(DOCUMENT, KEY).model_copy(update=change))


@pytest.mark.parametrize(
    "signature", [None, "", "x", "ed25519:", "ed25519:0123456789abcdef:AAAA", "rsa:56475aa75463474c:AAAA"]
)
def test_what_nobody_known_signed_is_refused(signature: str | None) -> None:
    """Unsigned, of an unknown key, of another algorithm, or no signature at all: all are bad signatures."""
    with pytest.raises(PackError, match="bad_signature"):
        KEYS.verify(DOCUMENT.model_copy(update={"signature": signature}))


def test_a_strange_key_is_refused_also_under_a_known_id() -> None:
    """The id of the key only says which one to check with."""
    strange = (signed(DOCUMENT, OTHER).signature or "").split(":")
    claimed = ":".join([strange[0], KEYS.ids[0], strange[2]])
    for signature in (signed(DOCUMENT, OTHER).signature, claimed):
        with pytest.raises(PackError, match="bad_signature"):
            KEYS.verify(DOCUMENT.model_copy(update={"signature": signature}))


def test_one_key_can_follow_another() -> None:
    """While two keys are known, packs of both are taken."""
    both = PublicKeys([KEY.public_key(), OTHER.public_key()])
    both.verify(signed(DOCUMENT, KEY))
    both.verify(signed(DOCUMENT, OTHER))
    assert len(both.ids) == 2


def test_without_a_key_nothing_is_checked() -> None:
    """Signatures are asked for where keys are set."""
    PublicKeys().verify(DOCUMENT)
    assert not PublicKeys()


def test_a_pair_of_files_signs_and_checks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `keygen` writes is for its owner alone, is never overwritten, and is what the settings name."""
    private = tmp_path / "policy.pem"
    made = make_pair(private)
    monkeypatch.setenv("FLOWTRACK_POLICY__PUBLIC_KEYS", f"{public_half(private)}, ")
    keys = read(PolicySettings).keys()
    keys.verify(signed(DOCUMENT, read_signing_key(private)))
    assert keys.ids == (made,)
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    with pytest.raises(ConfigurationError, match="cannot write"):
        make_pair(private)


def test_a_file_that_holds_no_key_is_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong file is named, and so is the half that was mistaken for the other."""
    private = tmp_path / "policy.pem"
    make_pair(private)
    with pytest.raises(ConfigurationError, match="no private"):
        read_signing_key(public_half(private))
    for wrong in (private, tmp_path / "none"):
        monkeypatch.setenv("FLOWTRACK_POLICY__PUBLIC_KEYS", str(wrong))
        with pytest.raises(ConfigurationError):
            read(PolicySettings).keys()


def test_a_required_signature_needs_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """A deployment that must have keys does not start without."""
    monkeypatch.setenv("FLOWTRACK_POLICY__REQUIRE_SIGNATURE", "true")
    with pytest.raises(ConfigurationError, match="no key to check"):
        read(PolicySettings)
