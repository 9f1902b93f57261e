"""The invented platform: its services, the parties that it deals with, orders, staff and their sessions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from flowtrack.domain.instants import DAY_US, from_us
from flowtrack.domain.registry import RegistryDocument
from flowtrack.sample.options import HOUR_US, PARTIES_MIN, SERVICES_MIN, SampleOptions

Entry = dict[str, object]

# id: regions where it collects, accesses, stores or displays (clause 5.2)
_PLATFORM: dict[str, list[str]] = {
    "account": ["KR", "SG"],
    "preferences": ["KR"],
    "web": ["KR", "JP", "SG", "US", "DE"],
    "app": ["KR", "JP", "SG", "US", "DE"],
    "search": ["KR", "SG"],
    "catalogue": ["KR", "SG"],
    "checkout": ["KR", "SG"],
    "orders": ["KR", "SG"],
    "shipping": ["KR", "JP"],
    "messaging": ["KR", "US"],
    "support": ["KR", "PH"],
    "surveys": ["KR"],
    "recommendations": ["KR", "SG"],
    "campaigns": ["KR", "US"],
    "personalisation": ["KR", "SG"],
    "analytics": ["KR", "IE"],
    "fraud-guard": ["KR", "SG"],
    "account-security": ["KR"],
    "legal-desk": ["KR"],
    "partner-hub": ["KR", "JP"],
    "data-vault": ["KR", "SG", "DE"],
    "backup": ["KR", "JP"],
}
_AFFILIATED: dict[str, list[str]] = {
    "travel": ["KR", "JP"],
    "video": ["KR", "SG"],
    "maps": ["KR"],
    "pay": ["KR", "SG"],
}
THIRD_PARTY_SERVICES = ("merchant-storefront", "merchant-chat")
UNREGISTERED_SERVICE = "shadow-shop"

# role to the categories that it may see (clause 6.2)
_GRANTS: dict[str, dict[str, list[str]]] = {
    "support": {"support_agent": ["provided.name", "contact", "interaction.customer_service"]},
    "fraud-guard": {"fraud_analyst": ["automatic", "security", "provided.name", "provided.phone"]},
    "legal-desk": {"counsel": ["provided", "automatic.ip"]},
}
STAFF_ROLES = {"support": "support_agent", "fraud-guard": "fraud_analyst", "legal-desk": "counsel"}
STAFF = 24
SHIFTS = 3
"""Of eight hours; each member of staff has one monitored session a shift."""

_AFFILIATE_NEEDS = {
    "service.provide": ["provided.name", "provided.phone", "automatic.language"],
    "personalisation": ["automatic.language", "automatic.device.model", "interaction.survey"],
    "recommendation.partner_promotion": ["provided.name", "provided.email"],
    "recommendation.display": ["provided.email", "automatic.language"],
    "protection.fraud": ["automatic.ip", "automatic.device.id", "provided.phone"],
}
_PARTNER_NEEDS = {
    "recommendation.partner_promotion": ["provided.name", "provided.email"],
    "joint_service": ["provided.name", "provided.phone"],
    "protection.rule_breach": ["provided.name", "automatic.ip"],
}
_MERCHANT_NEEDS = {
    "service.provide": ["provided.name", "provided.phone", "provided.postal_code"],
    "protection.rule_breach": ["provided.name"],
}
_AUTHORITY_NEEDS = {
    "legal.obligation": ["provided.name", "provided.phone", "automatic.ip", "provided.bank_account"],
}
_AFFILIATES = ("travel-club", "video-house", "maps-lab", "pay-corp", "cloud-works")
_PARTNERS = ("beauty-brand", "book-world", "sports-gear", "home-style", "kids-corner", "green-food", "mobile-carrier")
_AUTHORITIES = ("cyber-police", "tax-service", "privacy-commission", "district-court")
_MERCHANTS = (
    "corner-store",
    "shoe-loft",
    "tea-garden",
    "camera-town",
    "pet-palace",
    "tool-barn",
    "toy-chest",
    "lamp-light",
)

NOT_INSTRUCTED = "service.maintain"
"""What a processor could need data for, and is not instructed to do."""
# processor: country, and what each purpose needs; all purposes but that one are instructed
_PROCESSORS: dict[str, tuple[str, dict[str, list[str]]]] = {
    "fast-courier": ("KR", {"service.provide": ["provided.name", "provided.phone", "provided.postal_code"]}),
    "island-courier": ("JP", {"service.provide": ["provided.name", "provided.phone", "provided.postal_code"]}),
    "card-gateway": ("SG", {"service.provide": ["provided.name", "provided.bank_account"]}),
    "mail-house": (
        "US",
        {
            "service.provide": ["provided.name", "provided.email"],
            "recommendation.send": ["provided.name", "provided.email"],
        },
    ),
    "text-sender": ("KR", {"service.provide": ["provided.phone"], "recommendation.send": ["provided.phone"]}),
    "call-centre": ("PH", {"service.provide": ["provided.name", "provided.phone", "interaction.customer_service"]}),
    "metrics-forge": (
        "IE",
        {
            "service.improve": ["automatic.browser", "automatic.language", "automatic.hardware"],
            NOT_INSTRUCTED: ["automatic.language"],
        },
    ),
    "cloud-host": ("DE", {"service.provide": []}),
}
HOST = "cloud-host"
LATE_AFFILIATE = "music-box"
"""A partner until noon, an affiliate from then on."""
LATE_PROCESSOR = "night-courier"
"""Registered at 18:00."""
COURT_EXPERT = "court-expert"
"""No authority, but named as recipient in the court's order."""
FOREIGN_COURT = "overseas-court"
"""Its needs are not declared: what it may get stands in its order alone."""
UNREGISTERED_PARTY = "data-broker"
FLAWED = {
    "no_agreement": "adhoc-translator",
    "agreement_expired": "old-courier",
    "no_confidentiality": "print-shop",
    "no_security_measures": "call-list",
}
"""Processors that must get nothing, and why (clause 4.4)."""
_FLAWED_NEEDS = {"service.provide": ["provided.name", "provided.phone"]}

