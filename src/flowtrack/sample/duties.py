"""What the platform does by itself: guard, answer authorities, keep, copy, erase; permitted flows, each one."""

from __future__ import annotations

from flowtrack.domain.instants import DAY_US, from_us
from flowtrack.domain.names import Kind
from flowtrack.sample.cast import Person
from flowtrack.sample.diary import Data
from flowtrack.sample.flows import Flow
from flowtrack.sample.options import MINUTE_US
from flowtrack.sample.platform import (
    COURT_EXPERT,
    COURT_ORDER,
    FOREIGN_COURT,
    FOREIGN_ORDER,
    HOST,
    ORDERS,
    order_name,
    order_recipient,
)
from flowtrack.sample.scene import Scene, collected, shared, stored, used

_HABITS = collected(["security.network_habit", "security.common_software"], "automatic", "protection.security")
_URLS = collected(["security.risky_url"], "automatic", "protection.fraud")
_CHECK = used(["security.network_habit", "automatic.ip"], "protection.security", basis="lawful_interest")
_SCORE = used(["automatic.ip", "automatic.device.id"], "protection.fraud", basis="lawful_interest")
_BREACH = used(["interaction.customer_service"], "protection.rule_breach", basis="lawful_interest")
_STATUTE = "statute:KR/telecommunications-business-act/83"
_BOOKS = "statute:KR/electronic-commerce-act/6"


def guarding(scene: Scene, person: Person, time_us: int) -> None:
    """Guard accounts: collect while the platform is used, use whatever the person has decided since (clause 3.3)."""
    scene.usual(person, time_us, "account-security", Kind.COLLECT, scene.rng.choice((_HABITS, _URLS)))
    time_us = scene.pause(time_us)
    scene.anyway(person, time_us, "fraud-guard", Kind.USE, scene.rng.choice((_CHECK, _SCORE, _BREACH)))
    if scene.rng.random() < 0.2:
        time_us = scene.within_day(scene.pause(time_us, 600))
        looked_at = used(
            ["automatic.ip", "provided.name", "security.risky_url"],
            "protection.fraud",
            basis="lawful_interest",
            actor=scene.actor(time_us, "fraud_analyst"),
        )
        scene.anyway(person, time_us, "fraud-guard", Kind.USE, looked_at)


def received_warning(scene: Scene, person: Person, time_us: int) -> None:
    """An affiliate or partner passes on, by law, what helps against fraud (clause 2.3)."""
    sender = scene.rng.choice([*scene.platform.affiliates, *scene.platform.partners])
    warning = collected(
        ["provided.bank_account", "automatic.ip"], "received", "protection.fraud", basis="law", received_from=sender
    )
    scene.anyway(person, time_us, "fraud-guard", Kind.COLLECT, warning)


def demands(scene: Scene, person: Person, time_us: int) -> None:
    """Answer authorities, by order or statute, for closed accounts too (clause 4.2)."""
    number = scene.rng.randrange(ORDERS)
    answers = (
        shared(
            ["provided.name", "provided.phone"],
            "legal.obligation",
            "legal_demand",
            order_recipient(number),
            reference=order_name(number),
        ),
        shared(
            ["provided.name", "automatic.ip"],
            "legal.obligation",
            "legal_demand",
            scene.rng.choice(scene.platform.authorities),
            reference=_STATUTE,
        ),
        # An order lifts where it may go and what is needed: neither is declared for these two.
        shared(["automatic.ip"], "protection.illegal_act", "legal_demand", COURT_EXPERT, reference=COURT_ORDER),
        shared(["provided.name"], "legal.obligation", "legal_demand", FOREIGN_COURT, "US", reference=FOREIGN_ORDER),
    )
    scene.anyway(person, time_us, "legal-desk", Kind.SHARE, scene.rng.choice(answers))


