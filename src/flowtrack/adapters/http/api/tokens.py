"""Static tokens: a file of their hashes, read anew when it changes, so that a token that is taken out ends at once.

A token is `ft_<id>_<secret>`.  The secret has 256 random bits, so that a plain SHA-256 of it can be kept: there is
nothing to guess that a slow hash would protect.
"""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Callable
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Final

from pydantic import AwareDatetime, Field, ValidationError

from flowtrack.audit.accounts import Account
from flowtrack.audit.roles import Role
from flowtrack.domain.model import Contract
from flowtrack.errors import ConfigurationError, RuntimeStateError

_PREFIX: Final = "ft"
_ID_BYTES = 6
_SECRET_BYTES = 32


class KeptToken(Contract):
    """What is kept of a token: never the token."""

    id: str = Field(pattern=r"^[0-9a-f]{12}$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """Of its secret."""
    who: str = Field(min_length=1, max_length=128)
    roles: tuple[Role, ...] = Field(min_length=1)
    made_at: AwareDatetime
    expires_at: AwareDatetime | None = None


class KeptTokens(Contract):
    """The file."""

    tokens: list[KeptToken] = []


class TokenBook:
    """Knows the static tokens of a file; without a file it knows none.

    Args:
        path: of the file.
        clock: for their expiry.
    """

    def __init__(self, path: Path, *, clock: Callable[[], datetime]) -> None:
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: tuple[int, int, int] | None = None
        self._tokens: dict[str, KeptToken] = {}

    def account(self, token: str) -> Account | None:
        """Give whose token it is; None where it is none of these, or has expired.

        Raises:
            ConfigurationError: the file cannot be read.
        """
        _, _, rest = token.partition("_")
        identity, _, secret = rest.partition("_")
        kept = self._known().get(identity)
        digest = sha256(secret.encode()).hexdigest()
        if not secrets.compare_digest(digest, kept.sha256 if kept is not None else "0" * 64) or kept is None:
            return None
        return self._unless_expired(kept)

    def account_of(self, identity: str) -> Account | None:
        """Give the account of a token by its id, as of now: None where it has been taken out or has expired."""
        kept = self._known().get(identity)
        return None if kept is None else self._unless_expired(kept)

    def _unless_expired(self, kept: KeptToken) -> Account | None:
        if kept.expires_at is not None and kept.expires_at <= self._clock():
            return None
        return Account(who=kept.who, roles=kept.roles, key=kept.id, until=kept.expires_at)

    def _known(self) -> dict[str, KeptToken]:
        with self._lock:
            try:
                stat = self._path.stat()
            except FileNotFoundError:
                self._seen, self._tokens = None, {}
                return self._tokens
            except OSError as error:
                raise _unreadable(self._path, str(error.strerror)) from error
            seen = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            if seen != self._seen:
                self._tokens = {token.id: token for token in read_tokens(self._path).tokens}
                self._seen = seen
            return self._tokens


def read_tokens(path: Path) -> KeptTokens:
    """Read a file of tokens; one that is not there has none.

    Raises:
        ConfigurationError: it cannot be read, or is not right.
    """
    try:
        return KeptTokens.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return KeptTokens()
    except OSError as error:
        raise _unreadable(path, str(error.strerror)) from error
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False)[0]
        raise _unreadable(path, f"{'.'.join(map(str, fault['loc']))} is not right") from None


def make_token(
    path: Path, *, who: str, roles: tuple[Role, ...], made_at: datetime, expires_at: datetime | None = None
) -> str:
    """Add a token to the file, for its owner alone, and give the token: it is shown this once.

    Raises:
        ConfigurationError: the file cannot be read.
        RuntimeStateError: it cannot be written.
    """
    identity, secret = secrets.token_hex(_ID_BYTES), secrets.token_urlsafe(_SECRET_BYTES)
    digest = sha256(secret.encode()).hexdigest()
    kept = KeptToken(id=identity, sha256=digest, who=who, roles=roles, made_at=made_at, expires_at=expires_at)
    _write(path, KeptTokens(tokens=[*read_tokens(path).tokens, kept]))
    return f"{_PREFIX}_{identity}_{secret}"


def revoke_token(path: Path, identity: str) -> bool:
    """Take a token out of the file; False where it is not in it.

    Raises:
        ConfigurationError: the file cannot be read.
        RuntimeStateError: it cannot be written.
    """
    tokens = read_tokens(path).tokens
    left = [token for token in tokens if token.id != identity]
    if len(left) == len(tokens):
        return False
    _write(path, KeptTokens(tokens=left))
    return True


def _write(path: Path, tokens: KeptTokens) -> None:
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(tokens.model_dump_json(indent=2) + "\n")
        draft.replace(path)
    except OSError as error:
        raise RuntimeStateError(
            f"cannot write the tokens `{path}`: {error.strerror}",
            help="make its folder writable for this account, or name another file in FLOWTRACK_API__TOKENS_FILE",
        ) from error


def _unreadable(path: Path, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"the tokens cannot be read: {why}",
        where=str(path),
        help="mend the file, or make it anew with `flowtrack api token`",
    )
