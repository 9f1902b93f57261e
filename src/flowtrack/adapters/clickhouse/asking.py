"""Questions of all families, answered from the database: written down, pinned to what is known now, and handed on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any, Final, TypeVar, cast

from flowtrack.adapters.clickhouse.access import access
from flowtrack.adapters.clickhouse.alerts import alerts
from flowtrack.adapters.clickhouse.audit_log import audit_log
from flowtrack.adapters.clickhouse.blast import blast, withdrawal
from flowtrack.adapters.clickhouse.completeness import HowFar, completeness, how_far
from flowtrack.adapters.clickhouse.consent_proof import consent_proof
from flowtrack.adapters.clickhouse.coverage import coverage
from flowtrack.adapters.clickhouse.explanation import explanation
from flowtrack.adapters.clickhouse.exposed import exposed_subjects
from flowtrack.adapters.clickhouse.graph import graph, subject_graph
from flowtrack.adapters.clickhouse.journal import write_down
from flowtrack.adapters.clickhouse.origin import origin
from flowtrack.adapters.clickhouse.overdue import overdue
from flowtrack.adapters.clickhouse.overview import overview
from flowtrack.adapters.clickhouse.policy_history import policy_history
from flowtrack.adapters.clickhouse.received import received, received_subjects
from flowtrack.adapters.clickhouse.seen import names_seen, situations_met
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.adapters.clickhouse.trail import trail
from flowtrack.adapters.clickhouse.transfers import transfers
from flowtrack.adapters.clickhouse.use import use
from flowtrack.adapters.clickhouse.violations import violations
from flowtrack.audit.access import Access
from flowtrack.audit.alerts import Alerts
from flowtrack.audit.answers import CompleteUpTo
from flowtrack.audit.audit_log import AuditLog
from flowtrack.audit.blast import Blast, Withdrawal
from flowtrack.audit.consent_proof import ConsentProof
from flowtrack.audit.coverage import Coverage
from flowtrack.audit.cursors import pinned_at
from flowtrack.audit.explanation import Explanation
from flowtrack.audit.exposed import ExposedSubjects
from flowtrack.audit.family import About, Answer, PagedQuestion, Question, about
from flowtrack.audit.graph import Graph, SubjectGraph
from flowtrack.audit.hints import with_hints
from flowtrack.audit.origin import Origin
from flowtrack.audit.overdue import Overdue
from flowtrack.audit.overview import Overview
from flowtrack.audit.policy_history import PolicyHistory
from flowtrack.audit.received import Received, ReceivedSubjects
from flowtrack.audit.roles import Asker
from flowtrack.audit.trail import Trail
from flowtrack.audit.transfers import Transfers
from flowtrack.audit.use import Use
from flowtrack.audit.violations import Violations
from flowtrack.domain.instants import from_us

A = TypeVar("A", bound=Answer)

_ANSWERED_BY: Final[Mapping[type[Question[Any]], Callable[[Store, Any, About], Answer]]] = {
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


def ask(store: Store, question: Question[A], asker: Asker, at: datetime, lag_records: int | None) -> A:
    """Answer a question.

    Args:
        store: open.
        question: of any family.
        asker: written down, where the question touches subjects.
        at: the instant of the question.
        lag_records: decisions that are not in the ledger yet; None where that is not known.

    Raises:
        QuestionError: its cursor is not right.
        StoreError: the database cannot answer.
    """
    pinned_before = pinned_at(question) if isinstance(question, PagedQuestion) else None
    if question.written_down:
        said = question.model_dump(mode="json", exclude={"subject"}, exclude_none=True)
        write_down(store, at, asker.who, question.family, said, subject=question.whom, role=asker.role, why=asker.why)
    with store.kept.place(question) as place:
        come = how_far(store)  # before the rows: what comes in between is in no answer
        complete = completeness(store, lag_records, come)
        known = at if question.by_clock else known_now(complete, come)
        pinned = pin(question, pinned_before or known)
        says = about(pinned, complete)
        again = None if place is None else store.kept.again(place, pinned, says)
        if again is not None:
            return again
        if place is not None:
            store.kept.learn(lambda: situations_met(store))
        answer = cast("A", _ANSWERED_BY[type(question)](store, pinned, says))
        if place is not None:
            store.kept.keep(place, answer, pinned.known_at, all_known=not complete.lag_records)
    return with_hints(answer, pinned, partial(names_seen, store), asker.role)


def known_now(complete: CompleteUpTo, come: HowFar) -> datetime | None:
    """Give the instant to which the ledger's knowledge is taken: where it lags, as far as it is complete.

    None where it is empty.
    """
    if complete.lag_records:
        return complete.complete_up_to
    newest = [at_ms for *_, at_ms in come.progress]
    newest += [] if come.newest_ms is None else [come.newest_ms]
    return from_us(max(newest) * 1000) if newest else complete.complete_up_to


def pin(question: Question[A], known: datetime | None) -> Question[A]:
    """Set what the question leaves open of its transaction time."""
    if question.known_at is not None or known is None:
        return question
    return question.model_copy(update={"known_at": known})