def disclosures(scene: Scene, person: Person, time_us: int) -> None:
    """Disclose a breach of rules, or protect lawful interests, each with a case (clauses 4.5, 4.6)."""
    platform = scene.platform
    disclosed = (
        shared(
            ["provided.name"],
            "protection.rule_breach",
            "breach_disclosure",
            scene.rng.choice([*platform.merchants, *platform.partners]),
            reference=scene.case(),
        ),
        shared(
            ["automatic.ip", "automatic.device.id"],
            "protection.fraud",
            "lawful_interest",
            scene.rng.choice(platform.affiliates),
            reference=scene.case(),
        ),
    )
    scene.anyway(person, time_us, "legal-desk", Kind.SHARE, scene.rng.choice(disclosed))


def keeping(scene: Scene, person: Person, time_us: int) -> None:
    """Lay down and back up, in several countries, with an affiliate, with a processor, by law."""
    start = scene.options.start_us
    places = ["KR", "SG", "DE", *([person.country] if person.country else [])]
    kept = (
        stored(["automatic.location"], "service.provide", "places", scene.rng.choice(places)),
        stored(["interaction.survey"], "service.improve", "surveys", "SG", custodian="cloud-works"),
        stored(
            ["content.upload", "content.photo"], "service.provide", "media", "DE", custodian=HOST, basis="processor"
        ),
        stored(
            ["provided.email"],
            "service.provide",
            "contacts",
            scene.rng.choice(places),
            retain_until=from_us(start + 365 * DAY_US),
        ),
    )
    first = scene.usual(person, time_us, "data-vault", Kind.STORE, scene.rng.choice(kept))
    if first:
        copy = stored(
            ["provided.name", "provided.email"],
            "service.maintain",
            "accounts-copy",
            scene.rng.choice(("KR", "JP")),
            role="backup",
        )
        scene.usual(person, scene.pause(time_us, 300), "backup", Kind.STORE, {**copy, "derived_from": first})
    books = stored(
        ["provided.name", "provided.bank_account"], "legal.obligation", "books", basis="law", reference=_BOOKS
    )
    scene.anyway(person, scene.pause(time_us), "data-vault", Kind.STORE, books)


def guarding_store(scene: Scene, person: Person, time_us: int) -> None:
    """Keep evidence of fraud, of closed accounts too (clause 0.1)."""
    evidence = stored(["automatic.ip", "automatic.device.id"], "protection.fraud", "evidence", basis="lawful_interest")
    scene.anyway(person, time_us, "data-vault", Kind.STORE, evidence)


def erasing(scene: Scene, person: Person, time_us: int) -> None:
    """Erase what is no longer needed; of those who left, everything."""
    if person.using(time_us):
        old: Data = {"categories": ["automatic.ip", "automatic.access_time"], "dataset": "access-log"}
        scene.anyway(person, time_us, "data-vault", Kind.ERASE, old)
    else:
        scene.anyway(person, time_us, "data-vault", Kind.ERASE, {"dataset": "accounts"})


DUTIES: dict[Flow, int] = {
    guarding: 7,
    received_warning: 1,
    demands: 1,
    disclosures: 1,
    keeping: 5,
    guarding_store: 1,
    erasing: 1,
}
"""How often each begins, in relation to the others and to the usual flows."""


def incidents(scene: Scene) -> list[str]:
    """Two breaches: a dataset that leaked, and a party that lost what it was given (clause 6.5)."""
    start = scene.options.start_us
    leaks = (
        ("account-security", 15, {"dataset": "access-log", "categories": ["automatic.ip", "automatic.access_time"]}),
        ("partner-hub", 20, {"party": "fast-courier", "categories": ["provided.phone", "provided.postal_code"]}),
    )
    ids = []
    for service, hour, reached in leaks:
        noticed = start + hour * 60 * MINUTE_US
        interval = {"from": from_us(noticed - 4 * 60 * MINUTE_US), "to": from_us(noticed - 60 * MINUTE_US)}
        data = {**reached, "interval": interval, "noticed_at": from_us(noticed)}
        ids.append(scene.diary.incident(noticed + MINUTE_US, service, data))
    return ids