ORDERS = 8
"""Orders in force, besides those for plants."""
ORDER_CATEGORIES = ["provided.name", "provided.phone", "automatic.ip"]
EXPIRED_ORDER = "order-expired"
NARROW_ORDER = "order-names-only"
COURT_ORDER = "order-court-expert"
FOREIGN_ORDER = "order-overseas"


@dataclass(frozen=True, slots=True)
class Platform:
    """The registry and, for the flows, who may be chosen."""

    registry: RegistryDocument
    storefronts: tuple[str, ...]
    """Platform services that do nothing but show and sell."""
    affiliates: tuple[str, ...]
    partners: tuple[str, ...]
    merchants: tuple[str, ...]
    authorities: tuple[str, ...]
    noon_us: int
    evening_us: int


def platform_of(options: SampleOptions) -> Platform:
    """The platform as it stands on the day."""
    start = options.start_us
    noon, evening = start + 12 * HOUR_US, start + 18 * HOUR_US
    storefronts = tuple(f"shop-{n:02d}" for n in range(1, options.services - SERVICES_MIN + 1))
    extra = options.parties - PARTIES_MIN
    partners = (*_PARTNERS, *(f"partner-{n:02d}" for n in range(1, extra // 2 + 1)))
    merchants = (*_MERCHANTS, *(f"merchant-{n:02d}" for n in range(1, extra - extra // 2 + 1)))
    long_ago = from_us(start - 700 * DAY_US)
    registry = RegistryDocument.model_validate(
        {
            "name": "sample",
            "version": f"{options.day.isoformat()}-{options.seed}",
            "services": _services(storefronts, long_ago),
            "parties": _parties(partners, merchants, start, noon, evening),
            "orders": _orders(start),
            "staff_agreements": _staff_agreements(start),
            "sessions": _sessions(start),
        }
    )
    return Platform(
        registry, ("catalogue", *storefronts), _AFFILIATES, partners, merchants, _AUTHORITIES, noon, evening
    )


def _services(storefronts: tuple[str, ...], since: datetime) -> dict[str, Entry]:
    regions = {**_PLATFORM, **{name: ["KR", "SG"] for name in storefronts}}
    services: dict[str, Entry] = {
        name: {"controller": "platform", "regions": listed, "grants": _GRANTS.get(name, {}), "since": since}
        for name, listed in regions.items()
    }
    for name, listed in _AFFILIATED.items():
        services[name] = {"controller": "affiliate", "regions": listed, "since": since}
    for name in THIRD_PARTY_SERVICES:
        services[name] = {"controller": "third_party", "regions": ["KR", "CN"], "since": since}
    return services


def _agreement(start: int, purposes: list[str], **flaw: object) -> Entry:
    return {
        "from": from_us(start - 400 * DAY_US),
        "until": from_us(start + 400 * DAY_US),
        "instructions": purposes,
        "confidentiality": True,
        "security": True,
    } | flaw


def _parties(
    partners: tuple[str, ...], merchants: tuple[str, ...], start: int, noon: int, evening: int
) -> dict[str, Entry | list[Entry]]:
    affiliate: Entry = {"type": "affiliate", "country": "KR", "needs": _AFFILIATE_NEEDS}
    partner: Entry = {"type": "partner", "country": "KR", "needs": _PARTNER_NEEDS}
    merchant: Entry = {"type": "merchant", "country": "KR", "needs": _MERCHANT_NEEDS}
    authority: Entry = {"type": "authority", "country": "KR", "needs": _AUTHORITY_NEEDS}
    parties: dict[str, Entry | list[Entry]] = {
        **dict.fromkeys(_AFFILIATES, affiliate),
        **dict.fromkeys(partners, partner),
        **dict.fromkeys(merchants, merchant),
        **dict.fromkeys(_AUTHORITIES, authority),
        FOREIGN_COURT: {"type": "authority", "country": "US"},
        COURT_EXPERT: {"type": "partner", "country": "KR"},
        LATE_AFFILIATE: [
            {"type": "partner", "country": "KR", "needs": _AFFILIATE_NEEDS, "until": from_us(noon)},
            affiliate | {"since": from_us(noon)},
        ],
    }
    for name, (country, needs) in _PROCESSORS.items():
        agreement = _agreement(start, [purpose for purpose in needs if purpose != NOT_INSTRUCTED])
        parties[name] = {"type": "processor", "country": country, "agreement": agreement, "needs": needs}
    courier = _PROCESSORS["fast-courier"][1]
    late = {"type": "processor", "country": "KR", "agreement": _agreement(start, list(courier)), "needs": courier}
    parties[LATE_PROCESSOR] = late | {"since": from_us(evening)}
    return parties | _flawed_processors(start)


def _flawed_processors(start: int) -> dict[str, Entry]:
    flaws: dict[str, Entry | None] = {
        "no_agreement": None,
        "agreement_expired": _agreement(start, ["service.provide"], until=from_us(start - 3 * DAY_US)),
        "no_confidentiality": _agreement(start, ["service.provide"], confidentiality=False),
        "no_security_measures": _agreement(start, ["service.provide"], security=False),
    }
    return {
        FLAWED[reason]: {"type": "processor", "country": "KR", "agreement": agreement, "needs": _FLAWED_NEEDS}
        for reason, agreement in flaws.items()
    }


def order_name(number: int) -> str:
    """The reference of one of the orders in force."""
    return f"order-2026-{number % ORDERS + 101}"


def order_recipient(number: int) -> str:
    """The authority that one of the orders in force names."""
    return _AUTHORITIES[number % ORDERS % len(_AUTHORITIES)]


def _orders(start: int) -> dict[str, Entry]:
    since, until = from_us(start - 10 * DAY_US), from_us(start + 30 * DAY_US)

    def order(authority: str, recipient: str, categories: list[str], **changed: object) -> Entry:
        held = {"authority": authority, "recipients": [recipient], "categories": categories}
        return held | {"since": since, "until": until} | changed

    orders = {order_name(n): order(order_recipient(n), order_recipient(n), ORDER_CATEGORIES) for n in range(ORDERS)}
    return orders | {
        EXPIRED_ORDER: order("cyber-police", "cyber-police", ORDER_CATEGORIES, until=from_us(start - DAY_US)),
        NARROW_ORDER: order("cyber-police", "cyber-police", ["provided.name"]),
        COURT_ORDER: order("district-court", COURT_EXPERT, ORDER_CATEGORIES),
        FOREIGN_ORDER: order(FOREIGN_COURT, FOREIGN_COURT, ORDER_CATEGORIES),
    }


def staff_agreement(number: int) -> str:
    """The confidentiality agreement of a member of staff."""
    return f"nda-{number:03d}"


def staff_session(number: int, hour: int) -> str:
    """The monitored session of a member of staff at an hour of the day."""
    return f"session-{number:03d}-{hour * SHIFTS // 24}"


def _staff_agreements(start: int) -> dict[str, Entry]:
    since, until = from_us(start - 300 * DAY_US), from_us(start + 65 * DAY_US)
    return {staff_agreement(n): {"since": since, "until": until} for n in range(STAFF)}


def _sessions(start: int) -> dict[str, Entry]:
    shift = 24 * HOUR_US // SHIFTS
    return {
        f"session-{n:03d}-{k}": {"since": from_us(start + k * shift), "until": from_us(start + (k + 1) * shift)}
        for n in range(STAFF)
        for k in range(SHIFTS)
    }
