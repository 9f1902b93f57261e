"""Days of faults, thousands of them: what must hold does, whatever dies when."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.simulation.plants import plants
from tests.simulation.plot import Plot
from tests.simulation.search import failures, outcome, smallest, trace_of
from tests.simulation.world import Logic, World

ROOT = Path(__file__).parent.parent.parent
RUNS = int(os.environ.get("FLOWTRACK_TEST_SIMULATIONS", "2000"))
"""Set it to 100000 to search for ten minutes."""
PARTS = 4
"""So that several processes can share the search."""


def _unknown(plots: list[Plot], *laws: str) -> list[str]:
    return [
        f"seed {plot.seed}: {broken.law}: {broken.where}"
        for plot, found in failures(plots)
        for broken in found
        if broken.law not in laws
    ]


@pytest.mark.parametrize("part", range(PARTS))
def test_laws_hold_exactly_once(part: int) -> None:
    """With transactions nothing is lost, twice, out of order, miscounted or judged otherwise than undisturbed.

    Sinks wake up after others have taken their partitions, and what they sent to the store arrives when it likes.
    """
    assert not _unknown([Plot(1417), *(Plot(seed) for seed in range(part, RUNS, PARTS))])


def test_laws_hold_while_the_rules_change() -> None:
    """Packs and registry change and are taken back at any moment, heard of by each checker in its own time."""
    assert not _unknown([Plot(seed, rules=True) for seed in range(RUNS // 8)])


def test_laws_hold_over_disks_that_fail() -> None:
    """Snapshots of consent state are lost, spoilt or set back: they save time, and change nothing."""
    assert not _unknown([Plot(seed, disks=True) for seed in range(RUNS // 8)])


@pytest.mark.parametrize("transactional", [True, False], ids=["transactions", "checkpoints"])
def test_laws_hold_when_everything_comes_together(*, transactional: bool) -> None:
    """Changing rules, failing disks and compaction at once."""
    plots = [Plot(seed, transactional, compaction=True, rules=True, disks=True) for seed in range(RUNS // 8)]
    assert not _unknown(plots)


def test_laws_hold_with_plain_checkpoints() -> None:
    """Where outputs are seen before they are committed, every event still stands once, with what belongs to it."""
    plots = [Plot(seed, transactional=False) for seed in (182, 307, 325, 449, 660, *range(RUNS // 8))]
    assert not _unknown(plots)


def test_laws_hold_while_the_consents_are_compacted() -> None:
    """Compaction takes what was replaced, and the state is folded from what is left."""
    assert not _unknown(
        [
            Plot(2190, compaction=True),
            Plot(747, compaction=True),
            *(Plot(seed, compaction=True) for seed in range(RUNS // 8)),
        ]
    )


def test_a_seed_runs_the_same_again() -> None:
    """A plot is a function of its seed: the same steps, the same rows."""
    plot = Plot(6)
    assert trace_of(plot) == trace_of(plot)
    first, second = World(plot, Logic()), World(plot, Logic())
    first.run()
    second.run()
    assert first.ledger.tables == second.ledger.tables


def test_a_failure_is_made_small() -> None:
    """A failing plot is cut to fewer arrivals and steps that fail likewise."""
    logic = next(plant.logic for plant in plants() if plant.what == "announces situations once")
    plot = next(plot for plot, _ in failures(map(Plot, range(100)), logic)).spelt_out()
    small = smallest(plot, logic)
    assert {broken.law for broken in outcome(small, logic)} & {broken.law for broken in outcome(plot, logic)}
    assert len(small.kept or ()) < len(plot.kept or ())
    assert (small.disturbed_steps or 0) <= (plot.disturbed_steps or 0)


def test_the_disturbed_world_is_disturbed() -> None:
    """What is to be survived happens: deaths, zombies, aborts, takeovers, late consents, repeats, dead letters."""
    seen: Counter[str] = Counter()
    for seed in range(60):
        seen.update({line[6:28].strip() for line in trace_of(Plot(seed))})
    wanted = {
        *("dies", "gives up", "expires", "sleep", "wake", "stop", "compact", "clock", "store", "fails"),
        *("refused", "undone", "gave up", "between outputs", "offsets sent", "closed, and not told"),
    }
    assert wanted <= set(seen)


def test_the_command_prints_what_it_ran() -> None:
    """`python -m tests.simulation` runs seeds and says how many broke a law."""
    command = [sys.executable, "-m", "tests.simulation", "--seed", "1", "--runs", "3"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("3 runs, 0 broke a law")
