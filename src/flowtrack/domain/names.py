"""The codes and closed vocabularies that every part agrees on.

They stand in ledgers, packs and cases, so none is ever renamed; new ones may be added.
"""

from __future__ import annotations

from enum import StrEnum


class Word(StrEnum):
    """A code that hashes and compares as the string that it is, in C: hot paths look things up by codes."""

    __hash__ = str.__hash__


class Kind(Word):
    """What happened to personal data."""

    COLLECT = "collect"
    USE = "use"
    SHARE = "share"
    STORE = "store"
    ERASE = "erase"
    INCIDENT = "incident"


class Verdict(Word):
    """The four outcomes of XACML 3.0 section 7.19, as one judgement."""

    PERMIT = "permit"
    DENY = "deny"
    NOT_APPLICABLE = "not_applicable"
    INDETERMINATE = "indeterminate"


_BADNESS = {Verdict.NOT_APPLICABLE: 0, Verdict.PERMIT: 1, Verdict.INDETERMINATE: 2, Verdict.DENY: 3}


def worst(verdicts: list[Verdict]) -> Verdict:
    """The worst of several verdicts; an event without categories is `not_applicable`."""
    return max(verdicts, key=_BADNESS.__getitem__, default=Verdict.NOT_APPLICABLE)


class Basis(Word):
    """The legal basis that an event claims."""

    CONSENT = "consent"
    DEEMED_CONSENT = "deemed_consent"
    LAW = "law"
    LEGAL_DEMAND = "legal_demand"
    AFFILIATE = "affiliate"
    PROCESSOR = "processor"
    BREACH_DISCLOSURE = "breach_disclosure"
    LAWFUL_INTEREST = "lawful_interest"


class Method(Word):
    """How data was collected."""

    PROVIDED = "provided"
    AUTOMATIC = "automatic"
    RECEIVED = "received"


class Consideration(Word):
    """What was given in return for a share."""

    NONE = "none"
    SALE = "sale"
    RENT = "rent"
    EXCHANGE = "exchange"


class Protection(Word):
    """The form in which data is shared or stored."""

    CLEAR = "clear"
    ENCRYPTED = "encrypted"
    HASHED = "hashed"


class StoreRole(Word):
    """What a stored copy is for."""

    PRIMARY = "primary"
    BACKUP = "backup"


class ActorType(Word):
    """Who acts in a use: software, or a person."""

    SERVICE = "service"
    STAFF = "staff"
    CONTRACTOR = "contractor"


class Transform(Word):
    """What was done to data on its way."""

    NONE = "none"
    PSEUDONYMISE = "pseudonymise"
    ANONYMISE = "anonymise"
    AGGREGATE = "aggregate"


class Controller(Word):
    """Who answers for a service."""

    PLATFORM = "platform"
    AFFILIATE = "affiliate"
    THIRD_PARTY = "third_party"


class PartyType(Word):
    """What a recipient or sender is to the platform."""

    AFFILIATE = "affiliate"
    PARTNER = "partner"
    PROCESSOR = "processor"
    AUTHORITY = "authority"
    MERCHANT = "merchant"


class RecordKind(Word):
    """What a consent record is about."""

    CONSENT = "consent"
    TERMS = "terms"
    USAGE = "usage"
    OPT_OUT = "opt_out"
    ACCOUNT = "account"


class RecordState(Word):
    """States of consent records: DPV's consent status (ISO/IEC TS 27560), and those of terms and accounts."""

    REQUESTED = "requested"
    UNKNOWN = "unknown"
    GIVEN = "given"
    RENEWED = "renewed"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    INVALIDATED = "invalidated"
    REVOKED = "revoked"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    OPEN = "open"
    CLOSED = "closed"
    USING = "using"
    LEFT = "left"


