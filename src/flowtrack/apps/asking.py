"""What `flowtrack ask orphans` shows."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from flowtrack.apps.answer_tables import some
from flowtrack.apps.ledger import open_ledger
from flowtrack.apps.questions import completeness_of
from flowtrack.apps.screen import Part, Screen, Table
from flowtrack.audit.questions import Orphans

if TYPE_CHECKING:
    from flowtrack.audit.answers import CompleteUpTo
    from flowtrack.domain.model import Contract

Rows = list[list[str | int]]

_ROWS = 40


def orphans(data_dir: Path, *, as_json: bool) -> bool:
    """Show what the ledger refers to and does not have, and give whether there is something.

    Raises:
        StoreError: there is no ledger, or it does not answer.
    """
    with open_ledger(data_dir) as ledger:
        answer = ledger.orphans(Orphans())
    rows: Rows = [[each.what, each.name or "-", each.flows, some(each.sample_events)] for each in answer.orphans]
    _show(
        answer,
        answer.completeness,
        as_json,
        Table(f"Orphans: {len(rows):,}", ["what is missing", "name", "flows", "events"], rows[:_ROWS]),
    )
    return bool(answer.orphans)


def _show(answer: Contract, completeness: CompleteUpTo, as_json: bool, *parts: Part) -> None:
    if as_json:
        sys.stdout.write(answer.model_dump_json(indent=2) + "\n")
        return
    Screen().show(*parts, completeness_of(completeness))
