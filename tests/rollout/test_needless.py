"""The benchmark of markers runs, and finds no marker too few."""

from __future__ import annotations

import random

from benchmarks.markers import PARTITIONS, prompt, run, slow, versions_of
from flowtrack.sample.day import sample_day
from flowtrack.sample.options import SampleOptions

DAY = sample_day(SampleOptions(events=1_000, subjects=200))


def test_late_consents_leave_no_verdict_wrong() -> None:
    """After a day of late consents, what was judged anew where markers say so is what is known at the end."""
    ledger = run(DAY, slow(random.Random(1)), {})
    told = ledger.counts["consent"]
    assert ledger.wrong() == 0
    assert told.needless <= told.markers


def test_a_registry_that_says_the_same_is_marked_nowhere() -> None:
    """Publishing again what holds already costs no partition a second judging."""
    same = run(DAY, prompt(random.Random(1)), versions_of(DAY, 500, growing=False))
    more = run(DAY, prompt(random.Random(1)), versions_of(DAY, 500, growing=True))
    assert same.counts["registry"].markers == 0
    assert same.wrong() == more.wrong() == 0
    assert more.counts["registry"].markers <= 10 * PARTITIONS
