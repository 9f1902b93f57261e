"""A ledger of any size, made by the engine itself: the real schema, real situations, invented flows.

Services, parties and the data that they move are drawn once; the default pack judges each combination with each state
that a subject's consents may be in.  What is stored of a flow is then a choice among those, made by hashes of its
number, so that a ledger of a hundred million rows is written by SQL alone, and always the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, NamedTuple

from benchmarks.rig.ledger_sql import AMENDED, COMBINATION_COLUMNS, COMBINATION_TABLE, CONSENTS, DEAD, FLOWS
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.apps.documents import as_registry_document, default_pack_document
from flowtrack.domain.consent import UsagePolicy
from flowtrack.domain.event import Event, EventData
from flowtrack.domain.history import ConsentView, Own
from flowtrack.domain.instants import instant_us
from flowtrack.domain.names import Kind, RecordState
from flowtrack.domain.registry import RegistryDocument, registry_of
from flowtrack.policy.decide import CategoryVerdict, PackDecider
from flowtrack.policy.judge import Judge, Judged
from flowtrack.policy.pack import Pack, default_pack
from flowtrack.policy.situation import attributes
from flowtrack.wire.encode import encode
from flowtrack.wire.facts import facts_of

START = datetime(2026, 1, 5, tzinfo=UTC)
DAYS = 90
PARTITIONS = 8
EVENTS_PER_SUBJECT = 30
SERVICES, PARTIES, DATASETS = 1_000, 500, 300
ROWS_PER_EVENT = 1.78
"""What the drawn combinations come to; a ledger's size in rows is met within a percent."""
_COMBINATIONS = 1_200
_BLOCK_EVENTS = 500_000
_PACK = default_pack().label
_USUAL_PURPOSES = ("service.provide", "service.provide", "service.maintain", "service.improve", "protection.fraud")
_USUAL_CATEGORIES = ("provided.name", "provided.email", "provided.phone", "automatic.ip", "automatic.language")
_DEAD_EVERY = 9_973
_AMENDED_EVERY = 1_000
_KINDS = [Kind.USE] * 9 + [Kind.COLLECT] * 4 + [Kind.SHARE] * 4 + [Kind.STORE] * 3
_CONTROLLERS = ["platform"] * 17 + ["affiliate"] * 2 + ["third_party"]
_TYPES = ["processor"] * 5 + ["partner"] * 2 + ["affiliate"] * 2 + ["merchant"] * 2 + ["authority"]
_EVERYTHING = UsagePolicy()
_GIVEN = Own("own", RecordState.GIVEN, expired=False, in_force=True, scope=_EVERYTHING)
_WITHDRAWN = Own("own", RecordState.WITHDRAWN, expired=False, in_force=False, scope=_EVERYTHING)
_USUAL = ConsentView(account="open", terms="accepted", deemed="terms", country="KR")
VIEWS = (
    _USUAL,
    _USUAL,
    _USUAL,
    ConsentView(account="open", terms="accepted", deemed="terms", country="KR", own=(_GIVEN,)),
    ConsentView(account="open", terms="accepted", deemed="terms", country="KR", own=(_WITHDRAWN,)),
    ConsentView(account="open", terms="accepted", deemed="terms", country="JP", opt_outs=(("out", _EVERYTHING),)),
    ConsentView(account="closed", terms="accepted"),
    ConsentView(),
)
"""The states that a subject's consents are in; as often as they stand here."""


class Combination(NamedTuple):
    """What one service does again and again."""

    service: str
    kind: Kind
    data: EventData


def registry(chance: Random, pack: Pack) -> RegistryDocument:
    """Services and parties, many of them as they should be and some not."""
    purposes, categories = list(pack.vocabularies.purpose), list(pack.vocabularies.category)
    services = {
        f"service-{number:04d}": {"controller": chance.choice(_CONTROLLERS), "regions": chance.sample(["KR", "JP"], 1)}
        for number in range(SERVICES)
    }
    parties: dict[str, Any] = {}
    for number in range(PARTIES):
        party: dict[str, Any] = {"type": chance.choice(_TYPES), "country": "KR"}
        if party["type"] == "processor":
            party["agreement"] = {
                "instructions": chance.sample(purposes, 3),
                "confidentiality": chance.random() < 0.9,
                "security": chance.random() < 0.9,
            }
        party["needs"] = {chance.choice(purposes): chance.sample(categories, 6) for _ in range(3)}
        parties[f"party-{number:03d}"] = party
    return RegistryDocument.model_validate(
        {"name": "bench", "version": "1", "services": services, "parties": parties}, strict=False
    )


