"""Proof of a consent: the record, what the subject was shown, what it covered at an instant, and what relied on it.

GDPR 7(1) asks that consent can be shown; the record's states and its notice follow ISO/IEC TS 27560.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import ClassVar, Final

from pydantic import AwareDatetime

from flowtrack.audit.reports.access_request import Step, step_of
from flowtrack.audit.reports.frame import Desk, Report, used
from flowtrack.audit.trail import TrailAnswer, TrailConsent
from flowtrack.domain.consent import AllOf, Notice, Term, UsagePolicy
from flowtrack.domain.model import Contract
from flowtrack.domain.names import RecordState
from flowtrack.domain.vocabulary import Vocabularies, Vocabulary
from flowtrack.errors import QuestionError

_IN_FORCE: Final = {
    RecordState.GIVEN,
    RecordState.RENEWED,
    RecordState.ACCEPTED,
    RecordState.USING,
    RecordState.OPEN,
}


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
    relied: list[Step]
    """Every flow whose verdict this record carried, whenever it happened."""


def consent_proof(
    desk: Desk, trail: TrailAnswer, record: str, words: Vocabularies, *, at: AwareDatetime
) -> ConsentProof:
    """Build the proof from the subject's trail.

    Args:
        desk: who makes it, and when.
        trail: the whole of it.
        record: id of the consent record.
        words: of the pack in force: what lies under what.
        at: the instant that it is proved for.

    Raises:
        QuestionError: the subject has no such record.
    """
    found = sorted(
        (each for each in trail.consents if each.record == record), key=lambda each: (each.valid_from, each.recorded_at)
    )
    if not found:
        raise QuestionError(
            "the subject has no such record", where="record", help="flowtrack report access-request lists those it has"
        )
    standing = _standing(found, at)
    relied = [step_of(event, part) for event in trail.rows for part in event.categories if part.consent == record]
    covered = [] if standing is None else list(_covered(standing.scope or UsagePolicy(), words))
    return ConsentProof(
        head=desk.head(
            ConsentProof,
            [used(trail.about)],
            names={name for each in relied for name in (each.category, each.purpose)}
            | {name for each in covered for name in each.names},
            clauses={clause for each in relied for clause in each.clauses},
        ),
        subject=trail.about.question["subject"],
        record=record,
        record_kind=found[-1].kind,
        at=at,
        standing="" if standing is None else standing.state,
        in_force=standing is not None and _is_in_force(standing, at),
        notice=None if standing is None else standing.notice,
        states=[_state(each, standing) for each in found],
        covered=covered,
        relied=relied,
    )


def _standing(states: Sequence[TrailConsent], at: datetime) -> TrailConsent | None:
    """The last state that took effect at or before the instant."""
    return next((each for each in reversed(states) if each.valid_from <= at), None)


def _is_in_force(state: TrailConsent, at: datetime) -> bool:
    return state.state in _IN_FORCE and (state.expires is None or at < state.expires)


def _state(each: TrailConsent, standing: TrailConsent | None) -> State:
    copied = {name: getattr(each, name) for name in State.model_fields if name != "stands"}
    return State(**copied, stands=each is standing)


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
