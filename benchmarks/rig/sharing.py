"""Several workers of one group that share the partitions: what an event costs them together."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from benchmarks.rig.kafka_rounds import Round, committed_total, cpu_s_of, peak_bytes_of, running, wait_for
from flowtrack.adapters.kafka.lag import GroupOffsets, LogOffsets
from flowtrack.adapters.kafka.settings import KafkaSettings
from flowtrack.tracking.records import Topic

_DONE_S = 300.0


def measure_together(
    command: list[str], settings: KafkaSettings, group: str, folder: Path, *, workers: int, fill: Callable[[], int]
) -> Round:
    """Start workers, have events published once all of them are ready, and give what they took together.

    The clock runs from the first event published to the last one committed.

    Args:
        command: a worker; each is started in a folder of its own.
        settings: where Kafka is.
        group: the workers' consumer group.
        folder: where they may leave what they like.
        workers: how many.
        fill: publishes the events.

    Raises:
        RuntimeError: a worker ended, or they were not done in time.
    """
    places = [(str(Topic.EVENTS), partition) for partition in range(settings.partitions)]
    with ExitStack() as stack:
        offsets = stack.enter_context(GroupOffsets(settings, group))
        running_now, ready_s = [], 0.0
        for number in range(workers):
            home = folder / f"worker-{number}"
            home.mkdir(exist_ok=True)
            process, took_s = stack.enter_context(running(command, settings, home))
            running_now.append(process)
            ready_s = max(ready_s, took_s)
        before = committed_total(offsets, places)
        begun_s, taken_s = time.monotonic(), sum(map(cpu_s_of, running_now))
        fill()
        end = sum(LogOffsets(settings).ends(places).values())
        wait_for(lambda: committed_total(offsets, places) >= end, running_now[0], folder / "worker-0", _DONE_S)
        wall_s, cpu_s = time.monotonic() - begun_s, sum(map(cpu_s_of, running_now)) - taken_s
        peak = sum(map(peak_bytes_of, running_now))
    return Round(events=end - before, wall_s=wall_s, cpu_s=cpu_s, peak_bytes=peak, ready_s=ready_s)
