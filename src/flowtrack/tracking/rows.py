"""The shape of the ledger: from what the checker wrote to rows, column by column, as the store keeps them.

Instants are whole units of a column's precision since 1970: microseconds where something happened or took effect,
milliseconds where a broker wrote it down.  Subjects are 32 hex digits.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Annotated, Any, Final, NamedTuple

import msgspec

from flowtrack.domain.consent import Notice, UsagePolicy
from flowtrack.domain.decision import Alert, CategoryDecision, ConsentCopy, DeadLetter, Decision, SituationDefinition
from flowtrack.domain.facts import Facts, Particulars
from flowtrack.domain.instants import instant_us
from flowtrack.tracking.records import Record
from flowtrack.wire.encode import encode

FLOWS: Final = "flows"
JUDGEMENTS: Final = "judgements"
CONSENTS: Final = "consents"
DEAD_LETTERS: Final = "dead_letters"
ALERTS: Final = "alerts"
DOCUMENTS: Final = "documents"

Row = tuple[Any, ...]

_AWARE = Annotated[datetime, msgspec.Meta(tz=True)]

COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    FLOWS: (
        "subject",
        "happened_at",
        "event_id",
        "category",
        "revision",
        "sign",
        "recorded_at",
        "service",
        "kind",
        "purpose",
        "basis",
        "recipient",
        "dataset",
        "location",
        "verdict",
        "pack",
        "registry",
        "situation",
        "consent",
        "suspect",
        "correlation_id",
        "facts",
        "particulars",
        "epoch",
        "source_partition",
        "source_offset",
        "decision_partition",
        "decision_offset",
    ),
    JUDGEMENTS: (
        "pack",
        "situation",
        "verdict",
        "severity",
        "rules",
        "clauses",
        "reasons",
        "notes",
        "gaps",
        "attributes",
        "recorded_at",
    ),
    CONSENTS: (
        "subject",
        "kind",
        "valid_from",
        "recorded_at",
        "received_at",
        "source",
        "event_id",
        "record",
        "state",
        "scope",
        "notice",
        "expires",
        "method",
        "country",
        "epoch",
        "source_partition",
        "source_offset",
        "decision_partition",
        "decision_offset",
    ),
    DEAD_LETTERS: (
        "topic",
        "epoch",
        "source_partition",
        "source_offset",
        "received_at",
        "code",
        "field",
        "detail",
        "size_bytes",
        "sha256",
        "recorded_at",
    ),
    ALERTS: (
        "identity",
        "last_at",
        "count",
        "state",
        "what",
        "title",
        "severity",
        "service",
        "recipient",
        "purpose",
        "categories",
        "clauses",
        "reasons",
        "gaps",
        "first_at",
        "examples",
        "amended",
        "lifted",
        "changed",
        "recorded_at",
    ),
    DOCUMENTS: ("kind", "name", "valid_from", "recorded_at", "removed", "sha256", "body"),
}
"""The columns that the sink fills, in the order of its rows."""


class Block(NamedTuple):
    """Rows of one table that are inserted together: wholly, or not at all."""

    table: str
    columns: dict[str, list[Any]]

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return len(next(iter(self.columns.values())))


def block_of(table: str, rows: list[Row]) -> Block:
    """Turn rows into columns; there must be at least one row."""
    return Block(
        table, {name: list(values) for name, values in zip(COLUMNS[table], zip(*rows, strict=True), strict=True)}
    )


def flow_rows(decision: Decision, record: Record, sign: int = 1) -> list[Row]:
    """A row for each category of an event; an event that names none has one row, so that no offset is without."""
    happened_at = instant_us(decision.happened_at)
    service, kind, purpose = decision.service, str(decision.kind), decision.purpose
    before = (record.timestamp_ms, service, kind, purpose, decision.basis, decision.recipient, decision.dataset)
    versions = (decision.pack, decision.registry)
    after = (
        int(decision.suspect),
        decision.correlationid,
        _text(decision.facts),
        _text(decision.particulars),
        decision.epoch,
        decision.partition,
        decision.offset,
        record.partition,
        record.offset,
    )
    subject, event_id, revision, location = decision.subject, decision.event_id, decision.revision, decision.location
    if not decision.categories:
        verdict = str(decision.verdict)
        return [
            (subject, happened_at, event_id, "", revision, sign, *before, location, verdict, *versions, 0, "", *after)
        ]
    return [
        (
            subject,
            happened_at,
            event_id,
            part.category,
            revision,
            sign,
            *before,
            location,
            str(part.verdict),
            *versions,
            int(part.situation, 16),
            part.consent,
            *after,
        )
        for part in distinct(decision.categories)
    ]


def distinct(categories: list[CategoryDecision]) -> list[CategoryDecision]:
    """Each category once: an event that names one twice has still one flow of it."""
    if len(categories) == 1:
        return categories
    return list({part.category: part for part in categories}.values())


def judgement_row(pack: str, source: CategoryDecision | SituationDefinition, recorded_at_ms: int) -> Row:
    """What a pack says of a situation; from its definition with the attributes, from a decision without them."""
    attributes = msgspec.json.encode(source.attributes).decode() if hasattr(source, "attributes") else ""
    return (
        pack,
        int(source.situation, 16),
        str(source.verdict),
        source.severity,
        list(source.rules),
        list(source.clauses),
        [str(reason) for reason in source.reasons],
        [str(note) for note in source.notes],
        [str(gap) for gap in source.gaps],
        attributes,
        recorded_at_ms,
    )


def consent_row(copy: ConsentCopy, record: Record) -> Row:
    """One state of one consent record."""
    data = copy.data
    return (
        copy.subject,
        str(data.kind),
        instant_us(copy.valid_from),
        record.timestamp_ms,
        instant_us(copy.received_at) // 1000,
        copy.source,
        copy.event_id,
        data.record,
        str(data.state),
        _json(data.scope),
        _json(data.notice),
        None if data.expires is None else instant_us(data.expires),
        data.method or "",
        data.country or "",
        copy.epoch,
        copy.partition,
        copy.offset,
        record.partition,
        record.offset,
    )


def dead_letter_row(letter: DeadLetter, record: Record) -> Row:
    """A message that could not be taken."""
    return (
        letter.topic,
        letter.epoch,
        letter.partition,
        letter.offset,
        instant_us(letter.received_at) // 1000,
        str(letter.code),
        letter.field,
        letter.detail,
        letter.size_bytes,
        letter.sha256,
        record.timestamp_ms,
    )


def alert_row(alert: Alert, record: Record) -> Row:
    """One state of one alert."""
    return (
        alert.identity,
        instant_us(alert.last_at),
        alert.count,
        alert.state,
        alert.what,
        alert.title,
        alert.severity,
        alert.service,
        alert.recipient,
        alert.purpose,
        list(alert.categories),
        list(alert.clauses),
        list(alert.reasons),
        list(alert.gaps),
        instant_us(alert.first_at),
        list(alert.examples),
        alert.amended,
        alert.lifted,
        alert.changed,
        record.timestamp_ms,
    )


def document_row(kind: str, record: Record) -> Row:
    """A version of a pack or a registry document, as it stands on its topic; without a value it is a removal."""
    body = record.value or b""
    name = (record.key or b"").decode()
    digest = hashlib.sha256(body).hexdigest()
    return (
        kind,
        name,
        _holds_from_us(body, record.timestamp_ms * 1000),
        record.timestamp_ms,
        int(record.value is None),
        digest,
        body.decode(),
    )


class _Effective(msgspec.Struct):
    """The one field of a document that the ledger reads."""

    effective_from: str | None = None


def _holds_from_us(body: bytes, otherwise_us: int) -> int:
    """From when a document holds: what it says itself, else when it came."""
    try:
        said = msgspec.json.decode(body, type=_Effective).effective_from
        return otherwise_us if said is None else instant_us(msgspec.convert(said, type=_AWARE, strict=False))
    except msgspec.MsgspecError:
        return otherwise_us  # not ours to judge: the checker has refused or taken it, the ledger keeps it as it came


def _text(value: Facts | Particulars) -> str:
    """Compact JSON; empty where it says nothing."""
    text = encode(value)
    return "" if text == b"{}" else text.decode()


def _json(value: UsagePolicy | Notice | None) -> str:
    return "" if value is None else encode(value).decode()
