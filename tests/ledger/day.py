"""Records as the checker and the alerter write them, for the tests of the ledger."""

from __future__ import annotations

import hashlib
import random
from datetime import UTC, datetime, timedelta

import msgspec

from flowtrack.domain.consent import ConsentData, UsagePolicy
from flowtrack.domain.decision import Alert, CategoryDecision, ConsentCopy, DeadLetter, Decision, SituationDefinition
from flowtrack.domain.names import DeadLetterCode, Gap, Kind, Reason, RecordKind, RecordState, Verdict, worst
from flowtrack.tracking.records import Record, Topic
from flowtrack.wire.encode import encode

EPOCH = "life1"
PACK = "default@1.0.0"
START = datetime(2026, 3, 2, 9, tzinfo=UTC)
START_MS = int(START.timestamp() * 1000)
_OWN = (
    *("type", "event_id", "subject", "happened_at", "received_at"),
    *("epoch", "partition", "offset", "suspect", "correlationid"),
)
CATEGORIES = ("provided.email", "provided.phone", "automatic.ip", "content.photo")


def subject_of(number: int) -> str:
    """The pseudonym of an invented person."""
    return hashlib.sha256(str(number).encode()).hexdigest()[:32]


def situation_of(category: str, verdict: Verdict) -> str:
    """The number of a situation: verdict and category decide it here."""
    return hashlib.blake2b(f"{category} {verdict}".encode(), digest_size=8).hexdigest()


def category(name: str, verdict: Verdict = Verdict.PERMIT, consent: str = "") -> CategoryDecision:
    """The judgement of one category."""
    return CategoryDecision(
        category=name,
        verdict=verdict,
        rules=[f"{verdict}.{name}"],
        clauses=["3.1"],
        severity="high" if verdict is Verdict.DENY else "",
        reasons=[Reason.NO_OWN_CONSENT] if verdict is Verdict.DENY else [Reason.DEEMED_CONSENT],
        notes=[],
        gaps=[Gap.UNKNOWN_PARTY] if verdict is Verdict.INDETERMINATE else [],
        situation=situation_of(name, verdict),
        consent=consent,
    )


def decision(
    offset: int,
    *categories: CategoryDecision,
    partition: int = 0,
    subject: str = "",
    kind: Kind = Kind.SHARE,
    happened_at: datetime | None = None,
    epoch: str = EPOCH,
) -> Decision:
    """The decision on the event at an offset."""
    at = START + timedelta(seconds=offset, microseconds=7) if happened_at is None else happened_at
    return Decision(
        type="decision",
        event_id=f"e-{partition}-{offset}",
        source="/services/shop",
        subject=subject or subject_of(offset % 5),
        kind=kind,
        happened_at=at,
        received_at=at,
        service="shop",
        purpose="service.provide",
        basis="deemed_consent",
        recipient="acme" if kind is Kind.SHARE else "",
        location="KR",
        dataset="",
        epoch=epoch,
        partition=partition,
        offset=offset,
        verdict=worst([part.verdict for part in categories]),
        pack=PACK,
        registry="registry@1",
        revision=0,
        suspect=offset % 7 == 0,
        correlationid=f"c-{offset}",
        categories=list(categories),
    )


def situation(part: CategoryDecision) -> SituationDefinition:
    """The definition of a category's situation."""
    return SituationDefinition(
        type="situation",
        pack=PACK,
        situation=part.situation,
        attributes={"category": part.category, "own": False},
        **part.model_dump(exclude={"category", "situation", "consent"}),
    )


def consent(offset: int, subject: str, *, event_id: str = "", epoch: str = EPOCH, partition: int = 0) -> ConsentCopy:
    """A consent record as it was applied."""
    return ConsentCopy(
        type="consent",
        event_id=event_id or f"k-{partition}-{offset}",
        source="/services/consent",
        subject=subject,
        valid_from=START - timedelta(days=1, microseconds=offset),
        received_at=START - timedelta(days=1),
        epoch=epoch,
        partition=partition,
        offset=offset,
        data=ConsentData(
            record=f"record-{offset}",
            kind=RecordKind.CONSENT,
            state=RecordState.GIVEN,
            scope=UsagePolicy(data="provided", purpose="service"),
            expires=START + timedelta(days=365, microseconds=1),
            country="KR" if offset % 2 else None,
        ),
    )


