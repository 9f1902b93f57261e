"""Questions of all families in a ledger in memory: the part of `testing.ledger.MemoryLedger` behind `ask`.

Each family has a plain function here or in a module beside this one; it is what the database's answer is held against.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any, Final, TypeVar, cast

from flowtrack.audit.access import Access
from flowtrack.audit.alerts import Alerts
from flowtrack.audit.answers import CompleteUpTo
from flowtrack.audit.audit_log import AuditLog
from flowtrack.audit.blast import Blast, Withdrawal
from flowtrack.audit.categories import under
from flowtrack.audit.consent_proof import ConsentProof
from flowtrack.audit.coverage import Coverage
from flowtrack.audit.cursors import FLOW, cursor_of, key_of, pinned_at
from flowtrack.audit.explanation import Explanation
from flowtrack.audit.exposed import ExposedSubjects
from flowtrack.audit.family import About, Answer, PagedQuestion, Question, about
from flowtrack.audit.graph import Graph, SubjectGraph
from flowtrack.audit.groups import SituationsAnswer, TouchedAnswer
from flowtrack.audit.hints import with_hints
from flowtrack.audit.origin import Origin
from flowtrack.audit.overdue import Overdue
from flowtrack.audit.overview import Overview
from flowtrack.audit.policy_history import PolicyHistory
from flowtrack.audit.questions import Situations, Touched, TwoTimes
from flowtrack.audit.received import Received, ReceivedSubjects
from flowtrack.audit.roles import Asker
from flowtrack.audit.trail import Trail
from flowtrack.audit.transfers import Transfers
from flowtrack.audit.use import Use
from flowtrack.audit.violations import Violation, Violations, ViolationsAnswer
from flowtrack.domain.instants import from_us, instant_us
from flowtrack.testing.blast import blast, withdrawal
from flowtrack.testing.coverage import coverage
from flowtrack.testing.explanation import explanation
from flowtrack.testing.exposed import exposed_subjects
from flowtrack.testing.graph import graph, subject_graph
from flowtrack.testing.ledger_tables import Row
from flowtrack.testing.origin import origin
from flowtrack.testing.overview import alerts, overview
from flowtrack.testing.received import received, received_subjects
from flowtrack.testing.registers import access, overdue, transfers
from flowtrack.testing.subjects import audit_log, consent_proof, names_seen, policy_history
from flowtrack.testing.trail import trail
from flowtrack.testing.use import use
from flowtrack.testing.view import Asked, View
from flowtrack.tracking import rows as tables
from flowtrack.tracking.draft import Situation

A = TypeVar("A", bound=Answer)

_KNOWN_BY = (tables.FLOWS, tables.CONSENTS, tables.DOCUMENTS, tables.ALERTS)
_ORDERED_BY = ("happened_at", "epoch", "source_partition", "source_offset", "category", "revision")


class MemoryAsking:
    """Answers questions of all families, from rows that whoever inherits has."""

    tables: dict[str, list[Row]]
    audit_log: list[Asked]
    _clock: Callable[[], datetime]
    _flows: Callable[[TwoTimes], list[Row]]
    _consents: Callable[[datetime | None], list[Row]]
    _judgements: Callable[[], dict[Situation, Row]]
    _completeness: Callable[[], CompleteUpTo]
    situations_met: Callable[[Situations], SituationsAnswer]
    touched: Callable[[Touched], TouchedAnswer]

    def ask(self, question: Question[A], *, asker: Asker) -> A:
        """Answer a question of any family; one that touches subjects is written down before."""
        pinned_before = pinned_at(question) if isinstance(question, PagedQuestion) else None
        if question.written_down:
            said = json.dumps(question.model_dump(mode="json", exclude={"subject"}, exclude_none=True))
            line = Asked(self._clock(), asker.who, question.family, question.whom or "", asker.role, asker.why, said)
            self.audit_log.append(line)
        newest = max((row["recorded_at"] for table in _KNOWN_BY for row in self.tables[table]), default=None)
        known = pinned_before or (None if newest is None else from_us(newest * 1000))
        if question.by_clock and pinned_before is None:
            known = self._clock()
        if question.known_at is None:
            question = question.model_copy(update={"known_at": known})
        view = View(self._of_period, self._consents, self._judgements, self.tables, self.audit_log, self)
        answer = cast("A", _ANSWERED_BY[type(question)](view, question, about(question, self._completeness())))
        return with_hints(answer, question, partial(names_seen, view), asker.role)

    def _of_period(self, question: TwoTimes) -> list[Row]:
        """Rows that stand at the question's two times, of its period."""
        rows = self._flows(question)
        if not isinstance(question, Question):
            return rows
        since = None if question.since is None else instant_us(question.since)
        until = None if question.until is None else instant_us(question.until)
        return [
            row
            for row in rows
            if (since is None or row["happened_at"] >= since) and (until is None or row["happened_at"] < until)
        ]


def violations(view: View, question: Violations, about: About) -> ViolationsAnswer:
    """Give a page of violations."""
    judged = view.judgements()
    rows = [
        row
        for row in view.flows(question)
        if row["verdict"] in {"deny", "indeterminate"}
        and question.service in {None, row["service"]}
        and question.recipient in {None, row["recipient"]}
        and (question.category is None or under(row["category"], question.category))
        and question.purpose in {None, row["purpose"]}
        and question.verdict in {None, row["verdict"]}
        and (question.clause is None or question.clause in judged[row["pack"], row["situation"]]["clauses"])
    ]
    rows.sort(key=lambda row: tuple(row[name] for name in _ORDERED_BY), reverse=True)
    key = key_of(question, FLOW)
    if key is not None:
        rows = [row for row in rows if tuple(row[name] for name in _ORDERED_BY) < tuple(key)]
    given = rows[: question.limit]
    if len(rows) > len(given):
        about = about.cut(None, cursor_of(question, [given[-1][name] for name in _ORDERED_BY]))
    found = [_violation(row, judged[row["pack"], row["situation"]]) for row in given]
    return ViolationsAnswer(about=about.judged_by([row.pack for row in found], []), rows=found)


def _violation(row: Row, judgement: Row) -> Violation:
    copied = (
        "subject",
        "event_id",
        "service",
        "kind",
        "category",
        "purpose",
        "recipient",
        "verdict",
        "pack",
        "revision",
    )
    return Violation(
        **{name: row[name] for name in copied},
        **{name: judgement[name] for name in ("severity", "clauses", "reasons", "gaps")},
        happened_at=from_us(row["happened_at"]),
        recorded_at=from_us(row["recorded_at"] * 1000),
    )


_ANSWERED_BY: Final[Mapping[type[Question[Any]], Callable[[View, Any, About], Answer]]] = {
    Alerts: alerts,
    AuditLog: audit_log,
    ConsentProof: consent_proof,
    Coverage: coverage,
    Explanation: explanation,
    Overview: overview,
    PolicyHistory: policy_history,
    Access: access,
    Overdue: overdue,
    Transfers: transfers,
    Received: received,
    ReceivedSubjects: received_subjects,
    Trail: trail,
    Graph: graph,
    SubjectGraph: subject_graph,
    Use: use,
    Blast: blast,
    ExposedSubjects: exposed_subjects,
    Withdrawal: withdrawal,
    Origin: origin,
    Violations: violations,
}
