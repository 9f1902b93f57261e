"""Consent proofs and the audit log of a ledger in memory."""

from __future__ import annotations

from itertools import groupby

from flowtrack.audit.audit_log import AuditLine, AuditLog, AuditLogAnswer
from flowtrack.audit.consent_proof import ConsentProof, ConsentProofAnswer, proof_of
from flowtrack.audit.family import About
from flowtrack.audit.paging import page_of
from flowtrack.audit.trail import Trail
from flowtrack.domain.instants import instant_us
from flowtrack.testing.trail import trail
from flowtrack.testing.view import Asked, View


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
