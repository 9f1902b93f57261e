"""Consent proofs, the audit log and the policy history of a ledger in memory."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from operator import itemgetter
from typing import Final

from flowtrack.audit.audit_log import AuditLine, AuditLog, AuditLogAnswer
from flowtrack.audit.consent_proof import ConsentProof, ConsentProofAnswer, proof_of
from flowtrack.audit.families import FAMILIES
from flowtrack.audit.family import About
from flowtrack.audit.hints import registered
from flowtrack.audit.paging import page_of
from flowtrack.audit.policy_history import PolicyHistory, PolicyHistoryAnswer, Published, history_of
from flowtrack.audit.trail import Trail, facts_of, particulars_of
from flowtrack.domain.instants import from_us, instant_us
from flowtrack.testing.ledger_tables import Row
from flowtrack.testing.trail import trail
from flowtrack.testing.view import Asked, View
from flowtrack.tracking import rows as tables


def consent_proof(view: View, question: ConsentProof, about: About) -> ConsentProofAnswer:
    """Prove a subject's consents."""
    found = trail(view, Trail(**question.model_dump(exclude={"record"})), about)
    return proof_of(question, about, found.rows, found.consents)


def audit_log(view: View, question: AuditLog, about: About) -> AuditLogAnswer:
    """Give a page of the audit log."""
    found = sorted(
        (
            line
            for line in view.audit_log
            if question.who in {None, line.asker}
            and question.role in {None, line.role}
            and question.subject in {None, line.subject}
            and question.asked in {None, line.question}
            and (question.since is None or line.asked_at >= question.since)
            and (question.until is None or line.asked_at < question.until)
            and (question.as_of is None or line.asked_at <= question.as_of)
            and (question.known_at is None or line.asked_at <= question.known_at)
        ),
        key=lambda line: (line.asked_at, line.asker, line.role, line.question, line.subject, line.why, line.parameters),
    )
    placed = [
        (place, line)
        for _, group in groupby(found, key=lambda line: line.asked_at)
        for place, line in enumerate(group, start=1)
    ]
    about, given = page_of(question, about, placed, lambda each: [-instant_us(each[1].asked_at), each[0]])
    return AuditLogAnswer(about=about, rows=[_line(line) for _, line in given])


def _line(line: Asked) -> AuditLine:
    return AuditLine(
        asked_at=line.asked_at,
        who=line.asker,
        role=line.role,
        asked=line.question,
        subject=line.subject,
        why=line.why,
        parameters=line.parameters,
    )


def policy_history(view: View, question: PolicyHistory, about: About) -> PolicyHistoryAnswer:
    """Give the versions of packs and registries."""
    published = {
        Published(
            kind=row["kind"],
            name=row["name"],
            valid_from=from_us(row["valid_from"]),
            recorded_at=from_us(row["recorded_at"] * 1000),
            removed=bool(row["removed"]),
            sha256=row["sha256"],
            body=row["body"],
        )
        for row in view.tables[tables.DOCUMENTS]
        if question.known_at is None or row["recorded_at"] * 1000 <= instant_us(question.known_at)
    }
    return history_of(question, about, published)


def names_seen(view: View, field: str, whom: str | None) -> set[str]:
    """Give the names of a kind that the ledger ever had, and those that the registry declares."""
    if field == "record":
        return {row["record"] for row in view.tables[tables.CONSENTS] if row["subject"] == whom}
    if field == "asked":
        return {line.question for line in view.audit_log} | set(FAMILIES)
    if field == "asker":
        return {line.asker for line in view.audit_log}
    if field == "clause":
        return {clause for judgement in view.judgements().values() for clause in judgement["clauses"]}
    seen = {_NAMES.get(field, itemgetter(field))(row) or "" for row in view.tables[tables.FLOWS]} - {""}
    bodies = [row["body"] for row in view.tables[tables.DOCUMENTS] if row["kind"] == "registry" and not row["removed"]]
    return seen | registered(bodies).get(field, set())


_NAMES: Final[dict[str, Callable[[Row], str | None]]] = {
    "country": lambda row: row["location"] if row["kind"] == "share" else "",
    "actor": lambda row: particulars_of(row["particulars"]).actor_id if _by_staff(row) else "",
    "actor_role": lambda row: facts_of(row["facts"]).actor_role if _by_staff(row) else "",
}


def _by_staff(row: Row) -> bool:
    return row["kind"] == "use" and facts_of(row["facts"]).actor_type in {"staff", "contractor"}
