"""How much memory several processes take together: the sum of their proportional set sizes, at its highest.

Pages that processes share (the interpreter, libraries) count once in all, unlike with resident set sizes.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

_EVERY_S = 0.25  # a look costs some milliseconds for a process that maps a database engine


def shared_out_bytes(pid: int) -> int:
    """Give a process's proportional set size in bytes; 0 when it is gone.

    Where the system does not tell (only Linux does), the resident set size stands for it, which is never less.
    """
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return _resident_bytes(pid)
    for line in text.splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def _resident_bytes(pid: int) -> int:
    import psutil

    try:
        size: int = psutil.Process(pid).memory_info().rss
    except psutil.NoSuchProcess:
        return 0
    return size


class MemoryPeak:
    """Watches this process and others; use it as a context.

    Args:
        pids: gives the other processes as they are now.
    """

    def __init__(self, pids: Callable[[], Iterable[int]]) -> None:
        self.peak_bytes = 0
        self._pids = pids
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="memory", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while True:
            now_bytes = sum(shared_out_bytes(pid) for pid in (os.getpid(), *self._pids()))
            self.peak_bytes = max(self.peak_bytes, now_bytes)
            if self._stop.wait(_EVERY_S):
                return
