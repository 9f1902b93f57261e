"""What a process does that a supervisor started: say that it is ready, and end when the supervisor is gone.

Light on purpose: every process imports it, some before anything else.
"""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

READY_FILE = "FLOWTRACK_READY_FILE"
"""Names the file that a process writes when it is ready."""
LIFELINE = "FLOWTRACK_LIFELINE"
"""Set where standard input is the supervisor's lifeline: its end means that the supervisor is gone."""
EX_CONFIG = 78
"""Exit status, of sysexits.h, of a process that can't run as it is configured: starting it again is of no use."""

_STANDARD_INPUT = 0
_GRACE_S = 5.0  # for an ordered end once the supervisor is gone; then the process is ended as it is


def report_ready(text: str = "") -> None:
    """Say that this process is ready, with what others must know of it; nothing happens without a supervisor."""
    path = os.environ.get(READY_FILE, "")
    if path:
        write_atomically(Path(path), text)


def write_atomically(path: Path, text: str) -> None:
    """Write a file so that a reader sees all of it or nothing."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)


def hold_lifeline() -> None:
    """End this process in order when the supervisor dies, so that none is left behind without one."""
    if os.environ.pop(LIFELINE, ""):
        threading.Thread(target=_watch, name="lifeline", daemon=True).start()


def _watch() -> None:
    while os.read(_STANDARD_INPUT, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(_GRACE_S)
    os._exit(1)


def stop_on_signals() -> threading.Event:
    """Give an event that SIGTERM and SIGINT set; call it from the main thread."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop
