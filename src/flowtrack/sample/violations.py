"""The table of planted violations: every clause that denies, every reason, every gap that can be planted.

Read a row as: what was planted, the clause that denies it, the reason or gap to be named, then the event.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from flowtrack.domain.names import Kind
from flowtrack.sample import measures
from flowtrack.sample.cast import FAR
from flowtrack.sample.diary import Data
from flowtrack.sample.measures import PARTNER
from flowtrack.sample.plants import (
    Plant,
    closed,
    early_member,
    early_visitor,
    ghost,
    member,
    morning_member,
    opted_out,
    placeless,
    rejecting,
    reserve,
)
from flowtrack.sample.platform import (
    EXPIRED_ORDER,
    FLAWED,
    HOST,
    LATE_AFFILIATE,
    LATE_PROCESSOR,
    NARROW_ORDER,
    NOT_INSTRUCTED,
    STAFF,
    THIRD_PARTY_SERVICES,
    UNREGISTERED_PARTY,
    UNREGISTERED_SERVICE,
    staff_session,
)
from flowtrack.sample.scene import PLAIN, Scene, collected, shared, stored, used

_DENY = Plant
_GAP = partial(Plant, gap=True)
_COLLECT, _USE, _SHARE, _STORE = Kind.COLLECT, Kind.USE, Kind.SHARE, Kind.STORE

_NAME_PHONE = ["provided.name", "provided.phone"]
_NAME_EMAIL = ["provided.name", "provided.email"]
_JOINT = shared(_NAME_PHONE, "joint_service", "consent", PARTNER)
_PROMOTION = shared(_NAME_EMAIL, "recommendation.partner_promotion", "consent", PARTNER)
_COURIER = shared(_NAME_PHONE, "service.provide", "processor", "fast-courier")
_LOOK_UP = used(["provided.name", "provided.phone"], "service.provide")
_KEPT = stored(["provided.email", "provided.postal_code"], "service.provide", "contacts")
_BACKUP = stored(["provided.name"], "service.maintain", "accounts-copy", role="backup")
_DEMAND = shared(["provided.name", "provided.phone"], "legal.obligation", "legal_demand", "cyber-police")


def _staff(without: str = "", **changed: str) -> Callable[[Scene, int], Data]:
    """What makes a use by staff in which something of the actor is missing or wrong."""

    def data(scene: Scene, time_us: int) -> Data:
        actor = scene.actor(time_us, "support_agent", contractor=scene.rng.random() < 0.5) | changed
        actor.pop(without, None)
        return {**_LOOK_UP, "actor": actor}

    return data


def _other_shift(scene: Scene, time_us: int) -> Data:
    """A use in a session of another shift: not begun yet, or over."""
    number = scene.rng.randrange(STAFF)
    other_hour = 23 if time_us < scene.platform.noon_us else 0
    return {**_LOOK_UP, "actor": scene.actor(time_us, "support_agent") | {"session": staff_session(number, other_hour)}}


_CLAUSE_0 = (
    _DENY("use after the account was closed", "0.1", "account_closed", "catalogue", _USE,
          used(["automatic.language"], "service.provide"), closed),
    _DENY("share with a processor after the account was closed", "0.1", "account_closed", "shipping", _SHARE,
          _COURIER, closed),
    _DENY("collection for security after the account was closed", "0.1", "account_closed", "account-security", _COLLECT,
          collected(["security.risky_url"], "automatic", "protection.security"), closed),
    _DENY("collection after the terms were rejected", "0.1", "terms_rejected", "web", _COLLECT,
          collected(["automatic.ip"], "automatic"), rejecting),
    _DENY("collection from somebody without any record", "0.2", "no_consent_record", "web", _COLLECT,
          collected(["automatic.ip", "automatic.browser"], "automatic"), ghost),
    _DENY("use before the first visit was recorded", "0.2", "no_consent_record", "catalogue", _USE,
          used(["automatic.language"], "service.provide"), early_visitor),
)  # fmt: skip

_CLAUSE_2 = (
    _DENY("security data used for recommendation", "2.2d", "wrong_purpose_for_category", "recommendations", _USE,
          used(["security.network_habit", "automatic.language"], "recommendation.display"), member,
          ["security.network_habit"]),
    _DENY("security data collected to improve services", "2.2d", "wrong_purpose_for_category", "app", _COLLECT,
          collected(["security.common_software"], "automatic", "service.improve"), member),
    _DENY("received from a merchant", "2.3", "no_rule_permits", "partner-hub", _COLLECT,
          collected(["provided.phone"], "received", "protection.fraud", basis="law", received_from="corner-store"),
          member),
    _DENY("received from a partner without consent or law", "2.3", "no_own_consent", "partner-hub", _COLLECT,
          collected(["interaction.partner"], "received", "personalisation", received_from=PARTNER), reserve,
          prepare=measures.nothing),
    _DENY("received to send advertising", "2.3", "no_rule_permits", "campaigns", _COLLECT,
          collected(["provided.email"], "received", "recommendation.send", basis="law", received_from=PARTNER), member),
)  # fmt: skip

_CLAUSE_3 = (
    _DENY("use to score creditworthiness", "3.0", "outside_purpose", "analytics", _USE,
          used(["provided.birth_date", "provided.bank_account"], "outside.credit_scoring"), member),
    _DENY("partner promotion claimed as affiliation", "3.2b", "no_own_consent", "partner-hub", _SHARE,
          shared(_NAME_EMAIL, "recommendation.partner_promotion", "affiliate", "travel-club"), reserve,
          prepare=measures.nothing),
    _DENY("partner promotion claimed as processing", "3.2b", "no_own_consent", "partner-hub", _SHARE,
          shared(_NAME_EMAIL, "recommendation.partner_promotion", "processor", PARTNER), reserve,
          prepare=measures.nothing),
    _DENY("recommendation shown after an opt-out", "3.2c", "opted_out", "recommendations", _USE,
          used(["automatic.language"], "recommendation.display"), opted_out),
    _DENY("mailing after an opt-out, with a later consent", "3.2c", "opted_out", "campaigns", _USE,
          used(["provided.email"], "recommendation.send", basis="consent"), reserve,
          prepare=measures.opted_out_then_consented),
    _DENY("partner promotion after an opt-out, with consent", "3.2c", "opted_out", "partner-hub", _SHARE,
          _PROMOTION, reserve, prepare=measures.opted_out_of_promotion),
    _DENY("combination with a third party's service", "3.4", "third_party_combination", "personalisation", _USE,
          used(["interaction.survey"], "personalisation", combined_with=["video", THIRD_PARTY_SERVICES[0]]), member),
    _DENY("combination to improve services", "3.4", "no_rule_permits", "analytics", _USE,
          used(["automatic.hardware"], "service.improve", combined_with=["maps"]), member),
)  # fmt: skip

_CLAUSE_4_CONSENT = (
    _DENY("share on deemed consent", "4.0a", "no_rule_permits", "partner-hub", _SHARE,
          _JOINT | {"basis": "deemed_consent"}, member),
    _DENY("sale to a partner for promotion, with consent", "4.0b", "sale_for_marketing", "partner-hub", _SHARE,
          _PROMOTION | {"consideration": "sale"}, reserve, prepare=measures.promoted),
    _DENY("rent to an affiliate for recommendation", "4.0b", "sale_for_marketing", "partner-hub", _SHARE,
          shared(["provided.email"], "recommendation.display", "affiliate", "travel-club", consideration="rent"),
          member),
    _DENY("share without the consent it claims", "4.1", "no_own_consent", "partner-hub", _SHARE,
          _JOINT, reserve, prepare=measures.nothing),
    _DENY("share after the consent was withdrawn", "4.1", "consent_withdrawn", "partner-hub", _SHARE,
          _JOINT, reserve, prepare=measures.withdrawn),
    _DENY("share at the instant of withdrawal", "4.1", "consent_withdrawn", "partner-hub", _SHARE,
          _JOINT, reserve, prepare=measures.withdrawn_just_now),
    _DENY("share after the consent expired", "4.1", "consent_expired", "partner-hub", _SHARE,
          _JOINT, reserve, prepare=measures.expired),
    _DENY("share after a refusal", "4.1", "consent_refused", "partner-hub", _SHARE,
          _JOINT, reserve, prepare=measures.refused),
    _DENY("share with another party than consented", "4.1", "consent_not_covering.recipient", "partner-hub", _SHARE,
          _JOINT, reserve, prepare=measures.to_another),
    _DENY("share of other data than consented", "4.1", "consent_not_covering.data", "partner-hub", _SHARE,
          _JOINT, reserve, prepare=measures.to_other_data),
    _DENY("share for another purpose than consented", "4.1", "consent_not_covering.purpose", "partner-hub", _SHARE,
          _JOINT, reserve, prepare=measures.to_other_purpose),
    _DENY("share where consent was to use only", "4.1", "consent_not_covering.processing", "partner-hub", _SHARE,
          _JOINT, reserve, prepare=measures.to_use_only),
    _DENY("share on a consent from before the account was closed", "4.1", "consent_withdrawn", "partner-hub", _SHARE,
          _JOINT, reserve, prepare=measures.came_back),
)  # fmt: skip

_CLAUSE_4_OTHER = (
    _DENY("answer to a demand without a reference", "4.2", "no_reference", "legal-desk", _SHARE, _DEMAND, member),
    _DENY("answer to an order that has run out", "4.2", "order_not_covering", "legal-desk", _SHARE,
          _DEMAND | {"reference": EXPIRED_ORDER}, member),
    _DENY("more than an order covers", "4.2", "order_not_covering", "legal-desk", _SHARE,
          _DEMAND | {"reference": NARROW_ORDER}, member, ["provided.phone"]),
    _DENY("answer to an order that nobody registered", "4.2", "order_not_covering", "legal-desk", _SHARE,
          _DEMAND | {"reference": "order-by-telephone"}, member),
    _DENY("answer to a partner as if an authority", "4.2", "not_authority", "legal-desk", _SHARE,
          _DEMAND | {"recipient": PARTNER, "reference": "statute:KR/telecommunications-business-act/83"}, member),
    _DENY("partner treated as an affiliate", "4.3", "not_affiliate", "partner-hub", _SHARE,
          _JOINT | {"basis": "affiliate"}, member),
    _DENY("affiliate before it was one", "4.3", "not_affiliate", "partner-hub", _SHARE,
          shared(_NAME_PHONE, "service.provide", "affiliate", LATE_AFFILIATE), morning_member),
    *(_DENY(f"processor: {reason.replace('_', ' ')}", "4.4", reason, "shipping", _SHARE,
            _COURIER | {"recipient": party}, member) for reason, party in FLAWED.items()),
    _DENY("processor beyond its instructions", "4.4", "outside_instructions", "analytics", _SHARE,
          shared(["automatic.language"], NOT_INSTRUCTED, "processor", "metrics-forge", "IE"), member),
    _DENY("disclosure without a case", "4.5", "no_reference", "legal-desk", _SHARE,
          shared(["provided.name"], "protection.rule_breach", "breach_disclosure", PARTNER), member),
    _DENY("lawful interest without a case", "4.6", "no_reference", "legal-desk", _SHARE,
          shared(["automatic.ip"], "protection.fraud", "lawful_interest", "pay-corp"), member),
    _DENY("lawful interest to personalise", "4.6", "no_rule_permits", "partner-hub", _SHARE,
          shared(["automatic.language"], "personalisation", "lawful_interest", "pay-corp", reference="case-2026-77777"),
          member),
)  # fmt: skip

_CLAUSE_5 = (
    _DENY("kept with a partner", "5.1", "custodian_not_allowed", "data-vault", _STORE,
          _KEPT | {"custodian": PARTNER}, member),
    _DENY("kept with a processor beyond its instructions", "5.1", "custodian_not_allowed", "data-vault", _STORE,
          stored(["interaction.survey"], "service.improve", "surveys", "DE", custodian=HOST, basis="processor"),
          member),
    _DENY("kept where nobody may", "5.2", "location_not_allowed", "data-vault", _STORE,
          _KEPT | {"location": FAR}, member),
    _DENY("shared to where nobody may", "5.2", "location_not_allowed", "shipping", _SHARE,
          _COURIER | {"destination": FAR}, member),
)  # fmt: skip

_CLAUSE_6 = (
    _DENY("shared in the clear", "6.1", "channel_not_encrypted", "shipping", _SHARE,
          _COURIER | {"channel": PLAIN}, member),
    _DENY("stored in the clear", "6.1", "channel_not_encrypted", "data-vault", _STORE,
          _KEPT | {"channel": PLAIN}, member),
    _DENY("staff without an agreement", "6.2", "no_staff_agreement", "support", _USE, _staff("agreement"), member),
    _DENY("staff whose agreement nobody knows", "6.2", "no_staff_agreement", "support", _USE,
          _staff(agreement="nda-unsigned"), member),
    _DENY("staff in a role without the right", "6.2", "role_not_granted", "support", _USE,
          _staff(role="office_assistant"), member),
    _DENY("staff outside of any session", "6.2", "session_not_monitored", "support", _USE, _staff("session"), member),
    _DENY("staff in a session of another shift", "6.2", "session_not_monitored", "support", _USE,
          _other_shift, member),
    _DENY("password stored in the clear", "6.3", "clear_credential", "account", _STORE,
          stored(["credential.password"], "service.provide", "credentials", protection="clear"), member),
    _DENY("backup where nobody may", "6.3", "location_not_allowed", "backup", _STORE,
          _BACKUP | {"location": FAR}, member),
    _DENY("backup with a merchant", "6.3", "custodian_not_allowed", "backup", _STORE,
          _BACKUP | {"custodian": "corner-store"}, member),
    _DENY("more than the courier needs", "6.4", "excessive", "shipping", _SHARE,
          _COURIER | {"categories": ["provided.name", "provided.birth_date", "provided.gender"]}, member,
          ["provided.birth_date", "provided.gender"]),
)  # fmt: skip

_GAPS = (
    _GAP("service that nobody registered", "1.1", "unknown_service", UNREGISTERED_SERVICE, _USE,
         used(["provided.name"], "service.provide"), member),
    _GAP("combination with a service that nobody registered", "3.4", "unknown_service", "personalisation", _USE,
         used(["automatic.language"], "personalisation", combined_with=[UNREGISTERED_SERVICE]), member),
    _GAP("recipient that nobody registered", "", "unknown_party", "partner-hub", _SHARE,
         _JOINT | {"basis": "affiliate", "recipient": UNREGISTERED_PARTY}, member),
    _GAP("sender that nobody registered", "2.3", "unknown_party", "partner-hub", _COLLECT,
         collected(["provided.phone"], "received", "protection.fraud", basis="law", received_from=UNREGISTERED_PARTY),
         member),
    _GAP("custodian that nobody registered", "", "unknown_party", "data-vault", _STORE,
         _KEPT | {"custodian": UNREGISTERED_PARTY}, member),
    _GAP("recipient registered only later that day", "", "party_not_yet_registered", "shipping", _SHARE,
         _COURIER | {"recipient": LATE_PROCESSOR}, early_member),
    _GAP("purpose that no vocabulary knows", "3.0", "unknown_purpose", "analytics", _USE,
         used(["automatic.browser"], "growth_hacking"), member),
    _GAP("category that no vocabulary knows", "", "unknown_category", "account", _COLLECT,
         collected(["provided.name", "provided.shoe_size"], "provided"), member, ["provided.shoe_size"]),
    _GAP("region that no vocabulary knows", "", "unknown_region", "data-vault", _STORE,
         _KEPT | {"location": "ZZ"}, member),
    _GAP("purpose for which nobody declared what is needed", "6.4", "needs_undeclared", "partner-hub", _SHARE,
         shared(["provided.name"], "service.maintain", "affiliate", "video-house"), member),
    _GAP("abroad, and nobody knows where the person lives", "5.2", "subject_country_unknown", "data-vault", _STORE,
         stored(["automatic.language"], "service.provide", "contacts", FAR), placeless),
)  # fmt: skip

PLANTS: tuple[Plant, ...] = (
    *_CLAUSE_0, *_CLAUSE_2, *_CLAUSE_3, *_CLAUSE_4_CONSENT, *_CLAUSE_4_OTHER, *_CLAUSE_5, *_CLAUSE_6, *_GAPS
)  # fmt: skip
"""Every kind of violation that a sample day holds."""
