"""Days with all that questions about subjects look at: people at work, transfers, storage, notices, amendments."""

from __future__ import annotations

import random
from datetime import timedelta

from flowtrack.domain.consent import ConsentData, Notice, UsagePolicy
from flowtrack.domain.decision import ConsentCopy, Decision
from flowtrack.domain.facts import Facts, Particulars
from flowtrack.domain.names import ActorType, Kind, Method, RecordKind, RecordState, Verdict
from flowtrack.domain.registry import RegistryDocument
from flowtrack.tracking.ledger import LedgerStore, LedgerWriter
from flowtrack.tracking.records import Record, Topic
from flowtrack.tracking.rows import FLOWS, block_of, flow_rows
from tests.ledger.day import (
    CATEGORIES,
    START,
    START_MS,
    a_day,
    category,
    consent,
    decision,
    record,
    situation,
    subject_of,
)

DAYS = 5
_VERDICTS = (Verdict.PERMIT, Verdict.PERMIT, Verdict.DENY, Verdict.INDETERMINATE)
_KINDS = (Kind.COLLECT, Kind.USE, Kind.SHARE, Kind.STORE)
_AFTER = 1_000
"""Offsets behind those of `a_day`."""


def write_days(store: LedgerStore, events: int = 120) -> None:
    """Write a day of all kinds of records, days with all circumstances, and amendments of some of them."""
    LedgerWriter(store, "run").process([*a_day(60), *_records(events)])
    LedgerWriter(store, "later").process(_around(events))
    for number, each in enumerate(_decisions(events)):
        if number % 11 == 3:
            _amend(store, each, _AFTER + number)


def _records(events: int) -> list[Record]:
    parts = [category(name, verdict) for name in CATEGORIES for verdict in set(_VERDICTS)]
    records = [record(situation(part), _AFTER - len(parts) + place) for place, part in enumerate(parts)]
    for number, each in enumerate(_decisions(events)):
        at_ms = START_MS + number * 60_000 + (number % 3) * 86_400_000
        records.append(record(each, _AFTER + 2 * number, at_ms=at_ms))
        if number % 5 == 0:
            records.append(record(_consent(number), _AFTER + 2 * number + 1, at_ms=at_ms))
    return records


def _around(events: int) -> list[Record]:
    """What is known of services and parties, and what is told erased."""
    registry = RegistryDocument.model_validate(
        {
            "version": "2",
            "services": {"shop": {"controller": "platform", "regions": ["KR"]}},
            "parties": {
                "acme": {"type": "processor", "country": "KR"},
                "bank": {"type": "partner", "country": "US"},
                "club": [{"type": "partner", "country": "KR"}],
            },
        }
    )
    body = registry.model_dump_json(exclude_none=True).encode()
    last = _AFTER + 3 * events
    erased = [
        (decision(last, kind=Kind.ERASE, subject=subject_of(0), happened_at=START + timedelta(days=2)), last),
        (
            decision(
                last + 1,
                category(CATEGORIES[0]),
                kind=Kind.ERASE,
                subject=subject_of(3),
                happened_at=START + timedelta(days=4),
            ).model_copy(update={"dataset": "crm"}),
            last + 1,
        ),
    ]
    return [
        Record(Topic.REGISTRY, 0, 1, START_MS + 5, b"registry:2", body),
        *(record(made, offset, at_ms=START_MS + 3 * 86_400_000) for made, offset in erased),
    ]


def _decisions(events: int) -> list[Decision]:
    chance = random.Random(7)
    return [_decision(chance, number) for number in range(events)]


def _decision(chance: random.Random, number: int) -> Decision:
    kind = chance.choice(_KINDS)
    record_id = f"r-{number % 4}"
    parts = [
        category(name, chance.choice(_VERDICTS), record_id if chance.random() < 0.6 else "")
        for name in chance.sample(CATEGORIES, chance.randint(1, 3))
    ]
    facts, particulars = Facts(), Particulars()
    if kind is Kind.COLLECT:
        facts = Facts(method=Method.RECEIVED, received_from="club")
    elif kind is Kind.USE and number % 2:
        facts = Facts(actor_type=ActorType.STAFF, actor_role=chance.choice(["support", "fraud"]))
        particulars = Particulars(
            actor_id=f"staff-{chance.randint(1, 3)}",
            actor_session=f"s-{number}",
            actor_task=chance.choice([None, "t-1"]),
        )
    elif kind is Kind.SHARE:
        facts = Facts(destination=chance.choice(["KR", "US", "JP"]))
    elif kind is Kind.STORE:
        kept = chance.choice([None, 1, 3, 400])
        particulars = Particulars(retain_until=None if kept is None else START + timedelta(days=kept, hours=2))
    made = decision(
        _AFTER + number,
        *parts,
        kind=kind,
        subject=subject_of(number % 5),
        happened_at=START + timedelta(hours=number, microseconds=number),
    )
    return made.model_copy(
        update={
            "facts": facts,
            "particulars": particulars,
            "service": chance.choice(["shop", "desk"]),
            "recipient": chance.choice(["acme", "club", "bank"]) if kind is Kind.SHARE else "",
            "dataset": chance.choice(["crm", "lake"]) if kind is Kind.STORE else "",
            "location": facts.destination or chance.choice(["KR", "US"]) if kind in {Kind.SHARE, Kind.STORE} else "",
            "purpose": chance.choice(["service.provide", "protection.fraud"]),
            "basis": chance.choice(["consent", "processor", "deemed_consent"]),
        }
    )


def _consent(number: int) -> ConsentCopy:
    state = (RecordState.GIVEN, RecordState.GIVEN, RecordState.WITHDRAWN)[number % 3]
    given = consent(_AFTER + number, subject_of(number % 5))
    data = ConsentData(
        record=f"r-{number % 4}",
        kind=RecordKind.CONSENT,
        state=state,
        scope=UsagePolicy(data="provided.email", purpose="service", recipient="acme"),
        notice=Notice(version=f"n-{number % 2}", language="ko", hash="0" * 64),
        method="form",
        expires=START + timedelta(days=2) if number % 2 else None,
    )
    return given.model_copy(update={"data": data, "valid_from": START + timedelta(hours=number - 3)})


def _amend(store: LedgerStore, made: Decision, offset: int) -> None:
    later = record(made, offset, at_ms=START_MS + 4 * 86_400_000 + offset)
    amended = made.model_copy(
        update={
            "revision": 1,
            "categories": [category(part.category, Verdict.PERMIT, "r-9") for part in made.categories],
        }
    )
    retraction = [(*row[:5], -1, *row[6:]) for row in flow_rows(made, later)]
    store.insert(block_of(FLOWS, [*retraction, *flow_rows(amended, later)]), f"amend {offset}")
