"""The secret that whoever may change the ledger shows to its service.

The service listens on the loopback interface, and anybody on the machine may ask it.  Changing the ledger takes more: a
token in a file that only the account can read which runs the service.  A page in a browser has no way to that file, and
a request with this header from another origin is not let through by the browser without the service agreeing to it.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from flowtrack.errors import RuntimeStateError


def token_file(store: Path) -> Path:
    """Where the token of the service over an embedded store lies: beside the store's folder."""
    return store.with_name(f"{store.name}.token")


def make_token(path: Path) -> str:
    """Write a new token, for its owner alone, and give it.

    Raises:
        RuntimeStateError: it cannot be written.
    """
    token = secrets.token_urlsafe(32)
    try:
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(token)
    except OSError as error:
        raise RuntimeStateError(
            f"cannot write the token `{path}`: {error.strerror}", help="make its folder writable for this account"
        ) from error
    return token


def read_token(path: Path) -> str:
    """Read the token.

    Raises:
        RuntimeStateError: there is none, or it belongs to somebody else.
    """
    try:
        return path.read_text(encoding="ascii")
    except OSError as error:
        raise RuntimeStateError(
            f"cannot read the token `{path}`: {error.strerror}",
            help="run this as the account that runs Flowtrack, and name its directory with --data-dir",
        ) from error
