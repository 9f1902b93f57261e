"""Who received, in a ledger in memory."""

from __future__ import annotations

from collections import defaultdict
from datetime import date

from flowtrack.audit.categories import under
from flowtrack.audit.cursors import COUNT, SUBJECT, cursor_of, key_of
from flowtrack.audit.family import About
from flowtrack.audit.received import (
    Received,
    ReceivedAnswer,
    ReceivedRow,
    ReceivedSubjects,
    Recipient,
    RecipientAnswer,
)
from flowtrack.domain.instants import from_us
from flowtrack.testing.ledger_tables import Row
from flowtrack.testing.view import View, clauses_of, day_of, verdicts


def received(view: View, question: Received, about: About) -> ReceivedAnswer:
    """Count what parties received, by category."""
    shares = _shares(view, question)
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in shares:
        groups[row["recipient"], row["category"]].append(row)
    named = question.recipient is not None
    rows = [_row(view, key, group, subjects=named) for key, group in groups.items()]
    rows.sort(key=_order)
    key = key_of(question, (COUNT, str, str))
    behind = [row for row in rows if key is None or _order(row) > (-int(key[0]), str(key[1]), str(key[2]))]
    given = behind[: question.limit]
    if len(behind) > len(given):
        flows, recipient, category = _order(given[-1])
        about = about.cut(len(behind) - len(given), cursor_of(question, [-flows, recipient, category]))
    return ReceivedAnswer(
        about=about.judged_by([row["pack"] for row in shares], []),
        rows=given,
        flows=len(shares),
        denied=sum(row["verdict"] == "deny" for row in shares),
        subjects=len({row["subject"] for row in shares}) if named else None,
    )


def received_subjects(view: View, question: ReceivedSubjects, about: About) -> RecipientAnswer:
    """Give a page of the subjects whose data a party received."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in _shares(view, question):
        groups[row["subject"]].append(row)
    key = key_of(question, (SUBJECT,))
    behind = [subject for subject in sorted(groups) if key is None or subject > str(key[0])]
    given = behind[: question.limit]
    if len(behind) > len(given):
        about = about.cut(None, cursor_of(question, [given[-1]]))
    return RecipientAnswer(about=about, rows=[_recipient(subject, groups[subject]) for subject in given])


def _shares(view: View, question: Received | ReceivedSubjects) -> list[Row]:
    return [
        row
        for row in view.flows(question)
        if row["kind"] == "share"
        and question.recipient in {None, row["recipient"]}
        and under(row["category"], question.category)
        and question.service in {None, row["service"]}
    ]


def _order(row: ReceivedRow) -> tuple[int, str, str]:
    return -row.flows, row.recipient, row.category


def _row(view: View, key: tuple[str, str], group: list[Row], *, subjects: bool) -> ReceivedRow:
    days: list[date] = [day_of(row) for row in group]
    counted = verdicts(group)
    return ReceivedRow(
        recipient=key[0],
        category=key[1],
        flows=len(group),
        denied=counted["deny"],
        indeterminate=counted["indeterminate"],
        subjects=len({row["subject"] for row in group}) if subjects else None,
        services=sorted({row["service"] for row in group}),
        purposes=sorted({row["purpose"] for row in group}),
        clauses=clauses_of(view, group),
        first=min(days),
        last=max(days),
    )


def _recipient(subject: str, group: list[Row]) -> Recipient:
    return Recipient(
        subject=subject,
        flows=len(group),
        denied=verdicts(group)["deny"],
        categories=sorted({row["category"] for row in group}),
        services=sorted({row["service"] for row in group}),
        first=from_us(min(row["happened_at"] for row in group)),
        last=from_us(max(row["happened_at"] for row in group)),
    )
