"""The auditors' API over a ledger, as `flowtrack api` runs it, with a sink that writes beside it when it is told to.

Usage: `python -m benchmarks.rig.audited DATA_DIR EVENTS PER_SECOND`; the file DATA_DIR/write starts the sink, and
DATA_DIR/written says how many rows it has written so far.
"""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.rig.decided import decided
from flowtrack.adapters.clickhouse.settings import ClickHouseSettings
from flowtrack.adapters.clickhouse.sink import SinkStore
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.adapters.http.api.tokens import make_token
from flowtrack.apps import api
from flowtrack.apps.child import LIFELINE, READY_FILE, hold_lifeline
from flowtrack.apps.directory import DataDirectory
from flowtrack.audit.roles import Role
from flowtrack.tracking.ledger import LedgerWriter
from flowtrack.tracking.records import Record

ROOT: Final = Path(__file__).parent.parent.parent
_BATCHES_PER_S = 4
_READY_S = 600.0
_END_S = 60.0
MEMORY_BYTES = 4 << 30
_LINKED_BYTES = 1 << 20
"""Files so long are parts of data, which the engine never changes: a copy of a ledger shares them."""


class Api(NamedTuple):
    """An API that runs."""

    url: str
    tokens: dict[Role, str]
    pid: int
    data_dir: Path

    def start_sink(self) -> None:
        """Let the sink write from now on."""
        (self.data_dir / "write").touch()

    def written(self) -> int:
        """How many rows the sink has written."""
        path = self.data_dir / "written"
        return int(path.read_text(encoding="ascii") or 0) if path.exists() else 0

    def memory_mib(self, *, anew: bool = False) -> float:
        """Give the highest resident memory of its process so far, and start the mark anew where asked to."""
        if not self.pid:
            return 0.0
        if anew:
            Path(f"/proc/{self.pid}/clear_refs").write_text("5", encoding="ascii")
        lines = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1_024

    def processor_ms(self) -> float:
        """Give the processor time that its process has taken."""
        if not self.pid:
            return 0.0
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * 1_000 / os.sysconf("SC_CLK_TCK")


def copied(ledger: Path, store: Path) -> None:
    """Copy a ledger that nobody has open; what the engine never changes is shared, so that it costs next to nothing."""

    def copy(source: str, target: str) -> None:
        if Path(source).stat().st_size >= _LINKED_BYTES:
            os.link(source, target)
        else:
            shutil.copy2(source, target)

    shutil.copytree(ledger, store, copy_function=copy, symlinks=True)


@contextmanager
def running(data_dir: Path, *, events: int, per_second: int) -> Iterator[Api]:
    """Run the API over `data_dir/store`, which may be empty, with a token for each role."""
    ready, state = data_dir / "ready", DataDirectory(data_dir).state
    tokens = {
        role: make_token(state / "api-tokens.json", who=role, roles=(role,), made_at=datetime.now(UTC)) for role in Role
    }
    env = {
        **os.environ,
        READY_FILE: str(ready),
        LIFELINE: "1",
        "FLOWTRACK_API__PORT": "0",
        "FLOWTRACK_API__RATE_PER_MINUTE": "1000000",
        "FLOWTRACK_API__EXPORTS_PER_MINUTE": "1000",
        "FLOWTRACK_API__TIMEOUT_S": "300",  # what takes longer than it should is measured too
        "FLOWTRACK_CLICKHOUSE__MEMORY_BYTES_MAX": str(MEMORY_BYTES),
    }
    command = [sys.executable, "-m", "benchmarks.rig.audited", str(data_dir), str(events), str(per_second)]
    log = data_dir / "api.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, cwd=ROOT, env=env, stdin=subprocess.PIPE, stdout=out, stderr=subprocess.STDOUT
        )
    try:
        _wait(process, ready, log)
        yield Api(ready.read_text(encoding="utf-8").strip(), tokens, process.pid, data_dir)
    finally:
        process.terminate()
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], ready: Path, log: Path) -> None:
    deadline_s = time.monotonic() + _READY_S
    while not ready.exists():
        if process.poll() is not None or time.monotonic() > deadline_s:
            raise RuntimeError(f"the API does not run:\n{log.read_text(encoding='utf-8')[-4000:]}")
        threading.Event().wait(0.05)


class Sink(threading.Thread):
    """Writes decisions at a steady rate, in batches as the sink does, until there are no more.

    Args:
        data_dir: of the ledger, which this process holds.
        events: so many, of a sample day.
        per_second: so many of them.
    """

    def __init__(self, data_dir: Path, events: int, per_second: int) -> None:
        super().__init__(daemon=True)
        self._data_dir = data_dir
        self._outputs = decided(events, max(200, events // 10)).outputs if events else []
        self._batch = max(1, per_second // _BATCHES_PER_S)

    def run(self) -> None:
        """Wait for the word, then write."""
        pause = threading.Event()
        while not (self._data_dir / "write").exists():
            pause.wait(0.1)
        settings = ClickHouseSettings(data_dir=self._data_dir / "store", memory_bytes_max=MEMORY_BYTES)
        with Store(settings) as store:
            writer, offsets, rows = LedgerWriter(SinkStore(store), f"bench-{os.getpid()}"), Counter[int](), 0
            due_s = time.monotonic()
            for first in range(0, len(self._outputs), self._batch):
                batch = self._outputs[first : first + self._batch]
                at_ms, records = time.time_ns() // 1_000_000, []
                for each in batch:
                    records.append(
                        Record(each.topic, each.partition, offsets[each.partition], at_ms, each.key, each.value)
                    )
                    offsets[each.partition] += 1
                writer.process(records)
                rows += len(records)
                (self._data_dir / "written").write_text(str(rows), encoding="ascii")
                due_s += 1 / _BATCHES_PER_S
                pause.wait(max(0.0, due_s - time.monotonic()))


def main() -> None:
    """Run the API until SIGTERM, and the sink beside it."""
    hold_lifeline()  # when the benchmark is gone, so is this
    data_dir, events, per_second = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    Sink(data_dir, events, per_second).start()
    gc.collect()
    gc.freeze()  # the day that the sink writes is no part of the API: the collector need not look at it
    raise SystemExit(api.run(data_dir))


if __name__ == "__main__":
    main()
