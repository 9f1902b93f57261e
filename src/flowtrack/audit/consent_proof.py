"""Consent proof: what a subject said when and to which notice, what it covered, and each flow that relied on it.

GDPR 7(1) asks a controller to be able to demonstrate consent; ISO/IEC TS 27560 says what a consent record holds.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar, Final

from pydantic import AwareDatetime

from flowtrack.audit.family import About, Answer, SubjectQuestion
from flowtrack.audit.roles import DESKS, Role
from flowtrack.audit.trail import TrailCategory, TrailConsent, TrailEvent, versions_of
from flowtrack.domain.consent import AllOf, Duration, Storage, UsagePolicy
from flowtrack.domain.history import GRANTS
from flowtrack.domain.model import Contract, Identifier

_DIMENSIONS: Final = tuple(UsagePolicy.model_fields)


class Dimension(Contract):
    """What a scope says of one dimension."""

    dimension: str
    """`data`, `processing`, `purpose`, `recipient` or `storage`."""
    terms: list[str]
    """All of which must hold; empty where the dimension is not restricted."""


class ProofState(TrailConsent):
    """One state of a consent record, and what relied on it."""

    until: AwareDatetime | None
    """When the record's next state took effect; None for the last one."""
    covered: list[Dimension]
    """Empty where the record has no scope: then nothing is restricted."""
    words: str
    """The same as a sentence."""
    relied: int
    """Flows that this state permitted."""


class ReliedFlow(Contract):
    """A flow whose verdict names a record: that carried it, or kept it from being carried."""

    happened_at: AwareDatetime
    recorded_at: AwareDatetime
    event_id: str
    service: str
    kind: str
    category: str
    purpose: str
    recipient: str
    verdict: str
    reasons: list[str]
    clauses: list[str]
    pack: str
    record: str
    state: str
    """Of the record when the flow happened; empty where it had none then, or it is not known any more."""
    state_event_id: str
    notice_version: str
    """That the subject saw; empty where the state names none."""


class ConsentProofAnswer(Answer):
    """The states of records in the order in which they took effect, and the flows that name them."""

    rows: list[ProofState]
    flows: list[ReliedFlow]


class ConsentProof(SubjectQuestion[ConsentProofAnswer]):
    """What did a subject consent to, and what relied on it?"""

    family: ClassVar[str] = "consent-proof"
    answer: ClassVar[type[Answer]] = ConsentProofAnswer
    roles: ClassVar[frozenset[Role]] = DESKS

    record: Identifier | None = None
    """Only this one."""


def proof_of(
    question: ConsentProof, about: About, events: Iterable[TrailEvent], consents: Iterable[TrailConsent]
) -> ConsentProofAnswer:
    """Put a subject's records and the flows that name them together.

    Args:
        question: with its times pinned.
        about: of the answer.
        events: the subject's trail at these times.
        consents: states of the subject's records at these times, in the order in which they took effect.
    """
    states: dict[str, list[TrailConsent]] = defaultdict(list)
    for each in consents:
        if question.record in {None, each.record}:
            states[each.record].append(each)
    named = [
        (event, part)
        for event in events
        for part in event.categories
        if part.consent and question.record in {None, part.consent}
    ]
    flows = [_flow(event, part, in_force(states.get(part.consent, []), event.happened_at)) for event, part in named]
    relied = Counter((flow.record, flow.state_event_id) for flow in flows if flow.verdict == "permit")
    rows = [
        ProofState(
            **dict(state),
            until=following[place].valid_from if place < len(following) else None,
            covered=covered_of(state.scope),
            words=words_of(state.scope),
            relied=relied[state.record, state.event_id],
        )
        for following in states.values()
        for place, state in enumerate(following, start=1)
    ]
    rows.sort(key=lambda row: (row.valid_from, row.recorded_at, row.record, row.event_id))
    judged = versions_of([event for event, _ in named])
    return ConsentProofAnswer(about=about.judged_by(**judged), rows=rows, flows=flows)


def in_force(states: Iterable[TrailConsent], at: datetime) -> TrailConsent | None:
    """Give the state of one record at an instant: a grant holds strictly after its own, everything else from it on."""
    held = [
        state for state in states if state.valid_from < at or (state.valid_from == at and state.state not in GRANTS)
    ]
    return max(held, key=lambda state: (state.valid_from, state.state not in GRANTS, state.recorded_at), default=None)


def covered_of(scope: UsagePolicy | None) -> list[Dimension]:
    """Give what a scope says of each dimension."""
    if scope is None:
        return []
    return [Dimension(dimension=name, terms=_terms(getattr(scope, name))) for name in _DIMENSIONS]


def words_of(scope: UsagePolicy | None) -> str:
    """Say a scope in a sentence."""
    covered = covered_of(scope)
    said = [f"{each.dimension} {' and '.join(each.terms)}" for each in covered if each.terms]
    free = [each.dimension for each in covered if not each.terms]
    if not said:
        return "not restricted"
    return "; ".join([", ".join(said), *([f"not restricted: {', '.join(free)}"] if free else [])])


def _terms(said: str | AllOf | Storage | None) -> list[str]:
    if said is None:
        return []
    if isinstance(said, AllOf):
        return list(said.all)
    if isinstance(said, Storage):
        return [*_terms(said.location), *_days(said.duration)]
    return [said]


def _days(duration: Duration | None) -> list[str]:
    if duration is None:
        return []
    bounds = {"at least": duration.min_days, "at most": duration.max_days}
    return [f"{bound} {days} days" for bound, days in bounds.items() if days is not None]


def _flow(event: TrailEvent, part: TrailCategory, state: TrailConsent | None) -> ReliedFlow:
    return ReliedFlow(
        happened_at=event.happened_at,
        recorded_at=event.recorded_at,
        event_id=event.event_id,
        service=event.service,
        kind=event.kind,
        category=part.category,
        purpose=event.purpose,
        recipient=event.recipient,
        verdict=part.verdict,
        reasons=part.reasons,
        clauses=part.clauses,
        pack=event.pack,
        record=part.consent,
        state="" if state is None else state.state,
        state_event_id="" if state is None else state.event_id,
        notice_version="" if state is None or state.notice is None else state.notice.version,
    )
