"""What the checker answers: decisions, definitions of situations, markers, findings, alerts and dead letters.

`decisions/p` carries four types of records in one order, told apart by `type`; the sink writes from it alone.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from flowtrack.domain.consent import ConsentData
from flowtrack.domain.facts import Facts, Particulars
from flowtrack.domain.model import Contract, Name, Subject
from flowtrack.domain.names import DeadLetterCode, Gap, Kind, Note, Reason, Verdict

SEVERITIES = ("", "info", "low", "medium", "high", "critical")
"""From none to worst; a permit has none."""

Severity = Literal["", "info", "low", "medium", "high", "critical"]
PartitionNumber = Annotated[int, Field(ge=0, le=65_535)]
"""Of a topic; as wide as the ledger's column."""
Offset = Annotated[int, Field(ge=0, le=(1 << 63) - 1)]
"""Of a record in its partition, as Kafka counts."""
Revision = Annotated[int, Field(ge=0, le=65_535)]
"""How often an event was judged anew."""
SituationId = Annotated[str, Field(min_length=16, max_length=16, pattern="^[0-9a-f]{16}$")]
"""64-bit BLAKE2b of the situation's canonical form, 16 hex digits."""


class Judgement(Contract):
    """What a pack says of a situation; the same for every event and subject in it."""

    verdict: Verdict
    rules: list[str]
    """`@id` of the rules that decided."""
    clauses: list[str]
    severity: Severity
    reasons: list[Reason]
    notes: list[Note]
    gaps: list[Gap]


class CategoryDecision(Judgement):
    """The judgement of one category of an event, and the consent record that carried it."""

    category: str
    situation: SituationId
    consent: str
    """Id of the consent record that carried the verdict; empty where none did."""


class Decision(Contract):
    """The verdict on one event, with where the event stood and which versions decided."""

    type: Literal["decision"]
    event_id: str
    source: str
    subject: Subject
    kind: Kind
    happened_at: AwareDatetime
    received_at: AwareDatetime
    """Timestamp of the event's Kafka record."""
    service: str
    purpose: str
    basis: str
    recipient: str
    location: str
    """Destination of a share, location of a store; empty otherwise."""
    dataset: str
    epoch: str
    """Which broker `partition` and `offset` belong to: an embedded broker starts a new epoch each time."""
    partition: PartitionNumber
    offset: Offset
    verdict: Verdict
    pack: str
    registry: str
    revision: Revision
    suspect: bool
    """Whether the event may repeat an earlier one (its `sequence` is not above the last seen, or it has none)."""
    correlationid: str
    categories: list[CategoryDecision]
    facts: Facts = Facts()
    """What else recurs of the event's data, so that it can be judged anew."""
    particulars: Particulars = Particulars()
    """What else is this event's alone."""


class SituationDefinition(Judgement):
    """A situation met for the first time by a worker, with everything needed to judge it anew."""

    type: Literal["situation"]
    pack: str
    situation: SituationId
    attributes: dict[str, str | bool | list[str]]
    shadow: list[str] = []
    """`@id` of the rules on trial that match it; they decide nothing."""


class ConsentCopy(Contract):
    """A consent record as it was applied, copied so that one stream holds all that the sink writes."""

    type: Literal["consent"]
    event_id: str
    source: str
    subject: Subject
    valid_from: AwareDatetime
    received_at: AwareDatetime
    epoch: str
    partition: PartitionNumber
    offset: Offset
    data: ConsentData


class HistoryEntry(Contract):
    """One consent record of a subject's history, inside a marker."""

    event_id: str
    valid_from: AwareDatetime
    data: ConsentData


class RuleUsed(Contract):
    """One version of a pack or of a registry document that was in force."""

    kind: Literal["policy", "registry"]
    name: Name
    version: Name
    digest: Annotated[str, Field(min_length=1, max_length=128)]
    """Of what was published: the same version may have been published again with other contents."""


