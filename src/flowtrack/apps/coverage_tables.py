"""Clause coverage on a terminal: what decided most comes first, and what never did is named."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from flowtrack.apps.screen import Lines, Part, Table
from flowtrack.audit.coverage import CoverageAnswer

Rows = list[list[str | int]]
_WHY: Final = ["verdict", "flows", "why", "services", "categories", "an event"]


def tables_of(answer: CoverageAnswer, some: Callable[[Sequence[str]], str]) -> list[Part]:
    """Give the answer as tables.

    Args:
        answer: the ledger's.
        some: gives the first of some names, and how many more there are.
    """
    clauses: Rows = [[each.clause, each.status, each.rules, each.cited] for each in answer.rows]
    rules: Rows = [
        [each.rule, each.set, ", ".join(each.clauses), each.matched, each.decided]
        for each in sorted(answer.rules, key=lambda each: (each.pack, -each.decided, -each.matched))
    ]
    uncovered: Rows = [
        [
            each.verdict,
            each.flows,
            some([*each.reasons, *each.gaps]),
            some(each.services),
            some(each.categories),
            each.sample_events[0] if each.sample_events else "",
        ]
        for each in answer.uncovered
    ]
    title = f"Under no rule: {answer.uncovered_situations:,} situations, {answer.uncovered_flows:,} flows"
    return [
        Table("Rules", ["rule", "for", "clauses", "matched", "decided"], rules),
        Table("Clauses", ["clause", "status", "rules", "cited"], clauses),
        Table(title, _WHY, uncovered),
        Lines("Never, or not known", _never(answer)),
    ]


def _never(answer: CoverageAnswer) -> list[str]:
    never = [each.clause for each in answer.rows if each.status == "enforced" and not each.cited]
    lines = [f"clauses that no verdict cites: {', '.join(never) or 'none'}"]
    if answer.unknown_packs:
        lines.append(f"packs that the ledger does not have: {', '.join(answer.unknown_packs)}")
    if answer.unread:
        lines.append(f"{answer.unread:,} flows whose situation is not defined: no rule could be matched with them")
    return lines
