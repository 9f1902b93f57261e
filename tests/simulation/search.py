"""Running many plots, and making one that fails as small as it can be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from structlog.testing import capture_logs

from tests.simulation.laws import Broken, broken_laws
from tests.simulation.plot import Plot
from tests.simulation.world import Logic, World

REAL = Logic()
TURNS = 12
"""Courses of events tried for each smaller day."""


def outcome(plot: Plot, logic: Logic = REAL) -> list[Broken]:
    """Run a plot and give the laws that it breaks."""
    world = World(plot, logic)
    with capture_logs():
        world.run()
        return broken_laws(world)


def trace_of(plot: Plot, logic: Logic = REAL) -> list[str]:
    """What happens in a plot, step by step."""
    lines: list[str] = []
    with capture_logs():
        World(plot, logic, trace=lines.append).run()
    return lines


def failures(plots: Iterable[Plot], logic: Logic = REAL) -> Iterator[tuple[Plot, list[Broken]]]:
    """The plots that break a law, with what they break."""
    for plot in plots:
        broken = outcome(plot, logic)
        if broken:
            yield plot, broken


def smallest(plot: Plot, logic: Logic = REAL) -> Plot:
    """The same failure with a shorter day and a shorter disturbance: halves are left out while a law still breaks."""
    law = outcome(plot, logic)[0].law

    def fails(candidate: Plot) -> bool:
        return any(broken.law == law for broken in outcome(candidate, logic))

    best = plot.spelt_out()
    shrunk = True
    while shrunk:
        shrunk = False
        for candidate in _smaller(best):
            turns = (replace(candidate, turn=turn) for turn in (candidate.turn, *range(TURNS)))
            failing = next(filter(fails, turns), None)  # a shorter day takes another course
            if failing is not None:
                best, shrunk = failing, True
                break
    return best


def _smaller(plot: Plot) -> Iterator[Plot]:
    steps, kept = plot.disturbed_steps or 0, plot.kept or ()
    piece = steps
    while piece:
        yield replace(plot, disturbed_steps=steps - piece)
        piece //= 2
    piece = len(kept) // 2
    while piece:
        for start in range(0, len(kept), piece):
            rest = kept[:start] + kept[start + piece :]
            if rest:
                yield replace(plot, kept=rest)
        piece //= 2
