"""A small world around the default pack, in which generated events and consents meet often: few names, few instants.

Everything comes from one `random.Random`, so that a seed is a world's day.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from flowtrack.domain.consent import ConsentData
from flowtrack.domain.names import Basis, Kind, RecordKind, RecordState
from flowtrack.domain.registry import RegistryDocument

START = datetime(2026, 3, 1, tzinfo=UTC)
INSTANTS = 12
"""Events and consents happen, and the registry changes, at one of so many instants, a minute apart."""

CATEGORIES = (
    "provided.name",
    "provided.phone",
    "automatic.ip",
    "security.risky_url",
    "credential.password",
    "unheard.of",
)
PURPOSES = (
    "service.provide",
    "personalisation",
    "recommendation.display",
    "recommendation.partner_promotion",
    "protection.fraud",
    "legal.obligation",
    "outside",
    "unheard.of",
)
PARTIES = ("paycorp", "mailhouse", "travelclub", "police", "ghost", "platform")
SUBJECTS = tuple(f"{number:032x}" for number in range(4))


def instant(number: int) -> datetime:
    """One of the world's instants."""
    return START + timedelta(minutes=number)


def iso(number: int) -> str:
    """One of the world's instants, as RFC 3339."""
    return instant(number).isoformat().replace("+00:00", "Z")


def registry(version: str = "1") -> RegistryDocument:
    """A registry in which much begins and ends at the world's instants."""
    agreement = {"instructions": ["service"], "confidentiality": True, "security": True}
    return RegistryDocument.model_validate(
        {
            "name": "world",
            "version": version,
            "services": {
                "shop": {"controller": "platform", "regions": ["KR"], "grants": {"agent": ["provided"]}},
                "wallet": [
                    {"controller": "affiliate", "regions": ["KR"], "until": iso(4)},
                    {"controller": "third_party", "since": iso(4), "until": iso(8)},
                ],
            },
            "parties": {
                "paycorp": [
                    {"type": "affiliate", "needs": {"purpose": ["provided"]}, "since": iso(2), "until": iso(6)},
                    {"type": "merchant", "since": iso(6)},
                ],
                "mailhouse": {
                    "type": "processor",
                    "agreement": {**agreement, "from": iso(3), "until": iso(9)},
                    "needs": {"service": ["contact"]},
                },
                "travelclub": {"type": "partner", "needs": {"recommendation": ["provided"]}},
                "police": {"type": "authority", "since": iso(5)},
            },
            "orders": {
                "order-1": {
                    "authority": "police",
                    "recipients": ["paycorp"],
                    "categories": ["provided.phone"],
                    "from": iso(1),
                    "until": iso(7),
                }
            },
            "sessions": {"session-1": {"since": iso(2), "until": iso(10)}},
        }
    )


KINDS = (Kind.COLLECT, Kind.USE, Kind.SHARE, Kind.STORE, Kind.ERASE)


def event(
    random: Random, number: int = 0, *, subject: str | None = None, at: int | None = None, kind: Kind | None = None
) -> dict[str, Any]:
    """An event of the world, of any kind or of the one asked for."""
    kind = kind or random.choice(KINDS)
    data: dict[str, Any] = {"purpose": random.choice(PURPOSES)}
    data["categories"] = random.sample(CATEGORIES, random.choice((1, 1, 2)))
    if random.random() < 0.7 or kind is Kind.SHARE:
        data["basis"] = random.choice(list(Basis)).value
    if random.random() < 0.3:
        data["reference"] = random.choice(("order-1", "order-2", "statute:1"))
    data |= _of_kind(random, kind)
    return {
        "specversion": "1.0",
        "id": f"event-{number}",
        "source": f"/services/{random.choice(('shop', 'wallet', 'ghost'))}",
        "type": f"flowtrack.{kind.value}.v1",
        "subject": subject or random.choice(SUBJECTS),
        "time": iso(random.randrange(INSTANTS) if at is None else at),
        "data": data,
    }


def _of_kind(random: Random, kind: Kind) -> dict[str, Any]:
    choice = random.choice
    place, party = choice(("KR", "NO", "ZZ")), choice(PARTIES)
    channel = {"encrypted": random.random() < 0.8}
    if kind is Kind.COLLECT:
        return {"method": choice(("provided", "automatic", "received")), "received_from": party}
    if kind is Kind.USE and random.random() < 0.5:
        actor = {"type": choice(("staff", "service")), "role": choice(("agent", "cook"))}
        if random.random() < 0.5:
            actor |= {"session": choice(("session-1", "session-2")), "agreement": "nda-1"}
        return {"actor": actor}
    if kind is Kind.USE:
        return {"combined_with": random.sample(("shop", "wallet", "ghost"), choice((0, 1, 2)))}
    if kind is Kind.SHARE:
        consideration = choice(("none", "none", "sale"))
        return {"recipient": party, "destination": place, "channel": channel, "consideration": consideration}
    if kind is Kind.STORE:
        kept = choice((None, iso(0), iso(INSTANTS + 60 * 24), "9999-12-31T00:00:00Z"))
        store = {"dataset": "d", "custodian": party, "location": place, "channel": channel, "retain_until": kept}
        return {**store, "role": choice(("primary", "backup")), "protection": choice((None, "clear", "hashed"))}
    return {}


def consent(random: Random, number: int = 0, *, subject: str | None = None, at: int | None = None) -> dict[str, Any]:
    """A consent record of the world; few record ids, so that records have histories."""
    kind = random.choice((*RecordKind, RecordKind.CONSENT, RecordKind.CONSENT))
    states = {
        RecordKind.CONSENT: ("given", "given", "renewed", "withdrawn", "refused", "expired", "requested"),
        RecordKind.TERMS: ("accepted", "accepted", "rejected"),
        RecordKind.USAGE: ("using", "left"),
        RecordKind.OPT_OUT: ("given", "withdrawn"),
        RecordKind.ACCOUNT: ("open", "open", "closed"),
    }
    state = random.choice(states[kind]) if random.random() < 0.95 else random.choice(list(RecordState)).value
    data: dict[str, Any] = {"record": random.choice(("r-1", "r-2")), "kind": kind.value, "state": state}
    if random.random() < 0.7:
        data["scope"] = random.choice(
            (
                {"purpose": "recommendation"},
                {"data": "contact", "recipient": "partner"},
                {"recipient": "anyone", "storage": {"location": "KR", "duration": {"max_days": 1}}},
                {"purpose": {"all": ["service", "service.provide"]}},
            )
        )
    if random.random() < 0.2:
        data["expires"] = iso(random.randrange(INSTANTS))
    if kind is RecordKind.ACCOUNT:
        data["country"] = random.choice(("KR", "NO"))
    return {
        "specversion": "1.0",
        "id": f"consent-{number}",
        "source": "/consents",
        "type": "flowtrack.consent.v1",
        "subject": subject or random.choice(SUBJECTS),
        "time": iso(random.randrange(INSTANTS) if at is None else at),
        "data": data,
    }


def consent_data(message: dict[str, Any]) -> ConsentData:
    """The data of a consent record, as its contract."""
    return ConsentData.model_validate(message["data"])
