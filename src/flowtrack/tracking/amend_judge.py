"""Judging rows anew one event at a time: the way that is always right, whatever has changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from flowtrack.domain.history import Entry
from flowtrack.policy.decide import Decider
from flowtrack.tracking.amend_rows import (
    FlowRow,
    Knowledge,
    by_event,
    can_be_judged,
    judged_anew,
    judgement_of,
    replaced,
)

JUDGEMENTS_MAX = 200_000
"""Judgements that are remembered as written; then they are written again, which does no harm."""


class RowJudge:
    """Judges standing rows by a marker's rules, and remembers which judgements it has given out."""

    def __init__(self) -> None:
        self._written: set[tuple[str, int]] = set()
        self.counts: Counter[str] = Counter()
        """Rows `judged`, `amended` and `left`: those that do not tell enough of their event."""

    def answers(
        self,
        rows: Iterable[FlowRow],
        decider: Decider,
        histories: Mapping[str, tuple[Entry, ...]],
        knowledge: Knowledge,
    ) -> tuple[list[FlowRow], list[FlowRow]]:
        """Judge rows that stand, and give judgements to write and replacements in pairs.

        Args:
            rows: of any events and subjects.
            decider: the rules that the marker names.
            histories: the subjects' consents; a subject that is not there has none.
            knowledge: the marker.
        """
        judgements: list[FlowRow] = []
        pairs: list[FlowRow] = []
        for event in by_event(rows):
            told = [row for row in event if can_be_judged(row)]
            self.counts["left"] += len(event) - len(told)
            if not told:
                continue
            verdict, found = judged_anew(told, decider, histories.get(told[0]["subject"], ()))
            self.counts["judged"] += len(told)
            for row in told:
                answer = found[row["category"]]
                pair = replaced(row, verdict, answer, knowledge)
                if pair is None:
                    continue
                pairs += pair
                key = (verdict.pack, pair[1]["situation"])
                if key not in self._written:
                    judgements.append(
                        judgement_of(verdict.pack, answer.judged, answer.situation, knowledge.recorded_at_ms)
                    )
                    self._written.add(key)
        self.counts["amended"] += len(pairs) // 2
        return judgements, pairs

    def forget(self) -> None:
        """Take nothing for written: what was given out last may not have reached the ledger."""
        self._written.clear()
