"""The data directory of an embedded Flowtrack: its layout, its lock, and where its running processes are found."""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Self

from flowtrack.apps.child import write_atomically
from flowtrack.errors import RuntimeStateError

DEFAULT = Path(".flowtrack")


@dataclass(frozen=True, slots=True)
class Running:
    """Where an embedded Flowtrack that runs is reached."""

    pid: int
    epoch: str
    broker: str
    """`host:port` of the embedded broker."""
    ledger: str
    """URL of the ledger service."""
    api: str = ""
    """URL of the auditors' API and pages; empty where they do not run."""


class DataDirectory:
    """A directory with `store/`, `state/` and `logs/`, held by one Flowtrack at a time.

    Use it as a context to hold it.

    Raises:
        RuntimeStateError: it cannot be made, or another process holds it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.store = path / "store"
        self.state = path / "state"
        self.logs = path / "logs"
        self._lock: IO[str] | None = None

    def __enter__(self) -> Self:
        try:
            for folder in (self.store, self.state, self.logs):
                folder.mkdir(parents=True, exist_ok=True)
            lock = (self.path / "lock").open("a+", encoding="utf-8")
        except OSError as error:
            raise RuntimeStateError(
                f"cannot use the data directory `{self.path}`: {error.strerror}",
                help="name one that can be written, with --data-dir",
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            lock.close()
            raise RuntimeStateError(
                f"the data directory `{self.path}` is in use by process {holder}",
                help="stop that process, or name another directory with --data-dir",
            ) from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock
        return self

    def __exit__(self, *_: object) -> None:
        self._runtime.unlink(missing_ok=True)
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    @property
    def _runtime(self) -> Path:
        return self.path / "runtime.json"

    def announce(self, running: Running) -> None:
        """Write where this Flowtrack is reached, for commands that look for it."""
        write_atomically(self._runtime, json.dumps(asdict(running), indent=2) + "\n")

    def running(self) -> Running | None:
        """Give where a Flowtrack on this directory is reached; None when none runs."""
        try:
            text = self._runtime.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        try:
            found = Running(**json.loads(text))
        except (ValueError, TypeError) as error:
            raise RuntimeStateError(
                "the runtime file cannot be read",
                where=str(self._runtime),
                help="delete it when no Flowtrack runs on this directory",
            ) from error
        return found if _lives(found.pid) else None


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # somebody else's
    return True
