"""What a run of the simulator depends on, and nothing else."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from tests.simulation.day import Arrival, day_of
from tests.simulation.rules import changes


@dataclass(frozen=True)
class Plot:
    """Everything that a run depends on.

    Args:
        seed: of the day and of all that happens.
        transactional: whether the checker and the alerter close their batches by transactions; without, all is as on
            the embedded broker, where a group has one worker and nobody is fenced.
        compaction: whether the consents topic is compacted while the platform runs.
        rules: whether packs and registry change meanwhile.
        disks: whether checkers keep snapshots, on disks to which things happen.
        disturbed_steps: how long things go wrong; none for as long as the seed says.
        kept: which arrivals of the day happen; none for all.
        turn: another course of events over the same day.
    """

    seed: int
    transactional: bool = True
    compaction: bool = False
    rules: bool = False
    disks: bool = False
    disturbed_steps: int | None = None
    kept: tuple[int, ...] | None = None
    turn: int = 0

    def day(self) -> list[Arrival]:
        """The day of this plot."""
        chance = random.Random(f"day {self.seed}")
        day = day_of(chance, chance.randint(4, 30))
        for change in changes(chance) if self.rules else ():
            day.insert(chance.randint(0, len(day)), change)
        return day if self.kept is None else [day[index] for index in self.kept]

    def spelt_out(self) -> Plot:
        """The same plot with nothing left to the seed that can be made smaller."""
        steps = self.disturbed_steps
        if steps is None:
            steps = random.Random(f"steps {self.seed}").randint(0, 250)
        return replace(self, disturbed_steps=steps, kept=self.kept or tuple(range(len(self.day()))))
