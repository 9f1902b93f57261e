"""The checker process: events and consents in, decisions out, one Kafka transaction a batch."""

from __future__ import annotations

import gc
import os
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from flowtrack.apps.child import READY_FILE
from flowtrack.apps.groups import ALERTER_GROUP, CHECKER_GROUP, SINK_GROUP
from flowtrack.apps.settings import HealthSettings, read
from flowtrack.tracking.records import Topic

if TYPE_CHECKING:
    from flowtrack.adapters.kafka.lag import GroupOffsets, LogOffsets
    from flowtrack.adapters.kafka.settings import KafkaSettings
    from flowtrack.adapters.snapshots.settings import SnapshotSettings
    from flowtrack.tracking.snapshot import Snapshots


# A batch makes tens of thousands of tuples that hold no cycles; by default every 700 more of them start a collection.
# Measured on a real Kafka: 1.23 to 1.40 times as many events per CPU second, at the same peak of memory.  Not for the
# sink: its batches leave cycles behind, and it grew by 100 MiB.
COLLECTOR = (100_000, 50, 100)
"""Thresholds of the cyclic garbage collector in a checker."""

# 50 transactions a second at most: from publishing to a readable decision it takes half as long as with 0.05, and a
# quarter more processor time at 5,000 events a second, where there is enough of it (docs/performance.md).
_BATCH_WAIT_S = 0.02


def run() -> int:
    """Judge until SIGTERM or SIGINT, and give the exit status.

    Raises:
        ConfigurationError: a setting is wrong.
        BrokerError: Kafka does not answer, or the topics are not as they have to be.
    """
    from prometheus_client import REGISTRY

    from flowtrack.adapters.kafka.lag import GroupOffsets, LogOffsets
    from flowtrack.adapters.kafka.settings import KafkaSettings
    from flowtrack.adapters.kafka.window import Window
    from flowtrack.adapters.kafka.worker import run_worker
    from flowtrack.adapters.snapshots.settings import SnapshotSettings
    from flowtrack.apps.checker_metrics import CheckerMetrics
    from flowtrack.apps.keys import PolicySettings
    from flowtrack.apps.rollout_metrics import RolloutMetrics
    from flowtrack.apps.rules import rules_are_there
    from flowtrack.tracking.check import Checker
    from flowtrack.tracking.rollout import PackVersion
    from flowtrack.tracking.rulebook import Rulebook

    gc.set_threshold(*COLLECTOR)
    kafka, state = read(KafkaSettings), read(SnapshotSettings)
    keys, port = read(PolicySettings).keys(), read(HealthSettings).port
    accepted: dict[bytes, PackVersion] = {}
    if not rules_are_there(kafka, Rulebook(keys=keys, accepted=accepted), port):
        return 0
    rulebook = Rulebook(keys=keys, accepted=accepted)
    group, log = GroupOffsets(kafka, CHECKER_GROUP), LogOffsets(kafka)
    checker = Checker(
        rulebook,
        kafka.partitions,
        judged_before=partial(_judged_before, group, log),
        epoch=kafka.epoch,
        noted=partial(_noted, group, kafka),
        snapshots=_snapshots(state, compacted=not kafka.embedded),
        consents_end=lambda partition: log.ends([(Topic.CONSENTS, partition)])[Topic.CONSENTS, partition],
        seen_early=kafka.embedded,
    )
    REGISTRY.register(CheckerMetrics(checker, rulebook))
    REGISTRY.register(RolloutMetrics(rulebook))
    windows: tuple[Window, ...] = ()
    if kafka.embedded:
        windows = (
            Window(kafka, Topic.DECISIONS, (SINK_GROUP,)),
            Window(kafka, Topic.FINDINGS, (ALERTER_GROUP,)),
            Window(kafka, Topic.DEADLETTERS, (SINK_GROUP,)),
        )
    ready_file = os.environ.get(READY_FILE)
    return run_worker(
        "checker",
        kafka,
        checker,
        topics=(Topic.EVENTS, Topic.CONSENTS),
        group=CHECKER_GROUP,
        closing="checkpoint" if kafka.embedded else "transactional",
        state_topic=Topic.CONSENTS,
        control_handlers={Topic.POLICIES: rulebook.take_policy, Topic.REGISTRY: rulebook.take_registry},
        on_poison=checker.quarantine,
        windows=windows,
        batch_wait_s=_BATCH_WAIT_S,
        http_port=port,
        ready_file=Path(ready_file) if ready_file else None,
    )


def _snapshots(settings: SnapshotSettings, *, compacted: bool) -> Snapshots | None:
    """Where consent state outlives the worker; the embedded broker never compacts."""
    from flowtrack.adapters.snapshots.folder import SnapshotFolder
    from flowtrack.adapters.snapshots.stored import StoredStates

    if settings.dir is None:
        return None
    since = partial(_tombstones_since_ms, settings) if compacted else int
    if settings.histories == "disk":
        return StoredStates(settings.dir, settings.recent_subjects, since)
    return SnapshotFolder(settings.dir, since)


def _tombstones_since_ms(settings: SnapshotSettings) -> int:
    return int((time.time() - settings.age_max_hours * 3_600) * 1_000)


def _noted(group: GroupOffsets, kafka: KafkaSettings, partition: int) -> list[str]:
    """What the last commits of a partition note; nothing where, behind a plain checkpoint, it is not all."""
    from flowtrack.adapters.kafka.lag import LogOffsets
    from flowtrack.adapters.kafka.replay import read_partition
    from flowtrack.tracking.succession import judged_beyond

    events, decisions = (Topic.EVENTS, partition), (Topic.DECISIONS, partition)
    if kafka.embedded:
        log = LogOffsets(kafka)
        start, end = log.starts([decisions])[decisions], log.ends([decisions])[decisions]
        committed = group.committed([events]).get(events, 0)
        if judged_beyond(read_partition(kafka, *decisions, start, end), committed):
            return []
    return group.notes([events, (Topic.CONSENTS, partition)])


def _judged_before(group: GroupOffsets, log: LogOffsets, partition: int) -> bool:
    """Whether events of a partition were judged by an earlier worker.

    Behind a plain checkpoint decisions are visible before the offsets of their events are committed, so they count too.
    """
    if any(group.committed([(Topic.EVENTS, partition)]).values()):
        return True
    return any(log.ends([(Topic.DECISIONS, partition)]).values())
