"""What the checker tells Prometheus is what it did."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from flowtrack.apps.checker_metrics import CheckerMetrics
from flowtrack.policy.pack import default_pack
from flowtrack.tracking.check import Checker
from flowtrack.tracking.records import Record, Topic
from flowtrack.tracking.rulebook import Rulebook

SUBJECT = "0" * 32


def test_figures_follow_what_was_committed() -> None:
    """Verdicts count once their batch is committed; what is held is told as it is."""
    rulebook = Rulebook([default_pack()])
    checker = Checker(rulebook, 1, lambda _: False)
    registry = CollectorRegistry()
    registry.register(CheckerMetrics(checker, rulebook))
    checker.assigned(0, ())
    checker.process([Record(Topic.EVENTS, 0, 0, 0, SUBJECT.encode(), b"no json")])
    assert registry.get_sample_value("flowtrack_verdicts_total", {"verdict": "dead_letter"}) == 0
    checker.committed()
    assert registry.get_sample_value("flowtrack_verdicts_total", {"verdict": "dead_letter"}) == 1
    assert registry.get_sample_value("flowtrack_subjects") == 0
    assert registry.get_sample_value("flowtrack_cold_situations_total") == 0
