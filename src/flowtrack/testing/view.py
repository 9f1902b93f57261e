"""What a family of questions sees of a ledger in memory."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from typing import Any, NamedTuple

from flowtrack.audit.coverage import Groups
from flowtrack.audit.questions import TwoTimes
from flowtrack.domain.instants import from_us
from flowtrack.testing.ledger_tables import Row
from flowtrack.tracking.draft import Situation


class Asked(NamedTuple):
    """A line of the audit log."""

    asked_at: datetime
    asker: str
    question: str
    subject: str
    role: str = ""
    why: str = ""
    parameters: str = ""
    """What else was said, as JSON."""


class View(NamedTuple):
    """What a family sees of a ledger in memory."""

    flows: Callable[[TwoTimes], list[Row]]
    """Rows that stand at a question's two times, of its period."""
    consents: Callable[[datetime | None], list[Row]]
    """Each consent record as it was said last by an instant, or by now."""
    judgements: Callable[[], dict[Situation, Row]]
    tables: Mapping[str, list[Row]]
    audit_log: list[Asked]
    groups: Groups
    """Gives flows in groups."""


def day_of(row: Row) -> date:
    """Give the day on which a flow happened, in UTC."""
    return from_us(row["happened_at"]).date()


def verdicts(rows: Iterable[Row]) -> Counter[str]:
    """Count flows by verdict."""
    return Counter(row["verdict"] for row in rows)


def clauses_of(view: View, rows: Iterable[Row]) -> list[str]:
    """Give the clauses that decided flows, in order; none of what nobody judged."""
    judged = view.judgements()
    met = {(row["pack"], row["situation"]) for row in rows}
    return sorted({clause for key in met for clause in judged.get(key, {"clauses": []})["clauses"]})


MOVING = frozenset({"collect", "use", "share", "store"})
"""Kinds of events in which data moves."""


def attributes_of(view: View) -> dict[Situation, dict[str, Any]]:
    """Give what situations say, of those that are defined."""
    return {key: json.loads(row["attributes"]) for key, row in view.judgements().items() if row["attributes"]}
