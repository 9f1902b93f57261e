"""An installation on a real Kafka whose processes are killed, frozen and started again: what `faults` runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from flowtrack.adapters.kafka.settings import KafkaSettings
from flowtrack.apps.ports import free_port
from tests.rig.kafka_process import KafkaProcess

_ROOT = Path(__file__).parent.parent.parent
_LOOK_S = 0.1
_FROZEN_S = (1.0, 8.0)  # the session lasts 6 s: some sleepers are given up meanwhile, some are not
_BROKER_EVERY = 12
_FREEZE_EVERY = 6
PARTITIONS = 4


@dataclass
class _Part:
    command: list[str]
    environment: Mapping[str, str]
    process: subprocess.Popen[bytes] | None = None
    done: bool = False
    wakes_at_s: float | None = None
    returned: Counter[int] = field(default_factory=Counter)


class Site:
    """Two checkers, a sink and a service, each started again when it ends; the service only until it is done."""

    def __init__(self, kafka: KafkaProcess, folder: Path, publishing: list[str]) -> None:
        self._kafka = kafka
        self._folder = folder
        self.settings = KafkaSettings(bootstrap_servers=kafka.address, partitions=PARTITIONS, replication_factor=1)
        self.store = folder / "store"
        common = {
            **os.environ,
            "FLOWTRACK_KAFKA__BOOTSTRAP_SERVERS": kafka.address,
            "FLOWTRACK_KAFKA__PARTITIONS": str(PARTITIONS),
            "FLOWTRACK_CLICKHOUSE__DATA_DIR": str(self.store),
            "FLOWTRACK_HTTP__PORT": str(free_port()),
            "PYTHONPATH": str(_ROOT),
        }
        worker = [sys.executable, "-m", "flowtrack", "worker"]
        self._parts = {
            "checker-1": _Part([*worker, "checker"], {**common, "FLOWTRACK_KAFKA__INSTANCE": "checker-1"}),
            "checker-2": _Part([*worker, "checker"], {**common, "FLOWTRACK_KAFKA__INSTANCE": "checker-2"}),
            "sink": _Part([*worker, "sink"], {**common, "FLOWTRACK_KAFKA__INSTANCE": "sink"}),
            "service": _Part([sys.executable, "-m", "benchmarks.rig.publishing", *publishing], common),
        }
        self.kills: Counter[str] = Counter()
        self.freezes: Counter[str] = Counter()
        self._pause = threading.Event()

    # -- life ----------------------------------------------------------------------------------------------------

    def look_after(self) -> None:
        """Start what has ended, and wake what has slept its time."""
        now_s = time.monotonic()
        for name, part in self._parts.items():
            if part.wakes_at_s is not None and now_s >= part.wakes_at_s and part.process is not None:
                part.process.send_signal(signal.SIGCONT)
                part.wakes_at_s = None
            if part.done or (part.process is not None and part.process.poll() is None):
                continue
            if part.process is not None:
                part.returned[part.process.returncode] += 1
                part.done = name == "service" and part.process.returncode == 0
            if not part.done:
                with (self._folder / f"{name}.log").open("ab") as log:
                    part.process = subprocess.Popen(
                        part.command, env=part.environment, cwd=self._folder, stdout=log, stderr=log
                    )
                part.wakes_at_s = None

    def live_until(self, done: Callable[[], bool], within_s: float) -> bool:
        """Look after the parts until something is so; false when it does not come in time."""
        deadline_s = time.monotonic() + within_s
        while not done():
            if time.monotonic() > deadline_s:
                return False
            self.look_after()
            self._pause.wait(_LOOK_S)
        return True

    @property
    def published(self) -> bool:
        """Whether the service has published everything."""
        return self._parts["service"].done

    @property
    def own_ends(self) -> dict[str, dict[int, int]]:
        """How often each part ended by itself, by exit status; kills are not counted."""
        return {
            name: {status: count for status, count in part.returned.items() if status != -signal.SIGKILL}
            for name, part in self._parts.items()
        }

    def end(self) -> None:
        """End everything in order: readers of the store must find it closed."""
        for part in self._parts.values():
            if part.process is not None and part.process.poll() is None:
                part.process.send_signal(signal.SIGCONT)
                part.process.terminate()
        for part in self._parts.values():
            if part.process is not None:
                try:
                    part.process.wait(30)
                except subprocess.TimeoutExpired:
                    part.process.kill()
                    part.process.wait()

    # -- faults --------------------------------------------------------------------------------------------------

    def disturb(self, random: Random, kills: int, mean_s: float) -> None:
        """Kill so many processes at random instants, and freeze some beside; the broker is among them at least once."""
        for number in range(1, kills + 1):
            until_s = time.monotonic() + random.uniform(0.2, 2 * mean_s)
            self.live_until(lambda: time.monotonic() >= until_s, 2 * mean_s + 1)  # noqa: B023 - within the turn
            if number % _FREEZE_EVERY == 0:
                self._freeze(random)
            if number == max(1, kills // 2) or number % _BROKER_EVERY == 0:
                self._kafka.kill()
                self.kills["broker"] += 1
                self._kafka.start()
                continue
            names = [name for name, part in self._parts.items() if not part.done]
            self._kill(random.choice(names))

    def _kill(self, name: str) -> None:
        part = self._parts[name]
        self.live_until(lambda: part.process is not None and part.process.poll() is None, 10)
        if part.process is not None:
            part.process.kill()
            part.process.wait()
            self.kills[name] += 1

    def _freeze(self, random: Random) -> None:
        name = random.choice(["checker-1", "checker-2", "sink"])
        part = self._parts[name]
        if part.process is not None and part.process.poll() is None and part.wakes_at_s is None:
            part.process.send_signal(signal.SIGSTOP)
            part.wakes_at_s = time.monotonic() + random.uniform(*_FROZEN_S)
            self.freezes[name] += 1
