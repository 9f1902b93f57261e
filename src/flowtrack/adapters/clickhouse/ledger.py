"""The auditors' ledger (`audit.ledger.Ledger`) on ClickHouse, embedded or a server."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, TypeVar

from pydantic import TypeAdapter

from flowtrack.adapters.clickhouse import statements as sql
from flowtrack.adapters.clickhouse.asking import ask
from flowtrack.adapters.clickhouse.books import books
from flowtrack.adapters.clickhouse.completeness import completeness
from flowtrack.adapters.clickhouse.journal import write_down
from flowtrack.adapters.clickhouse.orphans import orphans
from flowtrack.adapters.clickhouse.overview import coverage, overview
from flowtrack.adapters.clickhouse.reach import reach
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.adapters.clickhouse.whatif import shapes, situations, touched
from flowtrack.audit.answers import (
    AlertAnswer,
    BooksAnswer,
    CompleteUpTo,
    CoverageAnswer,
    DeadLetterAnswer,
    Document,
    OverviewAnswer,
    TrailAnswer,
    TrailCategory,
    TrailConsent,
    TrailEvent,
)
from flowtrack.audit.family import Answer, Question
from flowtrack.audit.groups import (
    OrphansAnswer,
    ReachAnswer,
    ShapesAnswer,
    SituationsAnswer,
    TouchedAnswer,
)
from flowtrack.audit.questions import (
    AlertList,
    Books,
    Coverage,
    DeadLetterList,
    Orphans,
    Overview,
    Reach,
    Shapes,
    Situations,
    Touched,
    Trail,
)
from flowtrack.audit.roles import Asker
from flowtrack.domain.consent import CONSENT_TYPE, ConsentData, ConsentRecord, Notice, UsagePolicy
from flowtrack.domain.decision import Alert, DeadLetter
from flowtrack.domain.instants import from_us
from flowtrack.domain.names import Verdict, worst

A = TypeVar("A", bound=Answer)
LagOf = Callable[[], int | None]
"""Tells how many decisions are not in the ledger yet; None when that is not known now."""

_HEX_DIGITS = "0123456789abcdef"
_scope = TypeAdapter(UsagePolicy)
_notice = TypeAdapter(Notice)
_NOT_JUDGED: dict[str, Any] = {
    "severity": "",
    "rules": [],
    "clauses": [],
    "reasons": [],
    "notes": [],
    "gaps": [],
}


class ClickHouseLedger:
    """Answers questions from the database.

    Args:
        store: open, with its migrations applied.
        clock: gives the instant of a question, for the audit log.
        lag: see `LagOf`; without it, answers say that the lag is not known.
    """

    def __init__(self, store: Store, *, clock: Callable[[], datetime], lag: LagOf | None = None) -> None:
        self._store = store
        self._clock = clock
        self._lag = lag

    def ask(self, question: Question[A], *, asker: Asker) -> A:
        """Answer a question of any family; one about a subject is written down before."""
        return ask(self._store, question, asker, self._clock(), None if self._lag is None else self._lag())

    def trail(self, question: Trail, *, asker: str) -> TrailAnswer:
        """Give a subject's trail; who asked is written down first, so that no answer goes unrecorded."""
        self._write_down("trail", asker, question)
        complete = self._completeness()  # before the rows: what comes in between is in the answer, not promised
        subject = {"subject": question.subject}
        statement, times = sql.when(sql.TRAIL, question.as_of, question.known_at)
        flows = self._store.named(statement, **subject, **times)
        found = self._store.named(sql.TRAIL_JUDGEMENTS, **subject) if flows else []
        judgements = {(row["pack"], row["situation"]): row for row in found}
        statement, times = sql.when(sql.TRAIL_CONSENTS, question.as_of, question.known_at, happened="valid_from")
        consents = self._store.named(statement, **subject, **times)
        return TrailAnswer(
            subject=question.subject,
            as_of=question.as_of,
            known_at=question.known_at,
            events=sorted(
                (_trail_event(group, judgements) for group in _by_event(flows)),
                key=lambda event: (event.happened_at, event.recorded_at, event.offset),
            ),
            consents=sorted(
                map(_trail_consent, consents), key=lambda consent: (consent.valid_from, consent.recorded_at)
            ),
            completeness=complete,
        )

    def overview(self, question: Overview) -> OverviewAnswer:
        """Count the flows."""
        return overview(self._store, question, self._completeness())

    def alerts(self, question: AlertList) -> AlertAnswer:
        """Give the alerts in their latest state, the worst and newest first."""
        found = self._store.named(sql.ALERTS, state=question.state or "", limit=question.limit)
        alerts = [
            Alert(first_at=from_us(row.pop("first_us")), last_at=from_us(row.pop("last_us")), **row)
            for row in map(dict, found)
        ]
        return AlertAnswer(alerts=alerts, completeness=self._completeness())

    def coverage(self, question: Coverage) -> CoverageAnswer:
        """Give how often each rule decided."""
        return coverage(self._store, question, self._completeness())

    def situations_met(self, question: Situations) -> SituationsAnswer:
        """Give the situations of a period, and how often each was met where."""
        return situations(self._store, question, self._completeness())

    def shapes_met(self, question: Shapes) -> ShapesAnswer:
        """Group the flows of some packs by all that resolving them anew looks at."""
        return shapes(self._store, question, self._completeness())

    def touched(self, question: Touched) -> TouchedAnswer:
        """Count whom and what some of these groups touch."""
        return touched(self._store, question, self._completeness())

    def orphans(self, question: Orphans) -> OrphansAnswer:
        """Give what the ledger refers to and does not have."""
        return orphans(self._store, question, self._completeness())

    def reach(self, question: Reach) -> ReachAnswer:
        """Follow data from one place: where it got to, and whose it is there."""
        return reach(self._store, question, self._completeness())

    def books(self, question: Books) -> BooksAnswer:
        """Give what the ledger holds of each source partition."""
        return books(self._store, question, self._completeness())

    def dead_letters(self, question: DeadLetterList) -> DeadLetterAnswer:
        """Give the messages that could not be taken, the newest first."""
        found = self._store.named(sql.DEAD_LETTERS, limit=question.limit)
        letters = [DeadLetter(received_at=from_us(row.pop("received_ms") * 1000), **row) for row in map(dict, found)]
        total = self._store.rows(sql.DEAD_LETTERS_TOTAL)[0][0]
        return DeadLetterAnswer(total=total, dead_letters=letters, completeness=self._completeness())

    def consents_all(self) -> Iterator[ConsentRecord]:
        """Give every consent record once; each subject's in the order in which they were recorded."""
        for digit in _HEX_DIGITS:  # a sixteenth of the subjects at a time bounds what is sorted at once
            for row in self._store.named(sql.CONSENTS, digit=digit):
                yield _consent_record(row)

    def documents(self) -> list[Document]:
        """Give the packs and registry documents in their latest version, without those that were removed."""
        return [
            Document(
                kind=row["kind"],
                name=row["name"],
                valid_from=from_us(row["valid_us"]),
                recorded_at=from_us(row["recorded_ms"] * 1000),
                sha256=row["sha256"],
                body=row["body"],
            )
            for row in self._store.named(sql.DOCUMENTS)
        ]

    def _completeness(self) -> CompleteUpTo:
        return completeness(self._store, None if self._lag is None else self._lag())

    def _write_down(self, name: str, asker: str, question: Trail) -> None:
        parameters = question.model_dump(mode="json", exclude={"subject"}, exclude_none=True)
        write_down(self._store, self._clock(), asker, name, parameters, subject=question.subject)


