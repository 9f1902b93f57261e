"""What `flowtrack ask` shows."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from flowtrack.apps.ledger import open_ledger
from flowtrack.apps.ledger_packs import packs_of
from flowtrack.apps.questions import completeness_of, instant
from flowtrack.apps.screen import Lines, Part, Screen, Table
from flowtrack.audit.coverage import CoverageReport, cover
from flowtrack.audit.questions import Orphans, Period

if TYPE_CHECKING:
    from flowtrack.audit.answers import CompleteUpTo
    from flowtrack.domain.model import Contract

Rows = list[list[str | int]]

_CELL_NAMES = 4  # so many names in a cell; the JSON has all
_ROWS = 40


def coverage(data_dir: Path, *, since: str, until: str, known_at: str, as_json: bool) -> None:
    """Show rules, clauses, and situations under no rule.

    Raises:
        StoreError: there is no ledger, or it does not answer.
        PackError: a pack among its documents cannot be read.
    """
    period = Period(
        since=instant("--since", since), until=instant("--until", until), known_at=instant("--known-at", known_at)
    )
    with open_ledger(data_dir) as ledger:
        answer = cover(ledger, period, packs_of(ledger))
    _show(answer, answer.completeness, as_json, *_coverage_parts(answer))


def _coverage_parts(answer: CoverageReport) -> list[Part]:
    rules: Rows = [
        [each.rule, each.set, ", ".join(each.clauses), each.matched, each.decided]
        for each in sorted(answer.rules, key=lambda each: (each.pack, -each.decided, -each.matched))
    ]
    clauses: Rows = [[each.clause, each.status, each.rules, each.cited] for each in answer.clauses]
    never = [each.clause for each in answer.clauses if each.status == "enforced" and not each.cited]
    uncovered: Rows = [
        [
            each.verdict,
            each.flows,
            _some([*each.reasons, *each.gaps]),
            _some(each.services),
            _some(each.categories),
            each.sample_events[0] if each.sample_events else "",
        ]
        for each in answer.uncovered
    ]
    title = f"Under no rule: {answer.uncovered_situations:,} situations, {answer.uncovered_flows:,} flows"
    lines = [f"clauses that no verdict cites: {', '.join(never) or 'none'}"]
    if answer.unknown_packs:
        lines.append(f"packs that the ledger does not have: {', '.join(answer.unknown_packs)}")
    if answer.unread:
        lines.append(f"{answer.unread:,} flows whose situation is not defined: no rule could be matched with them")
    return [
        Table("Rules", ["rule", "for", "clauses", "matched", "decided"], rules),
        Table("Clauses", ["clause", "status", "rules", "cited"], clauses),
        Table(title, ["verdict", "flows", "why", "services", "categories", "an event"], uncovered),
        Lines("Never, or not known", lines),
    ]


def orphans(data_dir: Path, *, as_json: bool) -> bool:
    """Show what the ledger refers to and does not have, and give whether there is something.

    Raises:
        StoreError: there is no ledger, or it does not answer.
    """
    with open_ledger(data_dir) as ledger:
        answer = ledger.orphans(Orphans())
    rows: Rows = [[each.what, each.name or "-", each.flows, _some(each.sample_events)] for each in answer.orphans]
    _show(
        answer,
        answer.completeness,
        as_json,
        Table(f"Orphans: {len(rows):,}", ["what is missing", "name", "flows", "events"], rows[:_ROWS]),
    )
    return bool(answer.orphans)


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:_CELL_NAMES])
    return f"{shown} and {len(names) - _CELL_NAMES} more" if len(names) > _CELL_NAMES else shown


def _show(answer: Contract, completeness: CompleteUpTo, as_json: bool, *parts: Part) -> None:
    if as_json:
        sys.stdout.write(answer.model_dump_json(indent=2) + "\n")
        return
    Screen().show(*parts, completeness_of(completeness))
