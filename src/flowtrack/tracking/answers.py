"""What the checker writes beside decisions: situations, findings, consent copies, markers and dead letters."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from hashlib import sha256

import msgspec

from flowtrack.domain.consent import ConsentData, ConsentRecord
from flowtrack.domain.decision import (
    SEVERITIES,
    ConsentCopy,
    DeadLetter,
    Finding,
    HistoryEntry,
    Marker,
    RuleUsed,
    SituationDefinition,
)
from flowtrack.domain.event import SERVICE_SOURCE, EventData
from flowtrack.domain.history import Entry
from flowtrack.domain.instants import END_US, from_us
from flowtrack.domain.names import DeadLetterCode, Kind, Verdict
from flowtrack.errors import ContractError
from flowtrack.policy.decide import CategoryVerdict, EventVerdict
from flowtrack.policy.judge import Judged
from flowtrack.policy.situation import Situation, attributes
from flowtrack.tracking.records import Record
from flowtrack.wire.decode import EventOutline
from flowtrack.wire.derive import struct_of
from flowtrack.wire.encode import encode

_ConsentCopyTwin = struct_of(ConsentCopy, "type")
_FindingTwin = struct_of(Finding, "type")
_json = msgspec.json.Encoder().encode


class Place:
    """Where a record stood: which life of the broker, which partition and offset, and when it arrived."""

    __slots__ = ("epoch", "offset", "partition", "received_at")

    def __init__(self, epoch: str, record: Record, received_at: datetime) -> None:
        self.epoch = epoch
        self.partition = record.partition
        self.offset = record.offset
        self.received_at = received_at


def judgement_of(judged: Judged) -> dict[str, object]:
    """A judgement as fields of `Judgement`."""
    return {
        "verdict": judged.verdict,
        "rules": judged.rules,
        "clauses": judged.clauses,
        "severity": judged.severity,
        "reasons": judged.reasons,
        "notes": judged.notes,
        "gaps": judged.gaps,
    }


def situation_definition(pack: str, situation: Situation, judged: Judged) -> bytes:
    """The definition of a situation, as JSON of `SituationDefinition`."""
    definition = SituationDefinition.model_validate(
        {
            "type": "situation",
            "pack": pack,
            "situation": judged.situation_id,
            "attributes": attributes(situation),
            "shadow": judged.shadow,
            **judgement_of(judged),
        }
    )
    return encode(definition)


def finding_of(
    what: str, kind: Kind, event: EventOutline, data: EventData, verdict: EventVerdict, place: Place
) -> bytes:
    """The finding that an event gives the alerter, as JSON of `Finding`.

    Args:
        what: as `finding_kind` says.
        kind: of the event.
        event: the event.
        data: its data; what recurs of it is looked at.
        verdict: on it.
        place: where it stood.
    """
    told = [each for each in verdict.categories if _is_told(what, each)]
    judged = [each.judged for each in told]
    return _json(
        _FindingTwin(
            what=what,
            event_id=event.id,
            service=event.source[len(SERVICE_SOURCE) :],
            kind=kind.value,
            purpose=data.purpose or "",
            recipient=data.recipient or data.party or "",
            subject=event.subject,
            categories=[each.category for each in told],
            clauses=_union(each.clauses for each in judged),
            reasons=_union(each.notes if what == "notice" else each.reasons for each in judged),
            gaps=_union(each.gaps for each in judged),
            severity=max((each.severity for each in judged), key=SEVERITIES.index),
            happened_at=event.time,
            epoch=place.epoch,
            partition=place.partition,
            offset=place.offset,
        )
    )


def finding_kind(kind: Kind, verdict: EventVerdict) -> str:
    """What the alerter is told of an event with such a verdict; empty where it need not hear of it."""
    if kind is Kind.INCIDENT:
        return "incident"
    if verdict.verdict is Verdict.DENY:
        return "denied"
    if verdict.verdict is Verdict.INDETERMINATE:
        return "indeterminate"
    return "notice" if verdict.severity else ""


def _is_told(what: str, each: CategoryVerdict) -> bool:
    verdict = each.judged.verdict
    if what == "denied":
        return verdict is Verdict.DENY
    if what == "indeterminate":
        return verdict is Verdict.INDETERMINATE
    return what == "incident" or bool(each.judged.severity)


def _union(lists: Iterable[Iterable[str]]) -> list[str]:
    return list(dict.fromkeys(value for values in lists for value in values))


def consent_copy(record: ConsentRecord, place: Place) -> bytes:
    """A consent record as it was applied, as JSON of `ConsentCopy`."""
    return _json(
        _ConsentCopyTwin(
            event_id=record.id,
            source=record.source,
            subject=record.subject,
            valid_from=record.time,
            received_at=place.received_at,
            epoch=place.epoch,
            partition=place.partition,
            offset=place.offset,
            data=record.data,
        )
    )


def consent_marker(
    subject: str, effect_us: int, history: tuple[Entry, ...], partition: int, rules: list[RuleUsed]
) -> bytes:
    """A marker for a consent record that reaches back behind an event judged already, as JSON of `Marker`."""
    marker = Marker(
        type="marker",
        cause="consent",
        subject=subject,
        reaches_back_to=from_us(effect_us),
        partition=partition,
        history=[_history_entry(entry) for entry in history],
        changed="",
        rules=rules,
    )
    return encode(marker)


def _history_entry(entry: Entry) -> HistoryEntry:
    scope = entry.scope
    data = {
        "record": entry.record,
        "kind": entry.kind,
        "state": entry.state,
        "scope": None if scope is None else msgspec.json.decode(encode(scope)),
        "expires": None if entry.expires_us >= END_US else from_us(entry.expires_us),
        "country": entry.country or None,
    }
    return HistoryEntry(
        event_id=entry.event_id, valid_from=from_us(entry.valid_from_us), data=ConsentData.model_validate(data)
    )


def dead_letter(record: Record, place: Place, error: ContractError) -> tuple[bytes, bytes]:
    """A message that could not be taken, as JSON of `DeadLetter` and of its `Finding`."""
    payload = record.value or b""
    letter = DeadLetter(
        topic=record.topic,
        epoch=place.epoch,
        partition=record.partition,
        offset=record.offset,
        received_at=place.received_at,
        code=DeadLetterCode(error.code),
        field=error.field,
        detail=f"{error.what}; {error.help}" if error.help else error.what,
        size_bytes=len(payload),
        sha256=sha256(payload).hexdigest(),
    )
    finding = Finding(
        type="finding",
        what="dead_letter",
        event_id="",
        service="",
        kind="",
        purpose="",
        recipient="",
        subject="",
        categories=[],
        clauses=[],
        reasons=[letter.code.value],
        gaps=[],
        severity="high" if letter.code is DeadLetterCode.RECORDS_LOST else "medium",
        happened_at=place.received_at,
        epoch=place.epoch,
        partition=record.partition,
        offset=record.offset,
    )
    return encode(letter), encode(finding)
