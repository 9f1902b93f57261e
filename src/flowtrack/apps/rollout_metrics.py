"""What a worker tells Prometheus of the versions of rules and registry that it knows, and in which state each is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from flowtrack.tracking.rulebook import Rulebook

_SECOND_US = 1_000_000


def _now_us() -> int:
    return int(time.time() * _SECOND_US)


class RolloutMetrics(Collector):
    """One line a version, always 1: `in_force`, `scheduled`, `superseded` or `refused`.

    So an alert can ask for a version that some workers have and others have not, or for any that was refused.

    Args:
        rulebook: whose versions.
        now_us: the time by which a pack has begun or not, in microseconds since 1970.
    """

    def __init__(self, rulebook: Rulebook, now_us: Callable[[], int] = _now_us) -> None:
        self._rulebook = rulebook
        self._now_us = now_us

    def collect(self) -> Iterator[Metric]:
        """Give the versions as they stand."""
        versions = GaugeMetricFamily(
            "flowtrack_rules_version",
            "Versions of packs (policy) and registry documents that are known: 1.",
            labels=["kind", "name", "version", "state"],
        )
        for each in self._rulebook.listing(self._now_us()):
            versions.add_metric([each.kind, each.name, each.version, each.state], 1)
        yield versions