class Marker(Contract):
    """Late knowledge: everything before it on its partition was judged without it, everything after with it."""

    type: Literal["marker"]
    cause: Literal["consent", "registry", "policy"]
    subject: Subject | None
    """Whose events are touched; None where the registry or the pack changed."""
    reaches_back_to: AwareDatetime
    """Events that happened at or after this instant are touched."""
    partition: PartitionNumber
    history: list[HistoryEntry]
    """The subject's whole consent history, after the change."""
    changed: str
    """`name@version` of the registry document or pack that changed; empty for consents."""
    rules: list[RuleUsed] = []
    """All that was in force when it was written, in the order of arrival: by these, events are judged anew."""


class Finding(Contract):
    """What the alerter must know: an event that was denied, indeterminate or dead, or an incident."""

    type: Literal["finding"]
    what: Literal["denied", "indeterminate", "dead_letter", "incident", "notice"]
    event_id: str
    service: str
    kind: str
    purpose: str
    recipient: str
    subject: str
    categories: list[str]
    clauses: list[str]
    reasons: list[str]
    gaps: list[str]
    severity: Severity
    happened_at: AwareDatetime
    epoch: str
    partition: PartitionNumber
    offset: Offset


class AmendedCategory(Contract):
    """What judging anew changed for one category of an event."""

    category: str
    revision: Revision
    """Of the answer that holds from now on."""
    verdict_before: Verdict
    verdict: Verdict
    situation_before: SituationId
    situation: SituationId
    consent_before: str
    consent: str


class Amendment(Contract):
    """What late knowledge changed about one event: the answer that was given, and the one that holds instead."""

    type: Literal["amendment"]
    cause: Literal["consent", "registry", "policy"]
    changed: str
    """As in the marker."""
    event_id: str
    service: str
    subject: Subject
    kind: Kind
    happened_at: AwareDatetime
    recorded_at: AwareDatetime
    """From when on it is known."""
    epoch: str
    partition: PartitionNumber
    """Where the event stood, as in its decision."""
    offset: Offset
    decision_offset: Offset
    """Of the marker; with the event's place it names this amendment, which may come twice after a kill."""
    pack: str
    registry: str
    categories: list[AmendedCategory]
    verdict_before: Verdict | None = None
    """Of the event, the worst of all its categories; None where an older sink published it."""
    verdict: Verdict | None = None
    """Of the event, from now on."""
    finding: Finding | None = None
    """What the alerter must know: the finding that the event gives now, where it is worse than it was."""


class Alert(Contract):
    """Findings of one kind, grouped: who was told of what, since when, how often."""

    identity: str
    """16 hex digits, from what, service, recipient, clauses, reasons and gaps."""
    state: Literal["open", "resolved"]
    what: str
    title: str
    severity: Severity
    service: str
    recipient: str
    purpose: str
    categories: list[str]
    clauses: list[str]
    reasons: list[str]
    gaps: list[str]
    first_at: AwareDatetime
    last_at: AwareDatetime
    count: int
    examples: list[str]
    """Ids of a few of the events."""
    amended: int = 0
    """How many of the findings late knowledge brought: those events had passed before."""
    lifted: int = 0
    """How many of the findings late knowledge has lifted since; the alert ends when none is left."""
    changed: str = ""
    """`name@version` of the pack or registry document that opened the alert by judging anew; empty otherwise."""


class AlertRecord(Alert):
    """An alert as it stands on its topic, with what the alerter needs to go on."""

    followed: list[str] = []
    """Where the events of findings stood that may still be lifted, as `partition:offset`; a bounded number of them."""


class DeadLetter(Contract):
    """A message that could not be taken: where it stood and why, never what it held."""

    topic: str
    epoch: str
    partition: PartitionNumber
    offset: Offset
    received_at: AwareDatetime
    code: DeadLetterCode
    field: str
    """Dotted path of the field at fault; empty where the whole message is."""
    detail: str
    """What was wrong and what to do, without any value of the message."""
    size_bytes: int
    sha256: str
    """Of the payload, so that its sender can find it again."""
