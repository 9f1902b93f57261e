"""A subject's trail from a ledger in memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

from flowtrack.audit.categories import under
from flowtrack.audit.family import About
from flowtrack.audit.trail import (
    Trail,
    TrailAnswer,
    TrailCategory,
    TrailConsent,
    TrailEvent,
    facts_of,
    particulars_of,
    versions_of,
)
from flowtrack.domain.consent import Notice, UsagePolicy
from flowtrack.domain.instants import from_us, instant_us
from flowtrack.domain.names import Verdict, worst
from flowtrack.testing.ledger_tables import Row
from flowtrack.testing.view import View
from flowtrack.tracking.draft import Situation


def trail(view: View, question: Trail, about: About) -> TrailAnswer:
    """Give a subject's trail."""
    flows = [
        row
        for row in view.flows(question)
        if row["subject"] == question.subject
        and under(row["category"], question.category)
        and question.service in {None, row["service"]}
        and question.kind in {None, row["kind"]}
    ]
    rows = sorted(
        (_event(group, view.judgements()) for group in by_event(flows)),
        key=lambda event: (event.happened_at, event.recorded_at, event.offset),
    )
    ends = [moment for moment in (question.as_of, question.until) if moment is not None]
    consents = consents_of(view, question.subject, min(ends, default=None), question.known_at)
    return TrailAnswer(about=about.judged_by(**versions_of(rows)), rows=rows, consents=consents)


def by_event(flows: Iterable[Row]) -> list[list[Row]]:
    """The rows of each event, by category."""
    events: dict[tuple[str, int, int], list[Row]] = defaultdict(list)
    for row in flows:
        events[row["epoch"], row["source_partition"], row["source_offset"]].append(row)
    return [sorted(group, key=lambda row: str(row["category"])) for group in events.values()]


def worst_of(group: list[Row]) -> str:
    """The verdict of an event."""
    return str(worst([Verdict(row["verdict"]) for row in group]))


def scope_of(row: Row) -> UsagePolicy | None:
    """What a consent record covers."""
    return UsagePolicy.model_validate_json(row["scope"]) if row["scope"] else None


def notice_of(row: Row) -> Notice | None:
    """What the subject saw."""
    return Notice.model_validate_json(row["notice"]) if row["notice"] else None


def consents_of(
    view: View, subject: str, as_of: datetime | None, known_at: datetime | None, record: str | None = None
) -> list[TrailConsent]:
    """Give the states of a subject's consent records at two times."""
    found = [
        _consent(row)
        for row in view.consents(known_at)
        if row["subject"] == subject
        and record in {None, row["record"]}
        and (as_of is None or row["valid_from"] <= instant_us(as_of))
    ]
    return sorted(found, key=lambda each: (each.valid_from, each.recorded_at, each.record, each.event_id))


def _event(group: list[Row], judgements: dict[Situation, Row]) -> TrailEvent:
    first = max(group, key=lambda row: int(row["recorded_at"]))  # what was learned last of any of its categories
    copied = ("event_id", "kind", "service", "purpose", "basis", "recipient", "dataset", "location", "pack", "registry")
    return TrailEvent(
        **{name: first[name] for name in copied},
        happened_at=from_us(first["happened_at"]),
        recorded_at=from_us(first["recorded_at"] * 1000),
        facts=facts_of(first["facts"]),
        particulars=particulars_of(first["particulars"]),
        verdict=worst_of(group),
        suspect=bool(first["suspect"]),
        correlation_id=first["correlation_id"],
        epoch=first["epoch"],
        partition=first["source_partition"],
        offset=first["source_offset"],
        categories=[_category(row, judgements) for row in group if row["category"]],
    )


def _category(row: Row, judgements: dict[Situation, Row]) -> TrailCategory:
    judgement = judgements[row["pack"], row["situation"]]
    copied = ("severity", "rules", "clauses", "reasons", "notes", "gaps")
    return TrailCategory(
        **{name: judgement[name] for name in copied},
        category=row["category"],
        verdict=row["verdict"],
        consent=row["consent"],
        situation=f"{row['situation']:016x}",
        revision=row["revision"],
    )


def _consent(row: Row) -> TrailConsent:
    return TrailConsent(
        **{name: row[name] for name in ("event_id", "record", "kind", "state", "method", "country")},
        valid_from=from_us(row["valid_from"]),
        recorded_at=from_us(row["recorded_at"] * 1000),
        expires=None if row["expires"] is None else from_us(row["expires"]),
        scope=scope_of(row),
        notice=notice_of(row),
    )
