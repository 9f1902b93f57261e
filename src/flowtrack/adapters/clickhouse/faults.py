"""The one place where errors of ClickHouse, its client and the embedded engine become ours.

Three outcomes, each an error of its own: nothing was done and it may work later (`StoreUnavailableError`), it is not
known whether it was done (`StoreInDoubtError`, writes only), and it ends the same until somebody acts (`StoreError`).
Where a write broke off on its way, it counts as in doubt, even where the connection seems never to have stood: the
client tries a closed connection once more by itself, so the last failure says nothing about the first attempt.
"""

from __future__ import annotations

import errno
import fcntl
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from clickhouse_connect.driver.exceptions import ClickHouseError, StreamFailureError
from urllib3.exceptions import HTTPError, MaxRetryError, SSLError

from flowtrack.errors import RuntimeStateError, StoreError, StoreInDoubtError, StoreMemoryError, StoreUnavailableError

_DAMAGED = "the ledger's files are damaged: put it back from a backup, and look after the disk"
_LATER = "nothing to do here: it is tried again"
_HELP = {
    **dict.fromkeys((33, 40, 226, 228, 231, 246, 271), _DAMAGED),
    16: "run `flowtrack store migrate` of this version, as a user that may change tables",
    60: "run `flowtrack store migrate` of this version, as a user that may change tables",
    62: "the server is older than this version of Flowtrack needs",
    81: "create the database, or set FLOWTRACK_CLICKHOUSE__DATABASE to the one that is there",
    115: "the server is older than this version of Flowtrack needs",
    164: "the user may only read: give it the role of a writer, or set FLOWTRACK_CLICKHOUSE__USER to one that has it",
    192: "check FLOWTRACK_CLICKHOUSE__USER",
    193: "check the password: FLOWTRACK_CLICKHOUSE__PASSWORD_FILE",
    194: "set FLOWTRACK_CLICKHOUSE__PASSWORD_FILE",
    241: "ask for a shorter period, or raise FLOWTRACK_CLICKHOUSE__MEMORY_BYTES_MAX (a server: max_memory_usage)",
    242: "the table is read-only: look for lost contact with Keeper, or a full or damaged disk, in system.replicas",
    243: "make room on the server's disk; what waits is written then",
    252: "wait until merges have caught up; what waits is written then",
    285: "bring the replicas back: fewer live ones than a write has to reach",
    341: "a rewrite did not end, for want of memory or disk: raise FLOWTRACK_CLICKHOUSE__MEMORY_BYTES_MAX, start anew",
    497: "grant the role of its part to FLOWTRACK_CLICKHOUSE__USER",
    516: "check FLOWTRACK_CLICKHOUSE__USER and the password",
    701: "FLOWTRACK_CLICKHOUSE__CLUSTER names none of the server's system.clusters",
}
# Refused before anything was written, by a state that passes.
_UNAVAILABLE = frozenset(
    {
        32,  # ATTEMPT_TO_READ_AFTER_EOF: a request that was cut on its way in
        202,  # TOO_MANY_SIMULTANEOUS_QUERIES
        225,  # NO_ZOOKEEPER
        242,  # TABLE_IS_READ_ONLY: contact with Keeper lost, or starting
        243,  # NOT_ENOUGH_SPACE: asked for before a part is written
        252,  # TOO_MANY_PARTS
        285,  # TOO_FEW_LIVE_REPLICAS
        286,  # UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE: another insert is on its way
        289,  # REPLICA_IS_NOT_IN_QUORUM: this replica has not caught up with what must be read
        373,  # SESSION_IS_LOCKED
        439,  # CANNOT_SCHEDULE_TASK
    }
)
# May come after a part was written, or from another server that was asked in turn.
_IN_DOUBT = frozenset(
    {
        75,  # CANNOT_WRITE_TO_FILE_DESCRIPTOR: a disk that is full
        159,  # TIMEOUT_EXCEEDED
        209,  # SOCKET_TIMEOUT
        210,  # NETWORK_ERROR
        236,  # ABORTED: the server shuts down
        241,  # MEMORY_LIMIT_EXCEEDED
        244,  # UNEXPECTED_ZOOKEEPER_ERROR
        279,  # ALL_CONNECTION_TRIES_FAILED
        319,  # UNKNOWN_STATUS_OF_INSERT
        394,  # QUERY_WAS_CANCELLED
        999,  # KEEPER_EXCEPTION
    }
)
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NO_MEMORY = 241
_CODE = re.compile(r"Code: (\d+)")
_LOCK_FILE = "status"
_OTHER_PATH = "cannot connect with different path"