class Reason(Word):
    """Why a verdict came out as it did."""

    OWN_CONSENT = "own_consent"
    DEEMED_CONSENT = "deemed_consent"
    BY_LAW = "by_law"
    LEGAL_DEMAND = "legal_demand"
    AFFILIATE = "affiliate"
    PROCESSOR = "processor"
    BREACH_DISCLOSURE = "breach_disclosure"
    LAWFUL_INTEREST = "lawful_interest"
    PROTECTION = "protection"
    WITHIN_CUSTODY = "within_custody"
    NO_RULE_PERMITS = "no_rule_permits"
    NO_CONSENT_RECORD = "no_consent_record"
    NO_OWN_CONSENT = "no_own_consent"
    CONSENT_WITHDRAWN = "consent_withdrawn"
    CONSENT_EXPIRED = "consent_expired"
    CONSENT_REFUSED = "consent_refused"
    CONSENT_NOT_COVERING_DATA = "consent_not_covering.data"
    CONSENT_NOT_COVERING_PROCESSING = "consent_not_covering.processing"
    CONSENT_NOT_COVERING_PURPOSE = "consent_not_covering.purpose"
    CONSENT_NOT_COVERING_RECIPIENT = "consent_not_covering.recipient"
    CONSENT_NOT_COVERING_STORAGE = "consent_not_covering.storage"
    OPTED_OUT = "opted_out"
    ACCOUNT_CLOSED = "account_closed"
    TERMS_REJECTED = "terms_rejected"
    SALE_FOR_MARKETING = "sale_for_marketing"
    OUTSIDE_PURPOSE = "outside_purpose"
    WRONG_PURPOSE_FOR_CATEGORY = "wrong_purpose_for_category"
    THIRD_PARTY_COMBINATION = "third_party_combination"
    NOT_AFFILIATE = "not_affiliate"
    NO_AGREEMENT = "no_agreement"
    AGREEMENT_EXPIRED = "agreement_expired"
    OUTSIDE_INSTRUCTIONS = "outside_instructions"
    NO_CONFIDENTIALITY = "no_confidentiality"
    NO_SECURITY_MEASURES = "no_security_measures"
    NO_REFERENCE = "no_reference"
    ORDER_NOT_COVERING = "order_not_covering"
    NOT_AUTHORITY = "not_authority"
    CUSTODIAN_NOT_ALLOWED = "custodian_not_allowed"
    LOCATION_NOT_ALLOWED = "location_not_allowed"
    CHANNEL_NOT_ENCRYPTED = "channel_not_encrypted"
    CLEAR_CREDENTIAL = "clear_credential"
    NO_STAFF_AGREEMENT = "no_staff_agreement"
    ROLE_NOT_GRANTED = "role_not_granted"
    SESSION_NOT_MONITORED = "session_not_monitored"
    EXCESSIVE = "excessive"
    THIRD_PARTY_SERVICE = "third_party_service"
    EXCLUDED_CATEGORY = "excluded_category"
    KIND_NOT_JUDGED = "kind_not_judged"


class Note(Word):
    """What an auditor should know beside the verdict."""

    UNVERIFIED_REFERENCE = "unverified_reference"
    SALE_NOT_MARKETING = "sale_not_marketing"
    SHADOW_DENY = "shadow_deny"
    LATE_CONSENT = "late_consent"


class Gap(Word):
    """What was not known, so that no verdict could be reached."""

    UNKNOWN_SERVICE = "unknown_service"
    UNKNOWN_PARTY = "unknown_party"
    PARTY_NOT_YET_REGISTERED = "party_not_yet_registered"
    UNKNOWN_PURPOSE = "unknown_purpose"
    UNKNOWN_CATEGORY = "unknown_category"
    UNKNOWN_REGION = "unknown_region"
    NO_POLICY_IN_FORCE = "no_policy_in_force"
    NEEDS_UNDECLARED = "needs_undeclared"
    SUBJECT_COUNTRY_UNKNOWN = "subject_country_unknown"
    RULE_ERROR = "rule_error"
    FIELD_NOT_GIVEN = "field_not_given"


class DeadLetterCode(Word):
    """Why a message could not be read, or not be taken."""

    NOT_JSON = "not_json"
    NOT_CLOUDEVENT = "not_cloudevent"
    UNKNOWN_TYPE = "unknown_type"
    UNKNOWN_VERSION = "unknown_version"
    MISSING_FIELD = "missing_field"
    BAD_FIELD = "bad_field"
    BAD_SUBJECT = "bad_subject"
    BAD_TIME = "bad_time"
    TIME_OUT_OF_RANGE = "time_out_of_range"
    TOO_LARGE = "too_large"
    WRONG_PARTITION = "wrong_partition"
    BAD_SIGNATURE = "bad_signature"
    QUARANTINED = "quarantined"
    RECORDS_LOST = "records_lost"
