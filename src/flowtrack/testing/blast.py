"""Blast radius in a ledger in memory."""

from __future__ import annotations

from collections import defaultdict
from datetime import date

from flowtrack.audit.blast import Blast, BlastAnswer, Moved, State, Withdrawal, WithdrawalAnswer, downstream
from flowtrack.audit.categories import under_any
from flowtrack.audit.family import About
from flowtrack.audit.spread import Place, Step, reached_of, spread, steps_of
from flowtrack.domain.instants import from_us, instant_us
from flowtrack.testing.view import MOVING, View, day_of
from flowtrack.tracking import rows as tables

_AT = {"dataset": "dataset", "service": "service", "party": "recipient"}


def blast(view: View, question: Blast, about: About) -> BlastAnswer:
    """Follow data from one place."""
    flows = view.flows(question.model_copy(update={"since": None, "until": None}))
    since_us = 0 if question.since is None else instant_us(question.since)
    until_us = None if question.until is None else instant_us(question.until)
    pairs = {
        (row["subject"], row["category"])
        for row in flows
        if row[_AT[question.start]] == question.name
        and under_any(row["category"], question.categories)
        and (until_us is None or row["happened_at"] < until_us)
    }
    steps = [
        Step(source, target, row["category"], day_of(row), day_of(row))
        for row in flows
        for source, target in steps_of(row["kind"], row["service"], row["recipient"], row["dataset"])
    ]
    start = Place(question.start, question.name)
    categories = sorted({category for _, category in pairs})
    since = date.min if question.since is None else from_us(since_us).date()
    found = spread(start, categories, steps, since, question.hops_max)
    reached: dict[Place, list[str]] = defaultdict(list)
    for row in flows:
        if (row["subject"], row["category"]) in pairs and row["happened_at"] >= since_us:
            for source, target in steps_of(row["kind"], row["service"], row["recipient"], row["dataset"]):
                if source in found:
                    reached[target].append(row["subject"])
    subjects = len({subject for subject, _ in pairs})
    rows = reached_of(
        start, subjects, found, {place: (len(whose), len(set(whose))) for place, whose in reached.items()}
    )
    return BlastAnswer(
        about=about,
        rows=rows,
        subjects=subjects,
        pairs=len(pairs),
        categories=categories,
        notify=sorted(row.name for row in rows if row.notify),
    )


def withdrawal(view: View, question: Withdrawal, about: About) -> WithdrawalAnswer:
    """Give what is downstream of a consent record."""
    names = ("service", "recipient", "dataset", "category", "verdict", "consent")
    flows = [
        Moved._make((row["happened_at"], *(row[name] for name in names)))
        for row in view.flows(question)
        if row["subject"] == question.subject and row["kind"] in MOVING
    ]
    return downstream(about, question, _states(view, question), flows)


def _states(view: View, question: Withdrawal) -> list[State]:
    known_us = None if question.known_at is None else instant_us(question.known_at)
    as_of_us = None if question.as_of is None else instant_us(question.as_of)
    latest: dict[str, State] = {}
    for row in sorted(view.tables[tables.CONSENTS], key=lambda row: (row["recorded_at"], row["decision_offset"])):
        asked = (row["subject"], row["record"]) == (question.subject, question.record)
        if asked and (known_us is None or row["recorded_at"] * 1000 <= known_us):
            latest[row["event_id"]] = State(row["valid_from"], row["state"], row["expires"])
    return [state for state in latest.values() if as_of_us is None or state.valid_us <= as_of_us]
