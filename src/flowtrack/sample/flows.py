"""What people do on a day, and what the platform does for it: flows of events that the policy permits.

Each flow begins at an instant with somebody who may or may not be using the platform then, and writes down only what
clause by clause is allowed at that very instant; the flows around the platform's duties stand in `duties`.
"""

from __future__ import annotations

from collections.abc import Callable

from flowtrack.domain.names import Kind
from flowtrack.sample.cast import Person
from flowtrack.sample.platform import LATE_AFFILIATE, THIRD_PARTY_SERVICES
from flowtrack.sample.scene import Scene, collected, shared, stored, used

Flow = Callable[[Scene, Person, int], None]

_PAGE = collected(["automatic.ip", "automatic.browser", "automatic.access_time"], "automatic")
_MACHINE = collected(["automatic.language", "automatic.software", "automatic.hardware"], "automatic")
_KEYWORD = collected(["excluded.search_keyword"], "provided")
_SHELF = used(["automatic.language"], "service.provide")
_LOG = stored(["automatic.ip", "automatic.access_time"], "service.maintain", "access-log")
_DEVICE = collected(["automatic.device.model", "automatic.device.os", "automatic.device.id"], "automatic")
_SCREEN = collected(["automatic.device.resolution", "automatic.device.carrier"], "automatic")
_PLACE = collected(["automatic.location"], "automatic")
_NEAR = used(["automatic.location"], "service.provide")
_MIX = used(["automatic.location", "interaction.survey"], "personalisation", combined_with=["video", "maps"])
_TASTE = used(["automatic.language", "automatic.device.model"], "personalisation")
_FORM = collected(["provided.name", "provided.gender", "provided.birth_date"], "provided")
_REACH = collected(["provided.phone", "provided.email"], "provided")
_PASSPORT = collected(["provided.passport_name", "provided.passport_number"], "provided")
_ACCOUNT = stored(["provided.name", "provided.birth_date", "credential.account"], "service.provide", "accounts")
_PASSWORD = stored(["credential.password"], "service.provide", "credentials", protection="hashed")
_WELCOME = shared(["provided.name", "provided.email"], "service.provide", "processor", "mail-house", "US")
_ADDRESS = collected(["provided.postal_code", "provided.phone"], "provided")
_ORDER = collected(["excluded.transaction.order"], "provided")
_RATING = collected(["excluded.transaction.rating"], "provided")
_BANK = collected(["provided.bank_account"], "provided")
_PAYMENT = shared(["provided.name", "provided.bank_account"], "service.provide", "processor", "card-gateway", "SG")
_COURIERS = {
    "fast-courier": shared(
        ["provided.name", "provided.phone", "provided.postal_code"], "service.provide", "processor", "fast-courier"
    ),
    "island-courier": shared(
        ["provided.name", "provided.phone", "provided.postal_code"],
        "service.provide",
        "processor",
        "island-courier",
        "JP",
    ),
}
_TEXT = shared(["provided.phone"], "service.provide", "processor", "text-sender")
_TICKET = collected(["interaction.customer_service"], "provided")
_TICKET_STORED = stored(["interaction.customer_service"], "service.provide", "tickets", "KR")
_ANSWERS = collected(["interaction.survey"], "provided", "service.improve")
_STATISTICS = used(["interaction.survey"], "service.improve", transform="aggregate")
_METRICS = shared(
    ["automatic.browser", "automatic.language"],
    "service.improve",
    "processor",
    "metrics-forge",
    "IE",
    transform="pseudonymise",
)
_PROFILE = used(["automatic.language", "provided.gender"], "recommendation.display")
_MAILING = used(["provided.email"], "recommendation.send")
_MAILED = shared(["provided.name", "provided.email"], "recommendation.send", "processor", "mail-house", "US")
_TEXTED = shared(["provided.phone"], "recommendation.send", "processor", "text-sender")
_FOREIGN = collected(["provided.name", "provided.phone", "excluded.transaction.order"], "provided")
_CHAT = used(["provided.name"], "service.provide")


