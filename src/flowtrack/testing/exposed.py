"""Exposed subjects in a ledger in memory."""

from __future__ import annotations

from collections import defaultdict

from flowtrack.audit.categories import under_any
from flowtrack.audit.cursors import SUBJECT, cursor_of, key_of
from flowtrack.audit.exposed import ExposedAnswer, ExposedSubject, ExposedSubjects, ledger_order
from flowtrack.audit.family import About
from flowtrack.domain.instants import from_us
from flowtrack.testing.ledger_tables import Row
from flowtrack.testing.view import View

_AT = {"dataset": "dataset", "service": "service", "party": "recipient"}


def exposed_subjects(view: View, question: ExposedSubjects, about: About) -> ExposedAnswer:
    """Give a page of the subjects whose data was in a place."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in view.flows(question):
        if row[_AT[question.start]] == question.name and under_any(row["category"], question.categories):
            groups[row["subject"]].append(row)
    key = key_of(question, (SUBJECT,))
    everybody = sorted(groups, key=ledger_order)
    behind = [each for each in everybody if key is None or ledger_order(each) > ledger_order(str(key[0]))]
    given = behind[: question.limit]
    if len(behind) > len(given):
        about = about.cut(None, cursor_of(question, [given[-1]]))
    rows = [_exposed(subject, groups[subject]) for subject in given]
    return ExposedAnswer(about=about, rows=rows, subjects=len(everybody) if key is None else None)


def _exposed(subject: str, rows: list[Row]) -> ExposedSubject:
    return ExposedSubject(
        subject=subject,
        categories=sorted({row["category"] for row in rows}),
        flows=len(rows),
        first=from_us(min(row["happened_at"] for row in rows)),
        last=from_us(max(row["happened_at"] for row in rows)),
    )
