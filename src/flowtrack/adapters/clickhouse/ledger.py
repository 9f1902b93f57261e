"""The auditors' ledger (`audit.ledger.Ledger`) on ClickHouse, embedded or a server."""

from __future__ import annotations

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
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.adapters.clickhouse.whatif import shapes, situations, touched
from flowtrack.audit.answers import (
    BooksAnswer,
    CompleteUpTo,
    DeadLetterAnswer,
    Document,
)
from flowtrack.audit.family import Answer, Question
from flowtrack.audit.groups import (
    OrphansAnswer,
    ShapesAnswer,
    SituationsAnswer,
    TouchedAnswer,
)
from flowtrack.audit.questions import (
    Books,
    DeadLetterList,
    Orphans,
    Shapes,
    Situations,
    Touched,
)
from flowtrack.audit.roles import Asker
from flowtrack.domain.consent import CONSENT_TYPE, ConsentData, ConsentRecord, Notice, UsagePolicy
from flowtrack.domain.decision import DeadLetter
from flowtrack.domain.instants import from_us

A = TypeVar("A", bound=Answer)
LagOf = Callable[[], int | None]
"""Tells how many decisions are not in the ledger yet; None when that is not known now."""

_HEX_DIGITS = "0123456789abcdef"
_scope = TypeAdapter(UsagePolicy)
_notice = TypeAdapter(Notice)


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

    def situations_met(self, question: Situations) -> SituationsAnswer:
        """Give the situations of a period, and how often each was met where."""
        return situations(self._store, question, self._completeness())

    def shapes_met(self, question: Shapes) -> ShapesAnswer:
        """Group the flows of some packs by all that resolving them anew looks at."""
        return shapes(self._store, question, self._completeness())

    def touched(self, question: Touched) -> TouchedAnswer:
        """Count whom and what some of these groups touch."""
        if question.asker is not None:
            asker, at = question.asker, self._clock()
            write_down(self._store, at, asker.who, "touched", question.line, role=asker.role, why=asker.why)
        return touched(self._store, question, self._completeness())

    def orphans(self, question: Orphans) -> OrphansAnswer:
        """Give what the ledger refers to and does not have."""
        return orphans(self._store, question, self._completeness())

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