def browsing(scene: Scene, person: Person, time_us: int) -> None:
    """Look around: the browser and machine, keywords, pages in one's language, what might interest."""
    session = scene.diary.new_id()
    page = scene.usual(person, time_us, "web", Kind.COLLECT, _PAGE, session)
    time_us = scene.pause(time_us, 2)
    scene.usual(person, time_us, "web", Kind.COLLECT, _MACHINE, session)
    if scene.rng.random() < 0.5:
        time_us = scene.pause(time_us)
        scene.usual(person, time_us, "search", Kind.COLLECT, _KEYWORD, session)
    for _ in range(scene.rng.randint(1, 3)):
        time_us = scene.pause(time_us, 60)
        scene.usual(person, time_us, scene.rng.choice(scene.platform.storefronts), Kind.USE, _SHELF, session)
    time_us = scene.pause(time_us)
    if not person.opted_out(time_us, "recommendation.display"):
        scene.usual(person, time_us, "recommendations", Kind.USE, _PROFILE, session)
    if page:
        scene.usual(person, time_us, "web", Kind.STORE, {**_LOG, "derived_from": page}, session)


def app_use(scene: Scene, person: Person, time_us: int) -> None:
    """Use the mobile client: device, location, and what affiliates' services make of it."""
    session = scene.diary.new_id()
    scene.usual(person, time_us, "app", Kind.COLLECT, _DEVICE, session)
    scene.usual(person, scene.pause(time_us, 2), "app", Kind.COLLECT, _SCREEN, session)
    time_us = scene.pause(time_us)
    place = scene.usual(person, time_us, "app", Kind.COLLECT, _PLACE, session)
    if place:
        time_us = scene.pause(time_us)
        scene.usual(person, time_us, "maps", Kind.USE, {**_NEAR, "derived_from": place}, session)
    time_us = scene.pause(time_us, 60)
    scene.usual(person, time_us, "personalisation", Kind.USE, scene.rng.choice((_MIX, _TASTE)), session)


def registration(scene: Scene, person: Person, time_us: int) -> None:
    """Register, or complete one's details, with the password kept hashed and a welcome by mail."""
    form = scene.diary.new_id()
    details = scene.usual(person, time_us, "account", Kind.COLLECT, _FORM, form)
    time_us = scene.pause(time_us)
    scene.usual(person, time_us, "account", Kind.COLLECT, _REACH, form)
    if scene.rng.random() < 0.2:
        scene.usual(person, scene.pause(time_us), "travel", Kind.COLLECT, _PASSPORT, form)
    time_us = scene.pause(time_us)
    if details:
        scene.usual(person, time_us, "account", Kind.STORE, {**_ACCOUNT, "derived_from": details}, form)
    scene.usual(person, time_us, "account", Kind.STORE, _PASSWORD, form)
    scene.usual(person, scene.pause(time_us, 60), "messaging", Kind.SHARE, _WELCOME, form)


def ordering(scene: Scene, person: Person, time_us: int) -> None:
    """Buy something: address, payment, delivery, and the merchant where the buyer agreed."""
    order = scene.diary.new_id()
    address = scene.usual(person, time_us, "checkout", Kind.COLLECT, _ADDRESS, order)
    scene.usual(person, scene.pause(time_us), "orders", Kind.COLLECT, _ORDER, order)
    time_us = scene.pause(time_us, 60)
    scene.usual(person, time_us, "pay", Kind.COLLECT, _BANK, order)
    scene.usual(person, scene.pause(time_us), "checkout", Kind.SHARE, _PAYMENT, order)
    time_us = scene.pause(time_us, 300)
    courier = "island-courier" if person.country == "JP" else "fast-courier"
    scene.usual(person, time_us, "shipping", Kind.SHARE, {**_COURIERS[courier], "derived_from": address}, order)
    if person.grant("merchant", time_us):
        merchant = shared(
            ["provided.name", "provided.postal_code"],
            "service.provide",
            "consent",
            scene.rng.choice(scene.platform.merchants),
        )
        scene.usual(person, time_us, "orders", Kind.SHARE, merchant, order)
    scene.usual(person, time_us, "messaging", Kind.SHARE, _TEXT, order)
    where = scene.rng.choice(("KR", "SG", person.country or "KR"))
    kept = stored(["provided.name", "provided.postal_code"], "service.provide", "orders", where)
    scene.usual(person, scene.pause(time_us), "data-vault", Kind.STORE, {**kept, "derived_from": address}, order)
    if scene.rng.random() < 0.3:
        scene.usual(person, scene.pause(time_us), "orders", Kind.COLLECT, _RATING, order)


