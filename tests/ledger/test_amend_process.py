"""The sink as a process, on the embedded broker, when it meets late knowledge."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest

from flowtrack.adapters.http.client import LedgerClient
from flowtrack.adapters.kafka.replay import read_topic
from flowtrack.adapters.kafka.settings import KafkaSettings
from flowtrack.apps.ports import free_port
from flowtrack.audit.overview import Overview
from flowtrack.audit.trail import Trail
from flowtrack.errors import StoreError
from flowtrack.testing.ledger import MemoryLedger
from flowtrack.tracking.alerter import Alerter
from flowtrack.tracking.alerts import AlertRules, source_of
from flowtrack.tracking.amend_rules import RuleLibrary
from flowtrack.tracking.records import Record, Topic
from flowtrack.tracking.rulebook import Rulebook
from tests.ledger.amending import Messages, Pipeline, more_events, pack_change, registry_change
from tests.ledger.conftest import ASKER
from tests.ledger.day import EPOCH, START_MS
from tests.ledger.test_sink_worker import kafka, publish, sink, wait_until
from tests.policy import world

__all__ = ["kafka"]


def verdicts(ledger: LedgerClient | MemoryLedger) -> list[tuple[str, str, str, int]]:
    """What every trail says, with revisions; nothing while nobody answers."""
    try:
        return sorted(
            (event.event_id, part.category, part.verdict, part.revision)
            for subject in world.SUBJECTS
            for event in ledger.ask(Trail(subject=subject), asker=ASKER).rows
            for part in event.categories
        )
    except StoreError:
        return []


def denied(pipeline: Pipeline) -> set[str]:
    """Where the events stood that the ledger denies, or leaves open, in the end."""
    return {
        source_of(row["source_partition"], row["source_offset"])
        for row in pipeline.rows_standing()
        if row["verdict"] in {"deny", "indeterminate"} and row["kind"] != "incident"
    }


def alerted(kafka: KafkaSettings, pipeline: Pipeline) -> set[str]:
    """Where the events stood that open alerts count, by the checker's findings and what the sink has published."""
    rules = AlertRules(followed_max=10_000, kinds_per_change_max=10_000)
    alerter = Alerter(lambda _: None, clock=lambda: datetime.now(UTC), rules=rules)
    found = [Record(each.topic, 0, 0, START_MS, each.key, each.value) for each in pipeline.found]
    alerter.process([*found, *read_topic(kafka, Topic.AMENDMENTS)])
    return {source for alert in alerter.open for source in alert.followed}


@pytest.mark.slow
def test_a_sink_judges_anew_by_rules_that_it_reads_itself(kafka: KafkaSettings, tmp_path: Path) -> None:
    """Late consents, a registry and a pack that reach back: trails end as in memory, alerts as the ledger."""
    pipeline = Pipeline(MemoryLedger(), Rulebook(), epoch=EPOCH)
    pipeline.library = RuleLibrary()
    pipeline.new_writer("run")
    control = [
        Record(Topic.POLICIES, 0, 0, START_MS, b"default:1", pack_change("1", 0)),
        Record(Topic.REGISTRY, 0, 0, START_MS, b"world:1", registry_change("1", 0, "ghost party")),
        Record(Topic.POLICIES, 0, 1, START_MS, b"default:2", pack_change("2", 2, stricter=True)),
        Record(Topic.REGISTRY, 0, 1, START_MS, b"world:2", registry_change("2", 3, "ghost service")),
    ]
    for each in control[:2]:
        pipeline.learn(each)
    messages = Messages.of(Random(6), 12, 60).shuffled(Random(6))
    for start in range(0, len(messages), 12):
        pipeline.check(messages[start : start + 12])
    for each in control[2:]:
        pipeline.learn(each)
    pipeline.check(more_events(6, 1, 100))
    pipeline.settle()
    expected = verdicts(pipeline.store) if isinstance(pipeline.store, MemoryLedger) else []
    assert {row["decision_offset"] for row in pipeline.rows() if row["sign"] < 0}
    port = free_port()
    with LedgerClient(f"http://127.0.0.1:{port}") as ledger, sink(kafka, tmp_path, port):
        wait_until((tmp_path / "ready").exists, "the sink is ready")
        publish(kafka, [*control, *pipeline.log])
        wait_until(lambda: verdicts(ledger) == expected, "the trails are those of the ledger in memory")
        assert ledger.ask(Overview(), asker=ASKER).flows == len(expected)
        wait_until(lambda: alerted(kafka, pipeline) == denied(pipeline), "alerts are of what the ledger denies")
