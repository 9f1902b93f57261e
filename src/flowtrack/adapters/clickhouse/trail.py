"""A subject's trail from the database: by its key, so that few rows are read however long the ledger is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from pydantic import TypeAdapter

from flowtrack.adapters.clickhouse.judged import UNJUDGED, judgements_of
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.adapters.clickhouse.sums import filters_of
from flowtrack.adapters.clickhouse.times import times_of
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

# What stands is told here and not by the engine: planning sums and groups over so many columns takes as long as reading
# a part. Conditions that do not narrow are left out, since each reads a column of every part before all others.
_ROWS: Final = """
SELECT epoch, source_partition, source_offset, category, revision, sign, event_id, kind,
       toUnixTimestamp64Micro(happened_at) AS happened_us, toUnixTimestamp64Milli(recorded_at) AS recorded_ms, service,
       purpose, basis, recipient, dataset, location, verdict, pack, registry, situation, consent, suspect,
       correlation_id, facts, particulars
FROM flows WHERE subject = {subject:UUID} AND {when} AND {where}
SETTINGS optimize_use_projections = 0, max_threads = 2"""
_FILTERS: Final = {"category": "flows.category", "service": "flows.service", "kind": "flows.kind"}
_KEY: Final = ("epoch", "source_partition", "source_offset", "category", "revision")
_CONSENTS: Final = """
SELECT event_id, record, kind, state, toUnixTimestamp64Micro(valid_from) AS valid_us,
       toUnixTimestamp64Milli(recorded_at) AS recorded_ms, toUnixTimestamp64Micro(expires) AS expires_us, scope, notice,
       method, country, decision_offset
FROM consents WHERE subject = {subject:UUID} AND recorded_at <= fromUnixTimestamp64Micro({known_at:Int64}, 'UTC')
SETTINGS optimize_use_projections = 0"""
_SAID: Final = (
    *("event_id", "record", "kind", "state", "valid_us", "expires_us"),
    *("scope", "notice", "method", "country"),
)
_EVER_US = 1 << 57  # some year 6500

_scope = TypeAdapter(UsagePolicy)
_notice = TypeAdapter(Notice)


def trail(store: Store, question: Trail, about: About) -> TrailAnswer:
    """Give a subject's trail.

    Raises:
        StoreError: the database cannot answer.
    """
    times = times_of(question)
    where, filters = filters_of(question, _FILTERS)
    statement = _ROWS.replace("{when}", times.exact).replace("{where}", where)
    found = standing_rows(store.named(statement, **times.parameters, **filters, subject=question.subject), _KEY)
    found.sort(key=lambda row: (row["source_offset"], row["category"]))
    judgements = judgements_of(store, {(row["pack"], row["situation"]) for row in found})
    rows = sorted(
        (_event(group, judgements) for group in _by_event(found)),
        key=lambda event: (event.happened_at, event.recorded_at, event.offset),
    )
    return TrailAnswer(
        about=about.judged_by(**versions_of(rows)),
        rows=rows,
        consents=consents_of(store, question.subject, _ended(question), question.known_at),
    )


def standing_rows(rows: Iterable[dict[str, Any]], key: Sequence[str]) -> list[dict[str, Any]]:
    """Give what stands of some rows, each once, since it was known first: a retraction cancels what it retracts.

    Args:
        rows: of `flows`, with their sign and, as `recorded_ms`, when they were recorded.
        key: the columns that tell what is one thing.
    """
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        named = tuple(row[name] for name in key)
        before = found.setdefault(named, row)
        if before is not row:
            before["sign"] += row["sign"]
            before["recorded_ms"] = min(before["recorded_ms"], row["recorded_ms"])
    return [row for row in found.values() if row["sign"] > 0]


def consents_of(
    store: Store, subject: str, as_of: datetime | None, known_at: datetime | None, record: str = ""
) -> list[TrailConsent]:
    """Give the states of a subject's consent records at two times, in the order in which they took effect.

    Args:
        store: open.
        subject: whose.
        as_of: only what had taken effect by then.
        known_at: only what was recorded by then.
        record: only of this one.
    """
    known_us, as_of_us = (_EVER_US if moment is None else instant_us(moment) for moment in (known_at, as_of))
    found = _last_states(store.named(_CONSENTS, subject=subject, known_at=known_us))
    consents = [_consent(row) for row in found if record in {"", row["record"]} and row["valid_us"] <= as_of_us]
    return sorted(consents, key=lambda each: (each.valid_from, each.recorded_at, each.record, each.event_id))


def _last_states(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The last of what came under the same ids, as for the checker, known since it was said first.

    A new broker is given all records once more.
    """
    last: dict[tuple[str, str], tuple[tuple[int, int], dict[str, Any], tuple[Any, ...]]] = {}
    first_ms: dict[tuple[Any, ...], int] = {}
    for row in rows:
        said = tuple(row[name] for name in _SAID)
        first_ms[said] = min(first_ms.get(said, row["recorded_ms"]), row["recorded_ms"])
        order = (row["recorded_ms"], row["decision_offset"])
        named = (row["record"], row["event_id"])
        if named not in last or order > last[named][0]:
            last[named] = (order, row, said)
    return [{**row, "recorded_ms": first_ms[said]} for _, row, said in last.values()]