class Doing(NamedTuple):
    """What is being done, to whom: for the text of an error and for its kind.

    Attributes:
        where: e.g. ``insert into `flows```; never a value.
        address: host and port of a server, without user or password; the directory of the embedded engine.
        writes: whether it changes what the store holds.
    """

    where: str
    address: str = ""
    writes: bool = False

    def __str__(self) -> str:
        """Both in one."""
        return f"{self.address}, {self.where}" if self.address else self.where


@contextmanager
def ours(doing: Doing) -> Iterator[None]:
    """Turn foreign errors inside the block into `StoreError` and its kinds.

    The text carries the engine's code and its name, never its message: that one may quote values.
    """
    try:
        yield
    except ClickHouseError as error:
        raise _of_client(error, doing) from error
    except (ValueError, TypeError, AttributeError, OverflowError):
        if not doing.writes:
            raise
        # From the client, before anything was sent. Its own words quote the value, so they stay out of the chain too.
        raise StoreError(
            "a value does not fit its column",
            where=str(doing),
            help="whoever wrote it is of another version than this process: run the same",
        ) from None
    except (HTTPError, OSError, RuntimeError) as error:
        if _errno(error) in _NO_ROOM:
            raise StoreUnavailableError(  # of the client's own file, before the engine has seen anything
                f"there is no room left: `{errno.errorcode[_errno(error)]}`",
                where=str(doing),
                help="make room on the disks of the ledger and of temporary files; what waits is written then",
            ) from error
        raise _kind(doing, StoreInDoubtError)(
            f"the store does not answer: `{type(error).__name__}`",
            where=str(doing),
            help="check FLOWTRACK_CLICKHOUSE__URL and that the server runs; embedded: that the disk is not full",
        ) from error


def _of_client(error: ClickHouseError, doing: Doing) -> StoreError:
    code, name = getattr(error, "code", None), getattr(error, "name", None)
    if code:
        kind = StoreError
        if code in _UNAVAILABLE:
            kind = StoreUnavailableError
        elif code == _NO_MEMORY and not doing.writes:
            kind = StoreMemoryError
        elif code in _IN_DOUBT:
            kind = _kind(doing, StoreInDoubtError)
        help_ = _HELP.get(code, _LATER if kind is not StoreError else "look into the engine's log for the statement")
        return kind(f"clickhouse says `{name or 'an error'}` (code {code})", where=str(doing), help=help_)
    cause = error.__cause__
    if isinstance(cause, SSLError) or (isinstance(cause, MaxRetryError) and isinstance(cause.reason, SSLError)):
        return StoreError(
            "no TLS connection comes about",
            where=str(doing),
            help="check FLOWTRACK_CLICKHOUSE__CA_FILE, the client's certificate, and the name in the URL",
        )
    if isinstance(cause, HTTPError) or isinstance(error, StreamFailureError) or _from_between(error):
        return _kind(doing, StoreInDoubtError)(
            f"the server does not answer: `{type(cause or error).__name__}`",
            where=str(doing),
            help="check FLOWTRACK_CLICKHOUSE__URL, that the server runs, and the proxies before it",
        )
    return StoreError(
        f"clickhouse's client says `{name or type(error).__name__}`",
        where=str(doing),
        help="look into the engine's log for the statement",
    )


def _from_between(error: ClickHouseError) -> bool:
    """Whether an answer came, and not from ClickHouse: a proxy or balancer, which has no code."""
    return "HTTP driver received HTTP status" in str(error)


def _errno(error: Exception) -> int:
    return getattr(error, "errno", None) or 0


def _kind(doing: Doing, when_written: type[StoreError]) -> type[StoreError]:
    """A read that failed did nothing, whatever happened on its way."""
    return when_written if doing.writes else StoreUnavailableError


@contextmanager
def opening(directory: Path | None, address: str) -> Iterator[None]:
    """Like `ours`, for opening a store: a directory that another process holds is said to be so.

    Args:
        directory: of the embedded engine; None for a server.
        address: see `Doing`.

    Raises:
        RuntimeStateError: another process has the directory open, or this process has another one open.
    """
    try:
        with ours(Doing("opening the store", address)):
            yield
    except StoreError as error:
        if directory is not None and _is_held(directory):
            raise RuntimeStateError(
                "the ledger's directory is open in another process",
                where=address,
                help="ask that process over HTTP (FLOWTRACK_HTTP__PORT), or stop `flowtrack up`",
            ) from error
        if _OTHER_PATH in str(error.__cause__):
            raise RuntimeStateError(
                "this process has another ledger's directory open",
                where=address,
                help="close it first: one process holds one embedded engine",
            ) from error
        if directory is not None and type(error) is StoreError:
            code = _CODE.search(str(error.__cause__))
            raise StoreError(
                f"the embedded engine cannot open its directory{f' (code {code[1]})' if code else ''}",
                where=address,
                help=f"{_DAMAGED}; or the directory is of a newer version of Flowtrack",
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