def support(scene: Scene, person: Person, time_us: int) -> None:
    """Ask customer service: an agent looks things up in a monitored session."""
    ticket = scene.diary.new_id()
    asked = scene.usual(person, time_us, "support", Kind.COLLECT, _TICKET, ticket)
    time_us = scene.within_day(scene.pause(time_us, 600))
    look_up = used(
        ["provided.name", "provided.phone", "interaction.customer_service"],
        "service.provide",
        actor=scene.actor(time_us, "support_agent", contractor=scene.rng.random() < 0.3),
    )
    scene.usual(person, time_us, "support", Kind.USE, look_up, ticket)
    if scene.rng.random() < 0.3:
        handed_on = shared(
            ["provided.name", "interaction.customer_service"], "service.provide", "processor", "call-centre", "PH"
        )
        scene.usual(person, scene.pause(time_us), "support", Kind.SHARE, handed_on, ticket)
    if asked:
        kept = {**_TICKET_STORED, "derived_from": asked}
        scene.usual(person, scene.pause(time_us), "support", Kind.STORE, kept, ticket)


def survey(scene: Scene, person: Person, time_us: int) -> None:
    """Answer a survey; what is learnt improves the services."""
    answers = scene.usual(person, time_us, "surveys", Kind.COLLECT, _ANSWERS)
    if answers:
        time_us = scene.pause(time_us, 300)
        scene.usual(person, time_us, "analytics", Kind.USE, {**_STATISTICS, "derived_from": answers})
        scene.usual(person, scene.pause(time_us), "analytics", Kind.SHARE, _METRICS)


def mailing(scene: Scene, person: Person, time_us: int) -> None:
    """Send product information to whom it may interest and who has not opted out."""
    if person.opted_out(time_us, "recommendation.send"):
        return
    by_consent = person.grant("newsletter", time_us) is not None
    use = {**_MAILING, "basis": "consent"} if by_consent else _MAILING
    chosen = scene.usual(person, time_us, "campaigns", Kind.USE, use)
    time_us = scene.pause(time_us)
    if chosen and not person.opted_out(time_us, "recommendation.send"):
        sent = scene.rng.choice((_MAILED, _TEXTED))
        scene.usual(person, time_us, "campaigns", Kind.SHARE, {**sent, "derived_from": chosen})


def partners(scene: Scene, person: Person, time_us: int) -> None:
    """Share with partners what the person consented to, and take from them what the person allowed."""
    promotion, joint = person.grant("promotion", time_us), person.grant("joint", time_us)
    if promotion and not person.opted_out(time_us, "recommendation.partner_promotion"):
        offer = shared(
            ["provided.name", "provided.email"], "recommendation.partner_promotion", "consent", promotion.recipient
        )
        scene.usual(person, time_us, "partner-hub", Kind.SHARE, offer)
    if joint:
        together = shared(["provided.name", "provided.phone"], "joint_service", "consent", joint.recipient)
        scene.usual(person, time_us, "partner-hub", Kind.SHARE, together)
    if person.grant("received", time_us):
        learnt = collected(
            ["interaction.partner"],
            "received",
            "personalisation",
            basis="consent",
            received_from=scene.rng.choice(scene.platform.partners),
        )
        scene.usual(person, time_us, "partner-hub", Kind.COLLECT, learnt)


def affiliates(scene: Scene, person: Person, time_us: int) -> None:
    """Share with affiliates what they need, and receive from them."""
    joined = [LATE_AFFILIATE] if time_us > scene.platform.noon_us else []
    party = scene.rng.choice([*scene.platform.affiliates, *joined])
    shares = (
        shared(["provided.name", "provided.phone"], "service.provide", "affiliate", party),
        shared(["automatic.language", "interaction.survey"], "personalisation", "affiliate", party),
    )
    given = scene.usual(person, time_us, "partner-hub", Kind.SHARE, scene.rng.choice(shares))
    if given and scene.rng.random() < 0.3:
        back = collected(
            ["automatic.device.model"],
            "received",
            "service.improve",
            basis="law",
            received_from=scene.rng.choice(scene.platform.affiliates),
            derived_from=given,
        )
        scene.usual(person, scene.pause(time_us, 300), "video", Kind.COLLECT, back)


def merchants_own(scene: Scene, person: Person, time_us: int) -> None:
    """Buy at a merchant's own storefront: a third party's service, to which the policy does not apply."""
    scene.anyway(person, time_us, THIRD_PARTY_SERVICES[0], Kind.COLLECT, _FOREIGN)
    scene.anyway(person, scene.pause(time_us), THIRD_PARTY_SERVICES[1], Kind.USE, _CHAT)


USUAL: dict[Flow, int] = {
    browsing: 30,
    app_use: 16,
    registration: 5,
    ordering: 12,
    support: 5,
    survey: 4,
    mailing: 7,
    partners: 9,
    affiliates: 7,
    merchants_own: 3,
}
"""How often each begins, in relation to the others."""
