"""Proof of a consent: the record, what the subject was shown, what it covered at an instant, and what relied on it.

GDPR 7(1) asks that consent can be shown; the record's states and its notice follow ISO/IEC TS 27560.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import ClassVar

from pydantic import AwareDatetime

from flowtrack.audit.consent_proof import ConsentProofAnswer, ProofState, ReliedFlow, in_force
from flowtrack.audit.reports.frame import Desk, Report, used
from flowtrack.domain.consent import AllOf, Notice, Term, UsagePolicy, names_in
from flowtrack.domain.history import GRANTS
from flowtrack.domain.model import Contract
from flowtrack.domain.names import Verdict
from flowtrack.domain.vocabulary import Vocabularies, Vocabulary
from flowtrack.errors import QuestionError


class State(Contract):
    """One state of the record."""

    event_id: str
    state: str
    valid_from: AwareDatetime
    recorded_at: AwareDatetime
    expires: AwareDatetime | None
    method: str
    scope: UsagePolicy | None
    notice: Notice | None
    relied: int
    """Flows that this state permitted."""
    stands: bool
    """It is the one that stood at the instant."""


class Covered(Contract):
    """What the record covered in one dimension of usage control."""

    dimension: str
    said: str
    """As the record says it; empty where it left the dimension out, which then does not restrict."""
    names: list[str]
    """All names of the vocabulary that this means."""


class ConsentProof(Report):
    """Proof of one consent record."""

    name: ClassVar[str] = "consent-proof"
    sources: ClassVar[tuple[str, ...]] = ("gdpr.4.11", "gdpr.7.1", "pipa.22", "pipl.14")

    subject: str
    record: str
    record_kind: str
    at: AwareDatetime
    """The instant that it is proved for."""
    standing: str
    """The state at the instant; empty where there was none yet."""
    in_force: bool
    """Whether it could carry a flow at the instant: given, and not expired."""
    notice: Notice | None
    """What the subject was shown: of the state that stood."""
    states: list[State]
    covered: list[Covered]
    relied: list[ReliedFlow]
    """Every flow that this record permitted, whenever it happened."""
    kept_out: list[ReliedFlow]
    """Flows that it did not permit, although their verdict names it: expired, withdrawn, or not covering."""


def consent_proof(desk: Desk, proof: ConsentProofAnswer, words: Vocabularies, *, at: AwareDatetime) -> ConsentProof:
    """Build the proof.

    Args:
        desk: who makes it, and when.
        proof: of one record.
        words: of the pack in force: what lies under what.
        at: the instant that it is proved for.

    Raises:
        QuestionError: the subject has no such record.
    """
    question = proof.about.question
    if not proof.rows:
        raise QuestionError(
            "the subject has no such record", where="record", help="flowtrack report access-request lists those it has"
        )
    standing = in_force(proof.rows, at)
    covered = [] if standing is None else list(_covered(_scope(proof.rows, at) or UsagePolicy(), words))
    return ConsentProof(
        head=desk.head(
            ConsentProof,
            [used(proof.about)],
            names={name for each in proof.flows for name in (each.category, each.purpose)}
            | {name for each in covered for name in each.names}
            | {name for each in proof.rows for name in names_in(each.scope)},
            clauses={clause for each in proof.flows for clause in each.clauses},
        ),
        subject=question["subject"],
        record=question["record"],
        record_kind=proof.rows[-1].kind,
        at=at,
        standing="" if standing is None else standing.state,
        in_force=standing is not None and standing.state in GRANTS and (not standing.expires or at < standing.expires),
        notice=None if standing is None else standing.notice,
        states=[_state(each, stands=each is standing) for each in proof.rows],
        covered=covered,
        relied=[each for each in proof.flows if each.verdict == Verdict.PERMIT],
        kept_out=[each for each in proof.flows if each.verdict != Verdict.PERMIT],
    )


def _scope(states: Sequence[ProofState], at: datetime) -> UsagePolicy | None:
    """The scope that held: a later state that says nothing of its scope is about what the record was about."""
    return next((each.scope for each in reversed(states) if each.valid_from <= at and each.scope is not None), None)


def _state(each: ProofState, *, stands: bool) -> State:
    return State(**{name: getattr(each, name) for name in State.model_fields if name != "stands"}, stands=stands)


def _covered(scope: UsagePolicy, words: Vocabularies) -> Iterable[Covered]:
    location = None if scope.storage is None else scope.storage.location
    dimensions: list[tuple[str, Term | None, Vocabulary]] = [
        ("data", scope.data, words.category),
        ("processing", scope.processing, words.processing),
        ("purpose", scope.purpose, words.purpose),
        ("recipient", scope.recipient, words.recipient),
        ("location", location, words.storage),
    ]
    for name, term, vocabulary in dimensions:
        terms = [] if term is None else term.all if isinstance(term, AllOf) else [term]
        meant = [each for each in vocabulary if terms and all(vocabulary.is_a(each, above) for above in terms)]
        yield Covered(dimension=name, said=" + ".join(terms), names=sorted(meant) or sorted(terms))
