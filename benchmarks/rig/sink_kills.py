"""Sinks that are killed, at named points and at random instants, and what they leave held against an undisturbed one.

Several lines of sinks, each with a consumer group and a ledger of its own, read the same decisions; in each a sink
follows the one that died, so that lines wait for their dead members' sessions side by side.  Each life has a named
point at which it kills itself, or a random instant at which it is killed, whatever it does then.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import psutil

from benchmarks.rig.kafka_rounds import committed_total, environment
from benchmarks.rig.told_sink import POINTS
from flowtrack.adapters.clickhouse.settings import ClickHouseSettings
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.adapters.kafka.lag import GroupOffsets, LogOffsets
from flowtrack.adapters.kafka.settings import KafkaSettings
from flowtrack.apps.ports import free_port
from flowtrack.tracking.records import Topic

RANDOM = "a random instant"
_TABLES = {
    "flows": "*",
    "consents": "*",
    # written again by whoever comes after: the same fact once, whenever it was first told
    "judgements": "DISTINCT * EXCEPT recorded_at",
    "dead_letters": "DISTINCT *",
    "documents": "DISTINCT *",
}
_READY_S = 120.0
_LIFE_S = 6.0  # from ready: a point that is not passed by then is not on this life's way
_DONE_S = 300.0
_LOOK_S = 0.02


@dataclass
class Killed:
    """What happened, and what was found."""

    kills: Counter[str] = field(default_factory=Counter)
    """By point."""
    ends: Counter[int] = field(default_factory=Counter)
    """Exit statuses of sinks that ended by themselves."""
    rows: int = 0
    """Of all disturbed ledgers, compared."""
    faults: Counter[str] = field(default_factory=Counter)


class Line:
    """One sink after the other on one ledger.

    Args:
        settings: where Kafka is.
        folder: where the ledger and the logs go.
        name: of the line; its group and instance.
        batch: records a batch.
    """

    def __init__(self, settings: KafkaSettings, folder: Path, name: str, batch: int) -> None:
        self._settings = settings
        self._folder = folder / name
        self._folder.mkdir()
        self.group = f"bench-{name}"
        self.store = self._folder / "store"
        self._batch = batch
        self._environment = {
            "FLOWTRACK_KAFKA__INSTANCE": self.group,
            "FLOWTRACK_CLICKHOUSE__DATA_DIR": str(self.store),
        }
        self._pause = threading.Event()

    def live(self, point: str, passes: int, killed_after_s: float) -> tuple[str, int | None]:
        """Live until the point, or until killed; gives where it died, and its status where it ended by itself."""
        process = self._start(point if point != RANDOM else "", passes)
        ready = self._folder / "ready"
        self._wait(lambda: ready.exists() or process.poll() is not None, _READY_S)
        self._wait(lambda: process.poll() is not None, killed_after_s if point == RANDOM else _LIFE_S)
        status: int | None = process.poll()
        if status is None:
            process.kill()
            process.wait()
            return RANDOM, None
        return (point, None) if status < 0 else ("", status)

    def finish(self) -> None:
        """Live undisturbed until everything is committed.

        Raises:
            RuntimeError: it is not, in time.
        """
        process = self._start("", 1)
        try:
            if not self._wait(self.is_done, _DONE_S):
                log = (self._folder / "sink.log").read_text(encoding="utf-8", errors="replace")
                raise RuntimeError(f"{self.group} is not done: {log[-2_000:]}")
        finally:
            process.terminate()
            process.wait(60)

    def is_done(self) -> bool:
        """Whether the group has committed all there is; a transaction's marker may end the log."""
        places = [(str(Topic.DECISIONS), partition) for partition in range(self._settings.partitions)]
        with GroupOffsets(self._settings, self.group) as group:
            missing = sum(LogOffsets(self._settings).ends(places).values()) - committed_total(group, places)
        return missing <= self._settings.partitions

    def _start(self, point: str, passes: int) -> psutil.Popen:
        ready = self._folder / "ready"
        ready.unlink(missing_ok=True)
        command = [sys.executable, "-m", "benchmarks.rig.told_sink", self.group, str(self._batch)]
        given = {**self._environment, "FLOWTRACK_HTTP__PORT": str(free_port())}
        with (self._folder / "sink.log").open("ab") as log:
            return psutil.Popen(
                command + ([point, str(passes)] if point else []),
                env=environment(self._settings, ready, given),
                cwd=self._folder,
                stdout=log,
                stderr=log,
            )

    def _wait(self, done: Callable[[], bool], within_s: float) -> bool:
        deadline_s = time.monotonic() + within_s
        while not done():
            if time.monotonic() > deadline_s:
                return False
            self._pause.wait(_LOOK_S)
        return True


def kill_sinks(settings: KafkaSettings, folder: Path, *, kills: int, lines: int, batch: int, seed: int) -> Killed:
    """Kill sinks so many times, let every line finish, and compare each ledger with the undisturbed one.

    Args:
        settings: where Kafka is; its topics are filled.
        folder: for ledgers and logs.
        kills: in all.
        lines: how many live side by side.
        batch: records a batch: small ones have many points.
        seed: of points and instants.
    """
    found = Killed()
    every = [Line(settings, folder, f"line-{number}", batch) for number in range(lines)]
    chance = Random(seed)
    due = [[*POINTS, RANDOM, RANDOM, RANDOM][number % (len(POINTS) + 3)] for number in range(kills)]
    chance.shuffle(due)
    deaths = [(point, chance.randint(1, 3), chance.uniform(0.0, 1.5)) for point in due]

    def live(number: int) -> None:
        for point, passes, after_s in deaths[number::lines]:
            at, status = every[number].live(point, passes, after_s)
            if at:
                found.kills[at] += 1
            if status is not None:
                found.ends[status] += 1
        every[number].finish()

    undisturbed = Line(settings, folder, "undisturbed", batch)
    with ThreadPoolExecutor(lines) as pool:
        list(pool.map(live, range(lines)))
    undisturbed.finish()
    expected = _contents(undisturbed.store)
    for line in every:
        _compare(expected, _contents(line.store), found)
    return found


def _contents(store: Path) -> dict[str, Counter[str]]:
    """Every row of a ledger, how often it is there, by table."""
    with Store(ClickHouseSettings(data_dir=store)) as opened:
        return {
            table: Counter("\t".join(map(str, row)) for row in opened.rows(f"SELECT {what} FROM {table}"))  # noqa: S608 - texts of ours
            for table, what in _TABLES.items()
        }


def _compare(expected: dict[str, Counter[str]], there: dict[str, Counter[str]], found: Killed) -> None:
    for table, rows in expected.items():
        found.rows += there[table].total()
        found.faults[f"{table}: rows missing"] += (rows - there[table]).total()
        found.faults[f"{table}: rows too many, or other"] += (there[table] - rows).total()
    found.faults += Counter()  # drops what is zero
