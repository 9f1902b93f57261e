"""The one place where errors of ClickHouse, its client and the embedded engine become ours."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clickhouse_connect.driver.exceptions import ClickHouseError
from urllib3.exceptions import HTTPError

from flowtrack.errors import RuntimeStateError, StoreError

_MEMORY_LIMIT = 241
_TOO_MANY_PARTS = 252
_AUTHENTICATION_FAILED = 516
_HELP = {
    _MEMORY_LIMIT: "ask for a shorter period, or raise FLOWTRACK_CLICKHOUSE__MEMORY_BYTES_MAX",
    _TOO_MANY_PARTS: "wait until merges have caught up; the sink tries again by itself",
    _AUTHENTICATION_FAILED: "check FLOWTRACK_CLICKHOUSE__USER and the password",
}
_LOCK_FILE = "status"
_OTHER_PATH = "cannot connect with different path"


@contextmanager
def ours(where: str) -> Iterator[None]:
    """Turn foreign errors inside the block into `StoreError`.

    The text carries the engine's code and its name, never its message: that one may quote values.

    Args:
        where: what was being done, e.g. ``insert into `flows```.
    """
    try:
        yield
    except ClickHouseError as error:
        code, name = getattr(error, "code", None), getattr(error, "name", None)
        raise StoreError(
            f"clickhouse says `{name or type(error).__name__}`{f' (code {code})' if code else ''}",
            where=where,
            help=_HELP.get(code or 0, "look into the engine's log for the statement"),
        ) from error
    except (HTTPError, OSError, RuntimeError) as error:
        raise StoreError(
            f"the store does not answer: `{type(error).__name__}`",
            where=where,
            help="check FLOWTRACK_CLICKHOUSE__URL and that the server runs; embedded: that the disk is not full",
        ) from error


@contextmanager
def opening(directory: Path | None) -> Iterator[None]:
    """Like `ours`, for opening a store: a directory that another process holds is said to be so.

    Args:
        directory: of the embedded engine; None for a server.

    Raises:
        RuntimeStateError: another process has the directory open, or this process has another one open.
    """
    where = "clickhouse" if directory is None else str(directory)
    try:
        with ours(where):
            yield
    except StoreError as error:
        if directory is not None and _is_held(directory):
            raise RuntimeStateError(
                "the ledger's directory is open in another process",
                where=where,
                help="ask that process over HTTP (FLOWTRACK_HTTP__PORT), or stop `flowtrack up`",
            ) from error
        if _OTHER_PATH in str(error.__cause__):
            raise RuntimeStateError(
                "this process has another ledger's directory open",
                where=where,
                help="close it first: one process holds one embedded engine",
            ) from error
        raise


def _is_held(directory: Path) -> bool:
    """Whether another process has the engine's lock; the engine itself says so on standard error only."""
    try:
        with (directory / _LOCK_FILE).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # given back at once, when the file is closed
    except BlockingIOError:
        return True
    except OSError:
        return False  # no lock file: the fault is another one
    return False
