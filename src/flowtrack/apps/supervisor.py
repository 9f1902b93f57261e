"""One supervisor over several processes: starts them, knows when they are ready, brings the dead back, ends them.

A process that dies is started again after a short wait, a little longer each time; one that dies too often, or one
that the others cannot do without, ends the run with an error that shows the end of its log.
"""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import structlog

from flowtrack.apps.child import EX_CONFIG, LIFELINE, READY_FILE
from flowtrack.errors import RuntimeStateError

_log = structlog.get_logger(__name__)

_WATCH_S = 0.05  # how often the processes are looked at; the look itself takes microseconds
_BACKOFF_S = (0.1, 0.5, 1.0, 2.0, 5.0)
_DEATHS_MAX = 5  # within the window: then it is not chance
_DEATHS_WINDOW_S = 60.0
_LOG_TAIL_LINES = 8
_END_S = 5.0  # for those that are still there at the very end
_KILLED_WITHIN_S = 5.0  # after SIGKILL only the kernel stands between a process and its end


@dataclass(frozen=True, slots=True)
class Part:
    """A process to run.

    Args:
        name: short; its log and ready files are named so.
        argv: the command.
        env: what it sees beside this process's environment.
        vital: whether the others cannot go on without this very process, so that it is not started again.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    vital: bool = False


@dataclass(slots=True)
class _Child:
    part: Part
    process: subprocess.Popen[bytes]
    deaths_s: deque[float] = field(default_factory=lambda: deque(maxlen=_DEATHS_MAX))
    restart_at_s: float | None = None
    stopping: bool = False


class Supervisor:
    """Starts and watches processes; use it as a context, so that none is left behind.

    Args:
        directory: for `<name>.log` and `<name>.ready`; must exist.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._children: dict[str, _Child] = {}
        self._lock = threading.RLock()
        self._ending = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="supervisor", daemon=True)
        self.failed = threading.Event()
        """Set when the run cannot go on; `check` says why."""
        self.lost = ""
        """Which process the run could not go on without; empty while it goes on."""
        self._failure: RuntimeStateError | None = None
        self.restarts = 0
        """How often a process was started again."""

    def __enter__(self) -> Self:
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._watcher.join()
        for vital in (False, True):  # whoever wants a finer order has stopped them before
            self._end([child for child in self._children.values() if child.part.vital is vital])

    @property
    def pids(self) -> dict[str, int]:
        """The process ids of what runs, by name."""
        with self._lock:
            return {name: child.process.pid for name, child in self._children.items() if child.process.poll() is None}

    def process_ids(self) -> list[int]:
        """Give the process ids of what runs now."""
        return list(self.pids.values())

    def start(self, part: Part) -> None:
        """Start a process; it is ready when `wait_ready` says so.

        Raises:
            RuntimeStateError: the system cannot start it.
        """
        with self._lock:
            self._children[part.name] = _Child(part, self._spawn(part))

    def wait_ready(self, name: str, timeout_s: float) -> str:
        """Wait until a process has written its ready file, and give what stands in it.

        Raises:
            RuntimeStateError: it is not ready in time, or the run has failed.
        """
        path = self._directory / f"{name}.ready"
        deadline_s = time.monotonic() + timeout_s
        while not path.exists():
            self.check()
            if time.monotonic() > deadline_s:
                raise RuntimeStateError(
                    f"`{name}` is not ready after {timeout_s:g} s",
                    where=str(self._directory / f"{name}.log"),
                    help=f"its log ends with:\n{self.log_tail(name)}",
                )
            self.failed.wait(_WATCH_S / 2)
        return path.read_text(encoding="utf-8")

    def check(self) -> None:
        """Do nothing while the run goes on.

        Raises:
            RuntimeStateError: a vital process died, or one died too often.
        """
        if self._failure is not None:
            raise self._failure

    def stop(self, name: str, timeout_s: float) -> bool:
        """End a process in order, by force after `timeout_s`; False when force was needed."""
        with self._lock:
            child = self._children.get(name)
            if child is None:
                return True
            child.stopping = True
            child.restart_at_s = None
        child.process.terminate()
        try:
            child.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            _log.warning("process ended by force", name=name, after_s=timeout_s)
            child.process.kill()
            child.process.wait(_KILLED_WITHIN_S)
            return False
        finally:
            if child.process.stdin is not None:
                child.process.stdin.close()
            with self._lock:
                self._children.pop(name, None)
        return True

    def log_tail(self, name: str) -> str:
        """Give the last lines of a process's log."""
        try:
            text = (self._directory / f"{name}.log").read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            return f"(no log: {error.strerror})"
        return "\n".join(text.splitlines()[-_LOG_TAIL_LINES:])

    def _end(self, children: Sequence[_Child]) -> None:
        """End processes side by side; after a failure there is nothing to wait for."""
        for child in children:
            child.stopping = True
            child.process.terminate()
        deadline_s = time.monotonic() + (0.0 if self.failed.is_set() else _END_S)
        for child in children:
            self.stop(child.part.name, max(0.0, deadline_s - time.monotonic()))

    def _spawn(self, part: Part) -> subprocess.Popen[bytes]:
        ready = self._directory / f"{part.name}.ready"
        ready.unlink(missing_ok=True)
        env = {**os.environ, **part.env, READY_FILE: str(ready), LIFELINE: "stdin"}
        with (self._directory / f"{part.name}.log").open("ab") as log:
            try:
                return subprocess.Popen(  # noqa: S603 - our own interpreter with our own arguments
                    part.argv,
                    env=env,
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,  # Ctrl-C is for the supervisor, which ends the others in order
                )
            except OSError as error:
                raise RuntimeStateError(
                    f"cannot start `{part.name}`: {error.strerror}",
                    where=part.argv[0],
                    help="look at limits of processes",
                ) from error

    def _watch(self) -> None:
        while not self._ending.wait(_WATCH_S) and not self.failed.is_set():
            with self._lock:
                children: Sequence[_Child] = list(self._children.values())
                for child in children:
                    self._look_after(child)

    def _look_after(self, child: _Child) -> None:
        now_s = time.monotonic()
        if child.stopping or child.process.poll() is None:
            return
        if child.restart_at_s is None:
            self._mourn(child, now_s)
        elif now_s >= child.restart_at_s:
            child.restart_at_s = None
            self.restarts += 1
            try:
                child.process = self._spawn(child.part)
            except RuntimeStateError as error:
                self._fail(child.part.name, error)

    def _mourn(self, child: _Child, now_s: float) -> None:
        """Decide what a death means: start it again after a wait, or give the run up."""
        name, status = child.part.name, _status(child.process.returncode)
        if child.process.stdin is not None:
            child.process.stdin.close()
        child.deaths_s.append(now_s)
        recent = [at_s for at_s in child.deaths_s if now_s - at_s < _DEATHS_WINDOW_S]
        if child.part.vital or child.process.returncode == EX_CONFIG or len(recent) >= _DEATHS_MAX:
            often = f" {len(recent)} times within {_DEATHS_WINDOW_S:g} s" if len(recent) > 1 else ""
            self._fail(
                name,
                RuntimeStateError(
                    f"`{name}` ended{often} ({status})",
                    where=str(self._directory / f"{name}.log"),
                    help=f"its log ends with:\n{self.log_tail(name)}",
                ),
            )
            return
        wait_s = _BACKOFF_S[min(len(recent), len(_BACKOFF_S)) - 1]
        child.restart_at_s = now_s + wait_s
        _log.warning("process died, will be started again", name=name, status=status, after_s=wait_s)

    def _fail(self, name: str, error: RuntimeStateError) -> None:
        self.lost = name
        self._failure = error
        self.failed.set()


def _status(code: int) -> str:
    return f"exit status {code}" if code >= 0 else f"signal {-code}"
