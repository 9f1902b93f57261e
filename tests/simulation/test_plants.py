"""Faults that somebody could make, planted one at a time: the simulator finds each."""

from __future__ import annotations

from contextlib import nullcontext
from unittest.mock import patch

import pytest

from tests.simulation.plants import Plant, plants
from tests.simulation.plot import Plot
from tests.simulation.search import failures

RUNS_MAX = 1_000


@pytest.mark.parametrize("plant", list(plants()), ids=lambda plant: plant.what.replace(" ", "-"))
def test_a_planted_fault_is_found(plant: Plant) -> None:
    """Within a thousand runs a law breaks, which the sound logic keeps in all of them."""
    plots = (
        Plot(seed, transactional=plant.transactional, rules=plant.rules, disks=plant.disks) for seed in range(RUNS_MAX)
    )
    with patch.object(*plant.patch) if plant.patch is not None else nullcontext():
        found = next(failures(plots, plant.logic), None)
    assert found is not None
