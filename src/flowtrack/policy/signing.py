"""Signatures of packs: who may put rules in force is who holds a key, not who can write to a topic.

A signature is Ed25519 (RFC 8032) over the digest of everything that a pack's document says: name, version, instant
and files.  Whoever judges has the public keys; a pack that none of them vouches for is refused before it is read any
further.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from flowtrack.domain.instants import instant_us
from flowtrack.errors import ConfigurationError, PackError
from flowtrack.policy.source import PackDocument

CODE = "bad_signature"
"""The code that a refusal begins with (NAMES)."""

_ALGORITHM = "ed25519"
_MEANT_FOR = b"flowtrack.pack.v1\n"
"""Signed along, so that a signature made for something else is never one of a pack."""


def digest_of(document: PackDocument) -> bytes:
    """SHA-256 of a pack's document in its one canonical form; the signature itself is no part of it.

    The form is JSON in ASCII, members sorted, without blanks, the instant in whole microseconds since 1970.
    """
    said = {
        "name": document.name,
        "version": document.version,
        "effective_from_us": instant_us(document.effective_from),
        "files": document.files,
    }
    return sha256(json.dumps(said, sort_keys=True, separators=(",", ":")).encode()).digest()


def key_id(key: Ed25519PublicKey) -> str:
    """What a signature calls its key: 16 hex digits of the SHA-256 of its 32 raw bytes."""
    return sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()[:16]


def signed(document: PackDocument, key: Ed25519PrivateKey) -> PackDocument:
    """The document with its signature: `ed25519:<id of the key>:<base64>`."""
    signature = base64.b64encode(key.sign(_MEANT_FOR + digest_of(document))).decode()
    return document.model_copy(update={"signature": f"{_ALGORITHM}:{key_id(key.public_key())}:{signature}"})


class PublicKeys:
    """The keys whose packs are taken; several, so that one can follow another.

    Without any key nothing is checked, and `verify` takes everything.
    """

    def __init__(self, keys: Iterable[Ed25519PublicKey] = ()) -> None:
        self._keys = {key_id(key): key for key in keys}

    @classmethod
    def of_files(cls, paths: Iterable[Path]) -> PublicKeys:
        """Read keys from PEM files.

        Raises:
            ConfigurationError: a file cannot be read, or holds no public Ed25519 key.
        """
        return cls(_public_key(path) for path in paths)

    def __bool__(self) -> bool:
        return bool(self._keys)

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the keys."""
        return tuple(self._keys)

    def verify(self, document: PackDocument) -> None:
        """Pass a document that one of the keys vouches for.

        Raises:
            PackError: it is not signed, or by nobody who is known, or says something else than what was signed.
        """
        if not self._keys:
            return
        label = f"{document.name}@{document.version}"
        if document.signature is None:
            raise _refused(f"the pack `{label}` is not signed")
        algorithm, _, rest = document.signature.partition(":")
        signer, _, text = rest.partition(":")
        key = self._keys.get(signer) if algorithm == _ALGORITHM else None
        if key is None:
            raise _refused(f"the pack `{label}` is signed by no key that is known here")
        try:
            key.verify(base64.b64decode(text, validate=True), _MEANT_FOR + digest_of(document))
        except (InvalidSignature, binascii.Error, ValueError) as error:
            raise _refused(f"the pack `{label}` is not what the key `{signer}` signed") from error


def read_signing_key(path: Path) -> Ed25519PrivateKey:
    """Read a private key from a PEM file, as `flowtrack policy keygen` writes it.

    Raises:
        ConfigurationError: the file cannot be read, or holds no private Ed25519 key.
    """
    try:
        key = load_pem_private_key(_bytes(path), password=None)
    except (ValueError, TypeError) as error:  # the library's words for what it cannot read may quote it
        raise _no_key(path, "private") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise _no_key(path, "private")
    return key


def _public_key(path: Path) -> Ed25519PublicKey:
    try:
        key = load_pem_public_key(_bytes(path))
    except ValueError as error:
        raise _no_key(path, "public") from error
    if not isinstance(key, Ed25519PublicKey):
        raise _no_key(path, "public")
    return key


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"cannot read the key `{path}`: {error.strerror}", help="name a file that this process may read"
        ) from error


def _no_key(path: Path, kind: str) -> ConfigurationError:
    return ConfigurationError(
        f"`{path}` holds no {kind} Ed25519 key in PEM", help="make a pair with `flowtrack policy keygen FILE`"
    )


def _refused(what: str) -> PackError:
    return PackError(
        f"{CODE}: {what}",
        where="policies topic",
        help="publish it with `flowtrack policy publish --signing-key FILE`, by a key whose public half is in "
        "FLOWTRACK_POLICY__PUBLIC_KEYS",
    )