def combinations(chance: Random, pack: Pack, known: RegistryDocument) -> list[Combination]:
    """What services do, most of it of a few of them."""
    purposes = [*_USUAL_PURPOSES * 6, *pack.vocabularies.purpose]
    categories = [*_USUAL_CATEGORIES * 4, *pack.vocabularies.category]
    services, parties = list(known.services or {}), list(known.parties or {})
    datasets = [f"dataset-{number:03d}" for number in range(DATASETS)]
    found = []
    for _ in range(_COMBINATIONS):
        kind = chance.choice(_KINDS)
        fields: dict[str, Any] = {
            "categories": list(dict.fromkeys(_often(chance, categories) for _ in range(chance.choice((1, 2, 2, 3))))),
            "purpose": _often(chance, purposes),
            "basis": chance.choice(("deemed_consent", "deemed_consent", "consent", "lawful_interest")),
        }
        if kind is Kind.SHARE:
            fields |= {
                "recipient": _often(chance, parties),
                "destination": chance.choice(("KR", "KR", "JP")),
                "basis": chance.choice(("processor", "consent", "affiliate")),
                "channel": {"encrypted": chance.random() < 0.95},
            }
        elif kind is Kind.STORE:
            fields |= {
                "custodian": "platform",
                "location": chance.choice(("KR", "KR", "JP")),
                "protection": chance.choice(("encrypted", "clear")),
            }
        elif kind is Kind.COLLECT:
            fields["method"] = chance.choice(("provided", "automatic"))
        if kind in {Kind.STORE, Kind.USE} or chance.random() < 0.3:
            fields["dataset"] = _often(chance, datasets)
        service = _often(chance, services)
        found.append(Combination(service, kind, EventData.model_validate(fields, strict=False)))
    return found


def _often(chance: Random, names: list[str]) -> str:
    """One of the names; the first ones far oftener than the last."""
    return names[int(len(names) * chance.random() ** 2)]