def _ended(question: Trail) -> datetime | None:
    ends = [moment for moment in (question.as_of, question.until) if moment is not None]
    return min(ends, default=None)


def _by_event(flows: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Rows of the same event together; of its categories some may have been judged anew, and so stand apart."""
    events: dict[tuple[str, int, int], list[dict[str, Any]]] = defaultdict(list)
    for row in flows:
        events[row["epoch"], row["source_partition"], row["source_offset"]].append(row)
    return list(events.values())


def _event(rows: list[dict[str, Any]], judgements: dict[tuple[str, int], dict[str, Any]]) -> TrailEvent:
    first = max(rows, key=lambda row: int(row["recorded_ms"]))  # what was learned last of any of its categories
    return TrailEvent(
        event_id=first["event_id"],
        kind=first["kind"],
        happened_at=from_us(first["happened_us"]),
        recorded_at=from_us(first["recorded_ms"] * 1000),
        service=first["service"],
        purpose=first["purpose"],
        basis=first["basis"],
        recipient=first["recipient"],
        dataset=first["dataset"],
        location=first["location"],
        facts=facts_of(first["facts"]),
        particulars=particulars_of(first["particulars"]),
        verdict=worst([Verdict(row["verdict"]) for row in rows]),
        pack=first["pack"],
        registry=first["registry"],
        suspect=bool(first["suspect"]),
        correlation_id=first["correlation_id"],
        epoch=first["epoch"],
        partition=first["source_partition"],
        offset=first["source_offset"],
        categories=[
            _category(row, judgements.get((row["pack"], row["situation"]), UNJUDGED)) for row in rows if row["category"]
        ],
    )


def _category(row: dict[str, Any], judgement: dict[str, Any]) -> TrailCategory:
    return TrailCategory(
        category=row["category"],
        verdict=row["verdict"],
        severity=judgement["severity"],
        rules=judgement["rules"],
        clauses=judgement["clauses"],
        reasons=judgement["reasons"],
        notes=judgement["notes"],
        gaps=judgement["gaps"],
        consent=row["consent"],
        situation=f"{row['situation']:016x}",
        revision=row["revision"],
    )


def _consent(row: dict[str, Any]) -> TrailConsent:
    return TrailConsent(
        event_id=row["event_id"],
        record=row["record"],
        kind=row["kind"],
        state=row["state"],
        valid_from=from_us(row["valid_us"]),
        recorded_at=from_us(row["recorded_ms"] * 1000),
        expires=None if row["expires_us"] is None else from_us(row["expires_us"]),
        scope=_scope.validate_json(row["scope"]) if row["scope"] else None,
        notice=_notice.validate_json(row["notice"]) if row["notice"] else None,
        method=row["method"],
        country=row["country"],
    )
