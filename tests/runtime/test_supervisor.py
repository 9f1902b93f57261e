"""The supervisor: readiness, restarts, an end in order; with small real processes."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from flowtrack.apps.child import EX_CONFIG
from flowtrack.apps.supervisor import Part, Supervisor
from flowtrack.errors import RuntimeStateError

READY = (
    "from flowtrack.apps.child import *; hold_lifeline(); stop = stop_on_signals(); report_ready('here'); stop.wait()"
)


def part(code: str = READY, *, name: str = "it", vital: bool = False) -> Part:
    """A process of a line of Python."""
    return Part(name, (sys.executable, "-c", code), vital=vital)


def eventually(holds: Callable[[], bool], timeout_s: float = 20.0) -> bool:
    """Wait until something holds."""
    pause, deadline_s = threading.Event(), time.monotonic() + timeout_s
    while not holds():
        if time.monotonic() > deadline_s:
            return False
        pause.wait(0.02)
    return True


def gone(pid: int) -> bool:
    """Whether a process is no more, or only waits to be reaped by somebody else."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_ready_tells_what_the_process_wrote(tmp_path: Path) -> None:
    """What a process writes when it is ready is handed to whoever waits."""
    with Supervisor(tmp_path) as supervisor:
        supervisor.start(part())
        assert supervisor.wait_ready("it", 20) == "here"
        assert supervisor.stop("it", 10)


def test_a_killed_process_comes_back(tmp_path: Path) -> None:
    """After kill -9 the same part runs again, under another process id, and becomes ready again."""
    with Supervisor(tmp_path) as supervisor:
        supervisor.start(part())
        supervisor.wait_ready("it", 20)
        first = supervisor.pids["it"]
        (tmp_path / "it.ready").unlink()
        os.kill(first, signal.SIGKILL)
        supervisor.wait_ready("it", 20)
        assert supervisor.pids["it"] != first
        assert supervisor.restarts == 1


def test_a_vital_process_is_not_replaced(tmp_path: Path) -> None:
    """The death of a process that the others need ends the run, with the end of its log."""
    code = "import sys; print('disk on fire', file=sys.stderr); sys.exit(3)"
    with Supervisor(tmp_path) as supervisor:
        supervisor.start(part(code, vital=True))
        assert supervisor.failed.wait(20)
        assert supervisor.lost == "it"
        with pytest.raises(RuntimeStateError, match=r"`it` ended .*exit status 3") as caught:
            supervisor.check()
    assert "disk on fire" in caught.value.help


def test_a_wrong_setting_is_not_tried_again(tmp_path: Path) -> None:
    """A process that says it cannot run as configured ends the run at once."""
    with Supervisor(tmp_path) as supervisor:
        supervisor.start(part(f"raise SystemExit({EX_CONFIG})"))
        with pytest.raises(RuntimeStateError, match=f"exit status {EX_CONFIG}"):
            supervisor.wait_ready("it", 20)
        assert supervisor.restarts == 0


@pytest.mark.slow
def test_one_that_dies_again_and_again_ends_the_run(tmp_path: Path) -> None:
    """A process that never lives long is started again a bounded number of times."""
    with Supervisor(tmp_path) as supervisor:
        supervisor.start(part("raise SystemExit(1)"))
        with pytest.raises(RuntimeStateError, match="5 times"):
            supervisor.wait_ready("it", 60)
        assert supervisor.restarts == 4


def test_one_that_does_not_end_is_ended_by_force(tmp_path: Path) -> None:
    """Whoever ignores SIGTERM is killed when its time is up, and that is said."""
    code = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + READY.replace("stop_on_signals()", "None")
    code = code.replace("stop.wait()", "signal.pause()")
    with Supervisor(tmp_path) as supervisor:
        supervisor.start(part(code))
        supervisor.wait_ready("it", 20)
        pid = supervisor.pids["it"]
        assert not supervisor.stop("it", 0.2)
        assert gone(pid)


def test_what_is_not_ready_in_time_says_so(tmp_path: Path) -> None:
    """Waiting for readiness has a bound."""
    with Supervisor(tmp_path) as supervisor:
        supervisor.start(part("import signal; signal.pause()"))
        with pytest.raises(RuntimeStateError, match="not ready"):
            supervisor.wait_ready("it", 0.2)


def test_nobody_outlives_the_supervisor(tmp_path: Path) -> None:
    """When the supervisor itself is killed, its processes end by themselves."""
    code = (
        "import sys, signal; from pathlib import Path; from flowtrack.apps.supervisor import *;"
        f"s = Supervisor(Path({str(tmp_path)!r})); s.__enter__();"
        f"s.start(Part('child', (sys.executable, '-c', {READY!r}))); s.wait_ready('child', 20);"
        f"Path({str(tmp_path / 'pid')!r}).write_text(str(s.pids['child'])); signal.pause()"
    )
    with Supervisor(tmp_path) as outer:
        outer.start(part(code))
        pid = tmp_path / "pid"
        assert eventually(lambda: pid.exists() and pid.read_text() != "")
        child = int(pid.read_text())
        assert not gone(child)
        os.kill(outer.pids["it"], signal.SIGKILL)
        assert eventually(lambda: gone(child))
