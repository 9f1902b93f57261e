"""What the checker tells Prometheus of its judging, beside what the source tells of its reading."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from flowtrack.tracking.check import Checker
from flowtrack.tracking.rulebook import Rulebook


class CheckerMetrics(Collector):
    """Asks the checker when it is asked itself, so that counting costs the hot path nothing.

    A counter of what is remembered begins anew when rules change, as after a restart.
    """

    def __init__(self, checker: Checker, rulebook: Rulebook) -> None:
        self._checker = checker
        self._rulebook = rulebook

    def collect(self) -> Iterator[Metric]:
        """Give the figures as they stand."""
        verdicts = CounterMetricFamily("flowtrack_verdicts", "Events judged, by verdict.", labels=["verdict"])
        for verdict, count in self._checker.verdict_counts.items():
            verdicts.add_metric([str(verdict)], count)
        yield verdicts
        decided = self._rulebook.decider.effort()
        yield CounterMetricFamily("flowtrack_resolved", "Events not answered from memory.", value=decided.resolved)
        yield CounterMetricFamily("flowtrack_cold_situations", "Situations judged by Cedar.", value=decided.cold)
        yield GaugeMetricFamily("flowtrack_situations", "Situations remembered.", value=decided.situations)
        yield GaugeMetricFamily("flowtrack_shapes", "Shapes of events remembered.", value=decided.shapes)
        yield GaugeMetricFamily(
            "flowtrack_subjects", "Subjects whose state this worker holds.", value=self._checker.subjects_count
        )
