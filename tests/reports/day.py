"""A written day for reports: few people, each step of a kind that some report must show."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from flowtrack.apps.documents import as_registry_document, default_pack_document
from flowtrack.domain.event import incident_subject
from flowtrack.domain.registry import RegistryDocument
from flowtrack.policy.pack import Pack, default_pack
from flowtrack.testing.ledger import MemoryLedger
from flowtrack.tracking.check import Checker
from flowtrack.tracking.ledger import LedgerStore, LedgerWriter
from flowtrack.tracking.records import Record, Topic
from flowtrack.tracking.rulebook import Rulebook
from tests.tracking.checking import consent_record, event_record

START = datetime(2026, 3, 2, tzinfo=UTC)
NOW = datetime(2026, 4, 1, 9, tzinfo=UTC)
SINCE, UNTIL = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)
ANNA, BEN, CHO = (f"{number:032x}" for number in (0xA, 0xB, 0xC))
SHOP = "/services/shop"
INCIDENT = "incident-1"
INCIDENT_SUBJECT = incident_subject(SHOP, INCIDENT)
NOTICE = {"version": "2026-01", "language": "ko", "hash": "sha256-" + "5f70bf18a0860070" * 4}
TLS = {"encrypted": True, "protocol": "TLS 1.3"}


def at(minutes: int) -> str:
    """So many minutes after the day began, as RFC 3339."""
    return (START + timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")


@cache
def pack() -> Pack:
    """The default pack, loaded once."""
    return default_pack()


def registry() -> RegistryDocument:
    """Who there is, and what is declared."""
    agreement = {"instructions": ["service"], "confidentiality": True, "security": True, "from": at(-9_999)}
    return RegistryDocument.model_validate(
        {
            "name": "reports",
            "version": "1",
            "services": {
                "shop": {
                    "controller": "platform",
                    "regions": ["KR", "US"],
                    "purposes": ["service", "recommendation", "joint_service"],
                },
                "care": {"controller": "platform", "regions": ["KR"], "grants": {"agent": ["provided"]}},
                "radio": {"controller": "platform", "regions": ["KR"], "purposes": ["personalisation"]},
            },
            "parties": {
                "paycorp": {
                    "type": "affiliate",
                    "country": "KR",
                    "needs": {"service.provide": ["provided.name", "provided.phone", "provided.gender"]},
                },
                "mailhouse": {
                    "type": "processor",
                    "country": "US",
                    "agreement": agreement,
                    "needs": {"service": ["contact"]},
                },
                "travelclub": {"type": "partner", "country": "JP", "needs": {"recommendation": ["contact"]}},
                "police": {"type": "authority", "country": "KR"},
            },
            "staff_agreements": {"nda-1": {"since": at(-9_999)}},
            "sessions": {"session-1": {"since": at(-60), "until": at(6_000)}},
        }
    )


def _event(number: int, subject: str, kind: str, minutes: int, by: str = "shop", **data: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": INCIDENT if kind == "incident" else f"event-{number:02d}",
        "source": f"/services/{by}",
        "type": f"flowtrack.{kind}.v1",
        "subject": subject,
        "time": at(minutes),
        "data": data,
        "sequence": f"1.{number}",
    }


def _record(number: int, subject: str, kind: str, state: str, **data: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": f"consent-{number:02d}",
        "source": "/services/consents",
        "type": "flowtrack.consent.v1",
        "subject": subject,
        "time": at(number - 100),
        "data": {"record": f"record-{number:02d}", "kind": kind, "state": state, **data},
    }


def consents() -> list[dict[str, Any]]:
    """What the people said, before the day began."""
    scope = {"data": "contact", "purpose": "recommendation.partner_promotion", "recipient": "travelclub"}
    return [
        *(_record(n, who, "terms", "accepted", notice=NOTICE) for n, who in enumerate((ANNA, BEN, CHO))),
        *(_record(3 + n, who, "account", "open", country="KR") for n, who in enumerate((ANNA, BEN, CHO))),
        _record(6, BEN, "consent", "given", scope=scope, notice=NOTICE, expires="2027-03-01T00:00:00Z", method="web"),
        _record(7, CHO, "opt_out", "given", scope={"purpose": "recommendation"}),
    ]


def events() -> list[dict[str, Any]]:
    """What happened."""
    staff: dict[str, Any] = {
        "type": "staff",
        "id": "staff-007",
        "role": "agent",
        "agreement": "nda-1",
        "task": "task-1",
    }
    watched: dict[str, Any] = {**staff, "session": "session-1"}
    to_paycorp: dict[str, Any] = {"recipient": "paycorp", "destination": "KR", "basis": "affiliate", "channel": TLS}
    to_mailhouse: dict[str, Any] = {"recipient": "mailhouse", "destination": "US", "basis": "processor", "channel": TLS}
    to_club: dict[str, Any] = {"recipient": "travelclub", "destination": "KR", "basis": "consent", "channel": TLS}
    stored: dict[str, Any] = {"dataset": "orders", "custodian": "platform", "location": "KR", "channel": TLS}
    provide, send, promote = "service.provide", "recommendation.send", "recommendation.partner_promotion"
    name, phone, email = "provided.name", "provided.phone", "provided.email"
    return [
        _event(1, ANNA, "collect", 10, categories=[name, phone], purpose=provide, method="provided"),
        _event(2, BEN, "collect", 11, categories=[email], purpose=provide, method="provided"),
        _event(3, CHO, "collect", 12, categories=["provided.identity_card_number"], purpose=provide, method="provided"),
        _event(4, ANNA, "use", 20, categories=["automatic.location"], purpose="personalisation"),
        _event(5, BEN, "use", 21, categories=[email], purpose=send),
        _event(6, CHO, "use", 22, categories=[email], purpose=send),
        _event(7, ANNA, "share", 30, categories=[name, phone], purpose=provide, **to_paycorp),
        _event(8, ANNA, "share", 31, categories=["provided.bank_account"], purpose=provide, **to_paycorp),
        _event(9, BEN, "share", 32, categories=[email], purpose=provide, **to_mailhouse),
        _event(10, BEN, "share", 33, categories=[email], purpose=promote, **to_club),
        _event(11, ANNA, "share", 34, categories=[phone], purpose=promote, **to_club),
        _event(12, ANNA, "share", 35, categories=[phone], purpose=provide, **{**to_paycorp, "recipient": "ghost"}),
        _event(13, ANNA, "use", 40, "care", categories=[phone], purpose=provide, actor=watched),
        _event(14, BEN, "use", 41, "care", categories=[email], purpose=provide, actor=staff),
        _event(15, ANNA, "store", 50, categories=[name, phone], purpose=provide, retain_until=at(1_440), **stored),
        _event(16, CHO, "use", 60, categories=["provided.identity_card_number"], purpose="outside"),
        _event(
            *(17, BEN, "collect", 70),
            categories=[email],
            purpose="joint_service",
            method="received",
            received_from="travelclub",
            basis="law",
        ),
        _event(
            *(18, INCIDENT_SUBJECT, "incident", 2_000),
            service="shop",
            interval={"from": at(0), "to": at(1_440)},
            noticed_at=at(1_990),
        ),
    ]


def write(store: LedgerStore, *, happened: list[dict[str, Any]] | None = None) -> None:
    """Let the checker judge the day, and write what comes of it into a ledger.

    Args:
        store: the ledger.
        happened: the day's events; those of `events` unless others are given.
    """
    checker = Checker(Rulebook([pack()], [registry()]), 1, lambda _: False)
    checker.assigned(0, ())
    batch = [consent_record(number, each) for number, each in enumerate(consents())]
    batch += [event_record(number, each) for number, each in enumerate(happened or events())]
    written_ms = int(START.timestamp() * 1000) + 3 * 86_400_000  # all of it came three days later
    batch = [each._replace(timestamp_ms=written_ms) for each in batch]
    outputs = [each for each in checker.process(batch) if each.topic == Topic.DECISIONS]
    documents = [
        as_registry_document("reports", "1", registry().model_dump_json(exclude_none=True, by_alias=True).encode()),
        default_pack_document(),
    ]
    records = [
        Record(Topic.DECISIONS, 0, number, written_ms + number, each.key, each.value)
        for number, each in enumerate(outputs)
    ]
    records += [Record(Topic(each.topic), 0, 0, written_ms, each.key.encode(), each.value) for each in documents]
    LedgerWriter(store, "run").process(records)


@cache
def ledger() -> MemoryLedger:
    """The day in memory."""
    made = MemoryLedger(lambda: NOW)
    write(made)
    return made


def as_json(value: Any) -> Any:
    """What a report says, as JSON reads it back."""
    return json.loads(value.model_dump_json())
