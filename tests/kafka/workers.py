"""Copying workers as processes, to be killed and frozen."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flowtrack.adapters.kafka.lag import end_offsets
from tests.kafka.conftest import PARTITIONS, Rig, until


class Workers:
    """Starts copying workers of one group, and ends them all."""

    def __init__(self, rig: Rig, folder: Path) -> None:
        self.rig = rig
        self.folder = folder
        self.events, self.copies, self.control = rig.topic("events"), rig.topic("copies"), rig.topic("control")
        self.group = f"{rig.name}-copying"
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, instance: str = "one", **environment: str) -> subprocess.Popen[bytes]:
        """Start a worker and wait until it says that it is ready."""
        ready = self.folder / f"ready-{len(self.processes)}"
        settings = self.rig.settings
        script = Path(__file__).with_name("copying_worker.py")
        named = [settings.bootstrap_servers, str(int(settings.embedded)), self.events, self.copies]
        with (self.folder / "workers.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, script, *named, self.group, instance, ready, self.control],
                env={**os.environ, **environment},
                stdout=log,
                stderr=log,
            )
        self.processes.append(process)
        until(lambda: ready.exists() or process.poll() is not None)
        assert ready.read_text(encoding="utf-8") == "ready\n"
        return process

    def said(self) -> str:
        """Give what the workers have logged."""
        return (self.folder / "workers.log").read_text(encoding="utf-8", errors="replace")

    def done(self) -> int:
        """How many source records are committed."""
        return sum(self.rig.committed(self.group, self.events).values())

    def written(self) -> int:
        """How many records lie in the target, seen or not."""
        return sum(end_offsets(self.rig.settings, self.copies).values())

    def copied(self) -> Counter[bytes]:
        """The committed copies."""
        return Counter((r.value or b"").partition(b":")[2] for r in self.rig.read(self.copies))


@contextmanager
def ending(found: Workers) -> Iterator[Workers]:
    """End all of them with the block, whatever happens."""
    try:
        yield found
    finally:
        for process in found.processes:
            process.kill()
            process.wait()


def expected(count: int) -> set[bytes]:
    """The copies of so many records, produced round robin."""
    return {b"%d@%d" % (p, n) for p in range(PARTITIONS) for n in range(count // PARTITIONS)}
