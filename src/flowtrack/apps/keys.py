"""The keys that packs are signed with: where they lie, and how a pair is made."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from pydantic import field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from flowtrack.errors import ConfigurationError
from flowtrack.policy.signing import PublicKeys, key_id

PUBLIC_KEYS = "FLOWTRACK_POLICY__PUBLIC_KEYS"


class PolicySettings(BaseSettings):
    """Whose packs are taken: `FLOWTRACK_POLICY__…`."""

    model_config = SettingsConfigDict(env_prefix="FLOWTRACK_POLICY__", extra="ignore", frozen=True)

    public_keys: Annotated[tuple[Path, ...], NoDecode] = ()
    """Files with public Ed25519 keys in PEM, separated by commas. With any, a pack that none of them signed is
    refused."""
    require_signature: bool = False
    """Refuse to start without a public key, so that a forgotten setting does not let everybody's packs in."""

    @field_validator("public_keys", mode="before")
    @classmethod
    def _separated(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.require_signature and not self.public_keys:
            raise ConfigurationError(
                "signatures are required, and there is no key to check them with",
                where=PUBLIC_KEYS,
                help=f"name the files of public keys in {PUBLIC_KEYS}; `flowtrack policy keygen FILE` makes a pair",
            )
        return self

    def keys(self) -> PublicKeys:
        """Read the public keys.

        Raises:
            ConfigurationError: a file cannot be read, or holds no such key.
        """
        return PublicKeys.of_files(self.public_keys)


def public_half(path: Path) -> Path:
    """Where the public key of a private one lies."""
    return path.with_name(path.name + ".pub")


def make_pair(path: Path) -> str:
    """Write a new private key, for its owner alone, and its public half beside it as `<path>.pub`; gives its id.

    Raises:
        ConfigurationError: one of the files is there already, or cannot be written.
    """
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    _write_new(path, private, 0o600)
    _write_new(public_half(path), public, 0o644)
    return key_id(key.public_key())


def own_key(folder: Path) -> Path:
    """The key of an embedded Flowtrack, in its data directory: made once, since the ledger keeps what it signed.

    Raises:
        ConfigurationError: it cannot be written.
    """
    path = folder / "policy.pem"
    if not path.exists() or not public_half(path).exists():
        path.unlink(missing_ok=True)  # half a pair: whoever made it was killed on the way
        public_half(path).unlink(missing_ok=True)
        make_pair(path)
    return path


def _write_new(path: Path, text: bytes, mode: int) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except OSError as error:
        raise ConfigurationError(
            f"cannot write the key `{path}`: {error.strerror}",
            help="name a new file in a folder that exists: a key is never overwritten",
        ) from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(text)