def make(store: Store, rows: int, told: Callable[[int], None] = lambda _: None) -> int:
    """Fill a ledger whose migrations are applied, and give how many flows it has.

    Args:
        store: the ledger.
        rows: about how many; tables around it (consents, judgements, documents, dead letters) grow with them.
        told: is called with the number of events made so far.
    """
    pack, chance = default_pack(), Random(1)
    known = registry(chance, pack)
    judge = Judge(pack)
    _define(store, judge, known, combinations(chance, pack, known))
    events = int(rows / ROWS_PER_EVENT)
    subjects = max(1, events // EVENTS_PER_SUBJECT)
    store.command(CONSENTS.format(subjects=subjects, start_us=instant_us(START)))
    for first, count in _blocks(events):
        store.command(FLOWS.format(**_terms(events, subjects), first=first, count=count))
        told(first + count)
    for first, count in _blocks(events // _AMENDED_EVERY, _BLOCK_EVENTS // 4):
        store.command(AMENDED.format(**_terms(events, subjects), first=first, count=count))
    store.command(DEAD.format(dead=events // _DEAD_EVERY, **_terms(events, subjects)))
    return int(store.rows("SELECT count() FROM flows")[0][0])


def subject_of(number: int) -> str:
    """The pseudonym of a subject of such a ledger, as its SQL makes it: 32 hex digits."""
    digest = hashlib.md5(f"subject {number}".encode(), usedforsecurity=False).digest()
    return digest[7::-1].hex() + digest[:7:-1].hex()


def subjects_drawn(rows: int, count: int) -> list[str]:
    """Some subjects of a ledger that was made of so many rows: those of events that are evenly far apart."""
    subjects = max(1, int(rows / ROWS_PER_EVENT) // EVENTS_PER_SUBJECT)
    places = (int(subjects * ((number + 0.5) / count) ** 1.5) for number in range(count))
    return [subject_of(place) for place in dict.fromkeys(places)]


def more(store: Store, rows: int, first: int, count: int) -> None:
    """Add some more events to a ledger that was made of so many rows; `first` is beyond those it has."""
    events = int(rows / ROWS_PER_EVENT)
    store.command(FLOWS.format(**_terms(events, max(1, events // EVENTS_PER_SUBJECT)), first=first, count=count))


def _blocks(events: int, size: int = _BLOCK_EVENTS) -> Iterator[tuple[int, int]]:
    for first in range(0, events, size):
        yield first, min(size, events - first)


def _define(store: Store, judge: Judge, known: RegistryDocument, drawn: list[Combination]) -> None:
    """Judge every combination in every state of consents; what comes out is what flows are made of."""
    decider = PackDecider(judge, registry_of([judge.pack.registry, known]), "bench@1")
    judged: dict[int, tuple[Judged, dict[str, Any]]] = {}
    rows = []
    for number, each in enumerate(drawn):
        event = Event.model_construct(
            specversion="1.0",
            id="",
            source=f"/services/{each.service}",
            type=str(each.kind),
            subject="",
            time=START,
            data=each.data,
        )
        verdicts = [decider.answer(each.kind, event, view, instant_us(START)).named().categories for view in VIEWS]
        for found in (one for categories in verdicts for one in categories):
            if found.situation is not None:
                judged[int(found.judged.situation_id, 16)] = (found.judged, attributes(found.situation))
        rows.append(_combination_row(number, each, verdicts))
    store.command(COMBINATION_TABLE)
    columns = {name: list(values) for name, values in zip(COMBINATION_COLUMNS, zip(*rows, strict=True), strict=True)}
    store.insert("bench_combinations", columns, "combinations")
    _put_judgements(store, judged)
    _put_documents(store, known)


def _combination_row(number: int, each: Combination, verdicts: list[list[CategoryVerdict]]) -> tuple[Any, ...]:
    data = each.data
    return (
        number,
        each.service,
        str(each.kind),
        data.purpose,
        str(data.basis),
        data.recipient or "",
        data.dataset or "",
        data.destination or data.location or "",
        encode(facts_of(data)).decode(),
        list(data.categories or ()),
        [[int(one.judged.situation_id, 16) for one in categories] for categories in verdicts],
        [[str(one.judged.verdict) for one in categories] for categories in verdicts],
        [[int(bool(one.consent)) for one in categories] for categories in verdicts],
    )


def _put_judgements(store: Store, judged: dict[int, tuple[Judged, dict[str, Any]]]) -> None:
    """What the default pack says of every situation that flows are made of."""
    rows = [(number, *each) for number, each in judged.items()]
    columns: dict[str, list[Any]] = {
        "pack": [_PACK] * len(rows),
        "situation": [number for number, _, _ in rows],
        **{
            name: [getattr(one, name) for _, one, _ in rows]
            for name in ("verdict", "severity", "rules", "clauses", "reasons", "notes", "gaps")
        },
        "attributes": [json.dumps(named, separators=(",", ":")) for _, _, named in rows],
        "recorded_at": [instant_us(START) // 1000] * len(rows),
    }
    store.insert("judgements", columns, "judgements")


def _put_documents(store: Store, known: RegistryDocument) -> None:
    """The pack and the registry that rows name, as they stand on their topics."""
    start_us = instant_us(START)
    body = known.model_dump_json(exclude_none=True).encode()
    found = [default_pack_document(), as_registry_document(known.name, known.version, body)]
    columns: dict[str, list[Any]] = {
        "kind": ["policy", "registry"],
        "name": [each.key for each in found],
        "valid_from": [start_us] * 2,
        "recorded_at": [start_us // 1000] * 2,
        "removed": [0] * 2,
        "sha256": [hashlib.sha256(each.value).hexdigest() for each in found],
        "body": [each.value.decode() for each in found],
    }
    store.insert("documents", columns, "documents")


def _terms(events: int, subjects: int) -> dict[str, int | str]:
    """The numbers that the statements are filled with."""
    return {
        "events": events,
        "subjects": subjects,
        "combinations": _COMBINATIONS,
        "views": len(VIEWS),
        "start_ms": instant_us(START) // 1000,
        "span_ms": int(timedelta(days=DAYS).total_seconds()) * 1000,
        "partitions": PARTITIONS,
        "dead_every": _DEAD_EVERY,
        "amended_every": _AMENDED_EVERY,
        "pack": _PACK,
    }