def _by_event(flows: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Rows of the same event together; of its categories some may have been judged anew, and so stand apart."""
    events: dict[tuple[str, int, int], list[dict[str, Any]]] = defaultdict(list)
    for row in flows:
        events[row["epoch"], row["source_partition"], row["source_offset"]].append(row)
    return list(events.values())


def _trail_event(rows: list[dict[str, Any]], judgements: dict[tuple[str, int], dict[str, Any]]) -> TrailEvent:
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
        verdict=worst([Verdict(row["verdict"]) for row in rows]),
        pack=first["pack"],
        registry=first["registry"],
        suspect=bool(first["suspect"]),
        correlation_id=first["correlation_id"],
        epoch=first["epoch"],
        partition=first["source_partition"],
        offset=first["source_offset"],
        categories=[
            _trail_category(row, judgements.get((row["pack"], row["situation"]), _NOT_JUDGED))
            for row in rows
            if row["category"]
        ],
    )


def _trail_category(row: dict[str, Any], judgement: dict[str, Any]) -> TrailCategory:
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


def _trail_consent(row: dict[str, Any]) -> TrailConsent:
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
    )


def _consent_record(row: dict[str, Any]) -> ConsentRecord:
    return ConsentRecord(
        specversion="1.0",
        id=row["event_id"],
        source=row["source"],
        type=CONSENT_TYPE,
        subject=row["subject"],
        time=from_us(row["valid_us"]),
        data=ConsentData(
            record=row["record"],
            kind=row["kind"],
            state=row["state"],
            scope=_scope.validate_json(row["scope"]) if row["scope"] else None,
            notice=_notice.validate_json(row["notice"]) if row["notice"] else None,
            expires=None if row["expires_us"] is None else from_us(row["expires_us"]),
            method=row["method"] or None,
            country=row["country"] or None,
        ),
    )
