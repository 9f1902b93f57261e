"""Run the simulator: `python -m tests.simulation --seed 1 --runs 10000`.

A failure is printed with its seed, made as small as it can be, and told step by step; `--seed N --runs 1 --trace` tells
any run.  Exit status 1 when a law broke.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator

from tests.simulation.plot import Plot
from tests.simulation.search import failures, outcome, smallest, trace_of


def main() -> int:
    """Run as the command line says."""
    options = _options()
    plots = [_plot(options, options.seed + number) for number in range(options.runs)]
    began_s = time.perf_counter()
    broken = 0
    for plot, laws in failures(_watched(plots)):
        broken += 1
        if broken <= options.shown:
            _show(plot, [f"{law.law}: {law.where}" for law in laws], shrink=not options.as_it_is)
    spent_s = time.perf_counter() - began_s
    _say(f"{options.runs} runs, {broken} broke a law, {60 * options.runs / max(spent_s, 1e-9):,.0f} runs a minute")
    if options.trace and options.runs == 1:
        _say(*trace_of(plots[0]))
    return 1 if broken else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description="Days of faults, from seeds.")
    parser.add_argument("--seed", type=int, default=1, help="of the first run; each further run takes the next")
    parser.add_argument("--runs", type=int, default=1_000)
    parser.add_argument("--checkpoint", action="store_true", help="without transactions, as on the embedded broker")
    parser.add_argument("--compaction", action="store_true", help="the consents topic is compacted meanwhile")
    parser.add_argument("--rules", action="store_true", help="packs and registry change meanwhile")
    parser.add_argument("--disks", action="store_true", help="checkers keep snapshots, on disks that fail")
    parser.add_argument("--steps", type=int, help="disturbed steps, of a run that was printed")
    parser.add_argument("--kept", help="arrivals of the day that happen, likewise: numbers and commas")
    parser.add_argument("--turn", type=int, default=0, help="course of events, likewise")
    parser.add_argument("--shown", type=int, default=1, help="how many failures to tell")
    parser.add_argument("--as-it-is", action="store_true", help="do not look for a smaller run that fails likewise")
    parser.add_argument("--trace", action="store_true", help="tell what happens, with --runs 1")
    return parser.parse_args()


def _plot(options: argparse.Namespace, seed: int) -> Plot:
    return Plot(
        seed,
        transactional=not options.checkpoint,
        compaction=options.compaction,
        rules=options.rules,
        disks=options.disks,
        disturbed_steps=options.steps,
        kept=None if options.kept is None else tuple(int(index) for index in options.kept.split(",")),
        turn=options.turn,
    )


def _watched(plots: list[Plot]) -> Iterator[Plot]:
    for number, plot in enumerate(plots):
        if sys.stderr.isatty() and number % 200 == 0:
            sys.stderr.write(f"\r{number} of {len(plots)}")
        yield plot


def _show(plot: Plot, laws: list[str], *, shrink: bool) -> None:
    _say(f"seed {plot.seed} breaks:", *(f"  {law}" for law in laws))
    if not shrink:
        return
    small = smallest(plot)
    flags = [
        *(["--checkpoint"] if not small.transactional else []),
        *(["--compaction"] if small.compaction else []),
        *(["--rules"] if small.rules else []),
        *(["--disks"] if small.disks else []),
    ]
    kept = ",".join(map(str, small.kept or ()))
    _say(
        "the same in small:",
        *(f"  {law.law}: {law.where}" for law in outcome(small)),
        *(f"  {line}" for line in trace_of(small)),
        f"again: python -m tests.simulation --seed {small.seed} --runs 1 --steps {small.disturbed_steps} "
        f"--kept {kept} --turn {small.turn} --as-it-is --trace {' '.join(flags)}",
    )


def _say(*lines: str) -> None:
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    sys.exit(main())
