"""Clause coverage, in a ledger in memory."""

from __future__ import annotations

from datetime import datetime

from flowtrack.audit.coverage import Coverage, CoverageAnswer, cover, packs_among
from flowtrack.audit.family import About
from flowtrack.domain.instants import instant_us
from flowtrack.policy.pack import Pack
from flowtrack.testing.ledger_tables import Row
from flowtrack.testing.view import View
from flowtrack.tracking import rows as tables


def coverage(view: View, question: Coverage, about: About) -> CoverageAnswer:
    """Give how often clauses and rules decided."""
    return cover(view.groups, question, about, packs_known(view, question.known_at))


def packs_known(view: View, known_at: datetime | None) -> dict[str, Pack]:
    """Give the packs that stood at an instant, by label; those of now without one."""
    last: dict[str, Row] = {}
    for row in sorted(view.tables[tables.DOCUMENTS], key=lambda each: each["recorded_at"]):
        known = known_at is None or row["recorded_at"] * 1000 <= instant_us(known_at)
        if known and row["kind"] == "policy":
            last[row["name"]] = row
    bodies = [row["body"] for _, row in sorted(last.items()) if not row["removed"]]
    return packs_among(bodies)
