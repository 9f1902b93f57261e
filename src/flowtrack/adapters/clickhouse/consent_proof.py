"""Consent proof from the database: the subject's trail, and what its flows name."""

from __future__ import annotations

from flowtrack.adapters.clickhouse.store import Store
from flowtrack.adapters.clickhouse.trail import trail
from flowtrack.audit.consent_proof import ConsentProof, ConsentProofAnswer, proof_of
from flowtrack.audit.family import About
from flowtrack.audit.trail import Trail


def consent_proof(store: Store, question: ConsentProof, about: About) -> ConsentProofAnswer:
    """Prove a subject's consents.

    Raises:
        StoreError: the database cannot answer.
    """
    found = trail(store, Trail(**question.model_dump(exclude={"record"})), about)
    return proof_of(question, about, found.rows, found.consents)
