"""What a worker reads and how it closes its batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from flowtrack.adapters.kafka.window import Window

ClosingKind = Literal["transactional", "checkpoint", "planned"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a worker reads and how it closes its batches.

    Args:
        name: the kind of worker, for logs and metrics.
        topics: what it consumes; their partition counts agree, and a worker that owns p owns it in all of them.
        group: the consumer group.
        closing: `transactional` where outputs and offsets must become visible together; `checkpoint` where the
            outputs are elsewhere, or repeats are dropped later; `planned` where they are elsewhere, and each batch is
            promised in a transaction before it is worked (`PlannedSource`). The embedded broker has checkpoints only.
        state_topic: one of `topics`: folded into state before p's first batch, and read ahead of the others.
        windows: bounds what is in flight in output topics that have one.
        batch_records_max: records a batch, state records apart.
        batch_wait_s: how long a batch may fill, the time counted in which the last one is worked.
        answer_within_s: an agent that takes longer over a call is dead, and the process leaves.
        stuck_after_s: with work to do and nothing committed for so long, while the broker answers, it leaves too.
    """

    name: str
    topics: tuple[str, ...]
    group: str
    closing: ClosingKind = "transactional"
    state_topic: str | None = None
    windows: tuple[Window, ...] = ()
    batch_records_max: int = 8_000
    batch_wait_s: float = 0.05
    answer_within_s: float = 15.0
    stuck_after_s: float = 60.0
