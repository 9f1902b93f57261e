"""A subject's trail from the database: by its key, so that few rows are read however long the ledger is."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import Any, Final

from pydantic import TypeAdapter

from flowtrack.adapters.clickhouse.store import Store
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

# A retraction cancels what it retracts by its sign.
_ROWS: Final = """
SELECT epoch, source_partition, source_offset, category, revision,
       any(event_id) AS event_id, any(kind) AS kind, toUnixTimestamp64Micro(any(happened_at)) AS happened_us,
       toUnixTimestamp64Milli(min(recorded_at)) AS recorded_ms, any(service) AS service, any(purpose) AS purpose,
       any(basis) AS basis, any(recipient) AS recipient, any(dataset) AS dataset, any(location) AS location,
       any(verdict) AS verdict, any(pack) AS pack, any(registry) AS registry, any(situation) AS situation,
       any(consent) AS consent, any(suspect) AS suspect, any(correlation_id) AS correlation_id,
       any(flows.facts) AS facts, any(flows.particulars) AS particulars
FROM flows
WHERE subject = {subject:UUID} AND {when}
  AND ({its_category:String} IN ('', flows.category) OR startsWith(flows.category, concat({its_category:String}, '.')))
  AND {its_service:String} IN ('', flows.service) AND {its_kind:String} IN ('', flows.kind)
GROUP BY epoch, source_partition, source_offset, category, revision
HAVING sum(sign) > 0
ORDER BY source_offset, category SETTINGS optimize_use_projections = 0"""
_JUDGEMENTS: Final = """
SELECT pack, situation, severity, rules, clauses, reasons, notes, gaps FROM judgements
WHERE pack IN {packs:Array(String)} AND situation IN {situations:Array(UInt64)}
ORDER BY defined DESC LIMIT 1 BY pack, situation"""
# Of a record that came again under its ids the last state counts, as for the checker; it is known since it was said
# first, since a new broker is given all records once more.
_CONSENTS: Final = """
SELECT event_id, record, kind, state, valid_us, recorded_ms, expires_us, scope, notice, method, country FROM
(
    SELECT event_id, record, kind, state, valid_from, toUnixTimestamp64Micro(valid_from) AS valid_us,
           toUnixTimestamp64Milli(min(recorded_at)) AS recorded_ms, toUnixTimestamp64Micro(expires) AS expires_us,
           scope, notice, method, country
    FROM consents
    WHERE subject = {subject:UUID} AND recorded_at <= fromUnixTimestamp64Micro({known_at:Int64}, 'UTC')
    GROUP BY event_id, record, kind, state, valid_from, expires, scope, notice, method, country
    ORDER BY max((recorded_at, decision_offset)) DESC LIMIT 1 BY record, event_id
)
WHERE valid_from <= fromUnixTimestamp64Micro({as_of:Int64}, 'UTC') SETTINGS optimize_use_projections = 0"""
_EVER_US = 1 << 57  # some year 6500
_NOT_JUDGED: dict[str, Any] = {name: [] for name in ("rules", "clauses", "reasons", "notes", "gaps")} | {"severity": ""}

_scope = TypeAdapter(UsagePolicy)
_notice = TypeAdapter(Notice)


def trail(store: Store, question: Trail, about: About) -> TrailAnswer:
    """Give a subject's trail.

    Raises:
        StoreError: the database cannot answer.
    """
    times = times_of(question)
    found = store.named(
        _ROWS.replace("{when}", times.exact),
        **times.parameters,
        subject=question.subject,
        its_category=question.category or "",
        its_service=question.service or "",
        its_kind=question.kind or "",
    )
    judgements = _judgements(store, found) if found else {}
    rows = sorted(
        (_event(group, judgements) for group in _by_event(found)),
        key=lambda event: (event.happened_at, event.recorded_at, event.offset),
    )
    return TrailAnswer(
        about=about.judged_by(**versions_of(rows)),
        rows=rows,
        consents=consents_of(store, question.subject, _ended(question), question.known_at),
    )


def _judgements(store: Store, flows: list[dict[str, Any]]) -> dict[tuple[str, int], dict[str, Any]]:
    """What was said of the situations of some flows, by pack and situation."""
    packs, situations = {row["pack"] for row in flows}, {row["situation"] for row in flows}
    judged = store.named(_JUDGEMENTS, packs=sorted(packs), situations=sorted(situations))
    return {(row["pack"], row["situation"]): row for row in judged}


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
    found = store.named(
        _CONSENTS,
        subject=subject,
        as_of=_EVER_US if as_of is None else instant_us(as_of),
        known_at=_EVER_US if known_at is None else instant_us(known_at),
    )
    consents = [_consent(row) for row in found if record in {"", row["record"]}]
    return sorted(consents, key=lambda each: (each.valid_from, each.recorded_at, each.record, each.event_id))


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
            _category(row, judgements.get((row["pack"], row["situation"]), _NOT_JUDGED))
            for row in rows
            if row["category"]
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
