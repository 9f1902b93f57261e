"""Sample days, made once for all tests of an area."""

from __future__ import annotations

import pytest

from flowtrack.sample import SampleDay, SampleOptions, sample_day

SMALL = SampleOptions(seed=7, events=2_000, subjects=300)


@pytest.fixture(scope="session")
def small_day() -> SampleDay:
    """A small day."""
    return sample_day(SMALL)


@pytest.fixture(scope="session")
def full_day() -> SampleDay:
    """The day of the demo."""
    return sample_day()