def dead_letter(offset: int, *, partition: int = 0, topic: str = Topic.EVENTS) -> DeadLetter:
    """A message that could not be taken."""
    return DeadLetter(
        topic=topic,
        epoch=EPOCH,
        partition=partition,
        offset=offset,
        received_at=START,
        code=DeadLetterCode.NOT_JSON,
        field="",
        detail="the message is no JSON: send one document a record",
        size_bytes=3,
        sha256="0" * 64,
    )


def alert(identity: str = "0123456789abcdef", *, count: int = 1, resolved: bool = False) -> Alert:
    """A state of an alert."""
    return Alert(
        identity=identity,
        state="resolved" if resolved else "open",
        what="denied",
        title="shop shares with acme",
        severity="high",
        service="shop",
        recipient="acme",
        purpose="service.provide",
        categories=["provided.email"],
        clauses=["3.1"],
        reasons=["no_own_consent"],
        gaps=[],
        first_at=START,
        last_at=START + timedelta(seconds=count),
        count=count,
        examples=["e-0-1"],
    )


def record(
    item: Decision | SituationDefinition | ConsentCopy | DeadLetter | Alert,
    offset: int,
    *,
    partition: int = 0,
    at_ms: int | None = None,
) -> Record:
    """The item as it stands on its topic."""
    topic = {"DeadLetter": Topic.DEADLETTERS, "Alert": Topic.ALERTS}.get(type(item).__name__, Topic.DECISIONS)
    value = as_written(item) if isinstance(item, Decision) else encode(item)
    return Record(topic, partition, offset, START_MS + offset if at_ms is None else at_ms, None, value)


def as_written(item: Decision) -> bytes:
    """The decision with its fields in the order in which the checker writes them (tracking/wording.py)."""
    fields = msgspec.json.decode(encode(item))
    recurring = [name for name in fields if name not in {*_OWN, "particulars"}]
    return msgspec.json.encode({name: fields[name] for name in (*_OWN, *recurring, "particulars") if name in fields})


def a_day(events: int, *, partitions: int = 2, seed: int = 1) -> list[Record]:
    """A day of all kinds of records, in the order of their partitions, definitions before what refers to them."""
    chance = random.Random(seed)
    sources, targets = [0] * partitions, [0] * partitions
    defined: set[str] = set()
    records: list[Record] = []

    def put(item: Decision | SituationDefinition | ConsentCopy | DeadLetter | Alert, partition: int) -> None:
        records.append(record(item, targets[partition], partition=partition))
        targets[partition] += 1

    for number in range(events):
        p = chance.randrange(partitions)
        parts = [
            category(name, chance.choice([Verdict.PERMIT, Verdict.PERMIT, Verdict.DENY, Verdict.INDETERMINATE]), "r-1")
            for name in chance.sample(CATEGORIES, chance.randint(1, 3))
        ]
        for part in parts:
            if part.situation not in defined:
                defined.add(part.situation)
                put(situation(part), p)
        if number % 9 == 0:
            put(consent(number, subject_of(number % 5), partition=p), p)
        if number % 13 == 5:
            put(dead_letter(sources[p], partition=p), p)
        else:
            kind = chance.choice([Kind.SHARE, Kind.USE, Kind.COLLECT])
            put(decision(sources[p], *parts, partition=p, kind=kind), p)
        sources[p] += 1
    put(decision(sources[0], partition=0, kind=Kind.ERASE), 0)
    put(alert(count=1), 0)
    put(alert(count=3), 0)
    put(alert("fedcba9876543210", count=2, resolved=True), 0)
    records.append(Record(Topic.REGISTRY, 0, 0, START_MS, b"registry:1", b'{"name": "registry", "version": "1"}'))
    records.append(Record(Topic.POLICIES, 0, 0, START_MS, b"default:1", b'{"effective_from": "2026-01-01T00:00:00Z"}'))
    records.append(Record(Topic.POLICIES, 0, 1, START_MS + 1, b"other:1", b"{}"))
    records.append(Record(Topic.POLICIES, 0, 2, START_MS + 2, b"other:1", None))
    return records
