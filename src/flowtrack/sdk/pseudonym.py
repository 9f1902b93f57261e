"""Pseudonyms: what the platform knows a person by.

A pseudonym is BLAKE2b (RFC 7693) of the person's identifier, 128 bits, keyed: without the key nobody can tell whose it
is, nor try identifiers one by one.  The key stays with the organisation's services and never reaches the platform.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Self

from flowtrack.errors import ConfigurationError, ContractError

_PSEUDONYM_BYTES = 16
_KEY_BYTES_MIN = 32  # nobody tries 256 bits
_KEY_BYTES_MAX = 64  # BLAKE2b takes no more
_MEND = "make one: `openssl rand -hex 32 > FILE`, the same for all services of the organisation"


def pseudonym(identifier: str | bytes, key: bytes) -> str:
    """Give the pseudonym of a person, 32 hex digits.

    Args:
        identifier: what the organisation's services know the person by; text counts as its UTF-8 bytes, unchanged, so
            that services have to agree on one spelling.
        key: the organisation's key, 32 to 64 bytes.

    Raises:
        ContractError: the identifier is empty.
        ConfigurationError: the key is too short or too long.
    """
    raw = identifier.encode() if isinstance(identifier, str) else identifier
    if not raw:
        raise ContractError(
            "bad_subject", "the identifier is empty", field="subject", help="leave nobody's event without a subject"
        )
    return hashlib.blake2b(raw, digest_size=_PSEUDONYM_BYTES, key=_checked(key, "key")).hexdigest()


class PseudonymKey:
    """An organisation's key; it shows itself to nobody, not even in a traceback.

    Args:
        key: 32 to 64 bytes.

    Raises:
        ConfigurationError: the key is too short or too long.
    """

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        self._key = _checked(key, "key")

    @classmethod
    def read(cls, path: Path | str) -> Self:
        """Read a key from a file of hex digits, as a mounted secret holds it.

        Raises:
            ConfigurationError: the file cannot be read, is not hex, or the key is too short or too long.
        """
        where = str(path)
        try:
            text = Path(path).read_text(encoding="ascii")
        except OSError as error:
            raise ConfigurationError(
                f"cannot read the key file: {error.strerror}",
                where=where,
                help="name a file that this process may read",
            ) from error
        except UnicodeDecodeError:
            raise ConfigurationError("the key file is not hex digits", where=where, help=_MEND) from None
        try:
            key = bytes.fromhex(text.strip())
        except ValueError:
            raise ConfigurationError("the key file is not hex digits", where=where, help=_MEND) from None
        return cls(_checked(key, where))

    def pseudonym(self, identifier: str | bytes) -> str:
        """Give the pseudonym of a person; see the function `pseudonym`."""
        return pseudonym(identifier, self._key)

    def __repr__(self) -> str:
        return "PseudonymKey(...)"

    def __reduce__(self) -> tuple[object, ...]:
        raise ConfigurationError(
            "a pseudonym key does not travel", help="let each process read it from its own file: `PseudonymKey.read`"
        )


def _checked(key: bytes, where: str) -> bytes:
    if not _KEY_BYTES_MIN <= len(key) <= _KEY_BYTES_MAX:
        raise ConfigurationError(
            f"the key has {len(key)} bytes, not {_KEY_BYTES_MIN} to {_KEY_BYTES_MAX}", where=where, help=_MEND
        )
    return key
