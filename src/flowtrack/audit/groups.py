"""What a ledger says of flows that are alike, of what they touch, and of what it refers to and does not have."""

from __future__ import annotations

from pydantic import AwareDatetime

from flowtrack.audit.answers import CompleteUpTo
from flowtrack.domain.model import Contract


class Judgement(Contract):
    """What a pack said of a situation."""

    pack: str
    situation: str
    """16 hex digits."""
    verdict: str
    rules: list[str]
    clauses: list[str]
    reasons: list[str]
    gaps: list[str]
    attributes: str
    """The situation as JSON; empty where its definition has not come."""


class SituationFlows(Contract):
    """Flows in one situation, of one service to one recipient."""

    key: int
    """Names the group in a question about what it touches, but for the category."""
    pack: str
    """Empty where no pack was in force."""
    situation: str
    service: str
    recipient: str
    category: str
    verdict: str
    flows: int


class SituationsAnswer(Contract):
    """The situations of a period."""

    judgements: list[Judgement]
    """Of the packs that judged in the period; a situation without one is an orphan."""
    flows: list[SituationFlows]
    completeness: CompleteUpTo


class ShapeFlows(Contract):
    """Flows that resolving cannot tell apart, but for what their subjects consented to."""

    key: int
    pack: str
    registry: str
    situation: str
    kind: str
    service: str
    category: str
    purpose: str
    recipient: str
    verdict: str
    facts: str
    """JSON of `domain.facts.Facts`; empty where all of it is left out, or was not kept yet."""
    reference: str
    agreement: str
    session: str
    at: AwareDatetime
    """When the first of them happened."""
    flows: int


class ShapesAnswer(Contract):
    """The shapes of a period, and what consents say at all."""

    shapes: list[ShapeFlows]
    consents: list[str]
    """Each scope of a record of the subjects' own consent once, as JSON; empty for one without."""
    opt_outs: list[str]
    """Likewise of opt-outs."""
    completeness: CompleteUpTo


class TouchedBy(Contract):
    """Whom and what one change touches."""

    name: int
    events: int
    flows: int
    subjects: int
    sample_events: list[str]
    sample_subjects: list[str]
    """Pseudonyms."""


class TouchedAnswer(Contract):
    """Whom and what each change touches; one that touches nothing any more is left out."""

    changes: list[TouchedBy]
    completeness: CompleteUpTo


class Orphan(Contract):
    """Rows that refer to something that is not there."""

    what: str
    """`judgement`, `definition`, `pack`, `registry` or `consent`."""
    name: str
    """What is missing; of consents, none is named by itself."""
    flows: int
    sample_events: list[str]
    """Any few."""


class OrphansAnswer(Contract):
    """What the ledger refers to and does not have."""

    orphans: list[Orphan]
    completeness: CompleteUpTo
