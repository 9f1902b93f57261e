"""Consent records in the terms of the W3C Data Privacy Vocabulary 2, as JSON-LD, in the shape of ISO/IEC TS 27560.

Which field is which: DPVCG's guide "Consent Records and Receipts as per ISO/IEC TS 27560:2023 using DPV" (final report
of 2024-08-01), section "ISO 27560:2023, EU GDPR, and DPV".  A record has one process for each state that it was in,
since the scope may change with the state.  The context stands in each document, so that nobody need fetch one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from flowtrack.domain.consent import AllOf, Notice, Storage, Term, UsagePolicy
from flowtrack.domain.names import Kind, RecordKind, RecordState
from flowtrack.wire.lineage import utc

CONTEXT: Final[dict[str, Any]] = {
    "dpv": "https://w3id.org/dpv#",
    "loc": "https://w3id.org/dpv/loc#",
    "dct": "http://purl.org/dc/terms/",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    "ft": "urn:flowtrack:term:",
    "dct:conformsTo": {"@type": "@id"},
    "dct:created": {"@type": "xsd:dateTime"},
    "dct:modified": {"@type": "xsd:dateTime"},
    "dct:valid": {"@type": "xsd:dateTime"},
    "dpv:isIndicatedAtTime": {"@type": "xsd:dateTime"},
    "dpv:hasDataSubject": {"@type": "@id"},
    "dpv:hasDataController": {"@type": "@id"},
    "dpv:hasProcessing": {"@type": "@id"},
    "dpv:hasLegalBasis": {"@type": "@id"},
    "dpv:hasLocation": {"@type": "@id"},
    "skos:broader": {"@type": "@id"},
}
"""Part of every document."""
SCHEMA: Final = "urn:flowtrack:schema:consent-record:1"
"""What a document says that it conforms to: DPVCG's own profile also asks for addresses and contacts, which nobody
has told us."""
_STATUS: Final[Mapping[str, str]] = {
    RecordState.REQUESTED: "ConsentRequested",
    RecordState.UNKNOWN: "ConsentUnknown",
    RecordState.GIVEN: "ConsentGiven",
    RecordState.RENEWED: "RenewedConsentGiven",
    RecordState.REFUSED: "ConsentRefused",
    RecordState.WITHDRAWN: "ConsentWithdrawn",
    RecordState.EXPIRED: "ConsentExpired",
    RecordState.INVALIDATED: "ConsentInvalidated",
    RecordState.REVOKED: "ConsentRevoked",
}
"""States of a consent, of a record that is one: `ConsentStatus` of DPV 2, "consent_status"."""
_PROCESSING: Final[Mapping[str, str]] = {
    Kind.COLLECT: "Collect",
    Kind.USE: "Use",
    Kind.SHARE: "Share",
    Kind.STORE: "Store",
    Kind.ERASE: "Erase",
}
RECORD_KINDS: Final = frozenset({RecordKind.CONSENT})
"""Records that are consents; terms, accounts and opt-outs have no consent status."""


class State(NamedTuple):
    """One state of a record."""

    record: str
    kind: str
    state: str
    valid_from: datetime
    recorded_at: datetime
    expires: datetime | None
    scope: UsagePolicy | None
    notice: Notice | None
    method: str = ""
    country: str = ""


def consent_records(
    subject: str, states: Iterable[State], *, controller: str, titles: Mapping[str, str]
) -> dict[str, Any]:
    """Give a subject's consents as one JSON-LD document.

    Args:
        subject: its pseudonym.
        states: of its records, in the order in which they took effect; what is no consent is left out.
        controller: who asked for the consents: a name or an IRI.
        titles: English titles of the terms of a pack; one without is called by its name.
    """
    by_record: dict[str, list[State]] = {}
    for each in states:
        if each.kind in RECORD_KINDS:
            by_record.setdefault(each.record, []).append(each)
    graph = [_record(subject, record, found, controller, titles) for record, found in by_record.items()]
    return {"@context": CONTEXT, "@graph": graph}


def _record(
    subject: str, record: str, states: Sequence[State], controller: str, titles: Mapping[str, str]
) -> dict[str, Any]:
    languages = sorted({each.notice.language for each in states if each.notice and each.notice.language})
    return {
        "@id": _iri("consent", subject, record),
        "@type": "dpv:ConsentRecord",
        "dct:conformsTo": SCHEMA,
        "dct:identifier": record,
        "dpv:hasIdentifier": record,
        "dct:created": utc(min(each.recorded_at for each in states)),
        "dct:modified": utc(max(each.recorded_at for each in states)),
        **({"dct:language": languages if len(languages) > 1 else languages[0]} if languages else {}),
        "dpv:hasDataSubject": {
            "@id": _iri("subject", subject),
            "@type": "dpv:DataSubject",
            "dpv:hasIdentifier": subject,
        },
        "dpv:hasDataController": {
            "@id": controller if ":" in controller else _iri("controller", controller),
            "@type": "dpv:DataController",
            "dpv:hasName": controller,
        },
        "dpv:hasProcess": [_process(each, titles) for each in states],
    }


def _process(state: State, titles: Mapping[str, str]) -> dict[str, Any]:
    """What a record covers in one state; a dimension that it leaves out does not restrict, and is not said."""
    scope = state.scope or UsagePolicy()
    return {
        "@type": "dpv:Process",
        "dpv:hasLegalBasis": "dpv:Consent",
        "dpv:hasPersonalData": _concepts("PersonalData", scope.data, titles),
        "dpv:hasPurpose": _concepts("Purpose", scope.purpose, titles),
        "dpv:hasProcessing": [f"dpv:{_PROCESSING.get(each, 'Processing')}" for each in _terms(scope.processing)],
        "dpv:hasRecipient": _concepts("Recipient", scope.recipient, titles),
        "dpv:hasStorageCondition": _storage(scope.storage),
        "dpv:hasConsentStatus": [_status(state)],
    }


def _status(state: State) -> dict[str, Any]:
    found: dict[str, Any] = {
        "@type": f"dpv:{_STATUS.get(state.state, 'ConsentUnknown')}",
        "dpv:isIndicatedAtTime": utc(state.valid_from),
    }
    if state.method:
        found["dpv:hasIndicationMethod"] = state.method
    if state.expires is not None:
        found["dct:valid"] = utc(state.expires)
        found["dpv:hasDuration"] = {"@type": "dpv:UntilTimeDuration", "rdf:value": utc(state.expires)}
    if state.notice is not None:
        found["dpv:hasNotice"] = _notice(state.notice)
    return found


def _notice(notice: Notice) -> dict[str, Any]:
    return {
        "@type": "dpv:ConsentNotice",
        "dpv:hasIdentifier": notice.version,
        **({"dct:language": notice.language} if notice.language else {}),
        **({"ft:hash": notice.hash} if notice.hash else {}),
    }


def _concepts(kind: str, term: Term | None, titles: Mapping[str, str]) -> list[dict[str, Any]]:
    """Our terms as instances of a DPV class, each with its title; which DPV concept they lie under, nobody has said."""
    return [
        {
            "@id": _iri("term", kind.lower(), each),
            "@type": f"dpv:{kind}",
            "dct:identifier": each,
            "skos:prefLabel": titles.get(each, each),
        }
        for each in _terms(term)
    ]


def _storage(storage: Storage | None) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    if storage is None:
        return found
    for place in _terms(storage.location):
        region = f"loc:{place}" if len(place) == 2 and place.isupper() else _iri("term", "location", place)  # noqa: PLR2004 - ISO 3166-1 alpha-2
        found.append({"@type": "dpv:StorageLocation", "dpv:hasLocation": region})
    if storage.duration is not None and storage.duration.max_days is not None:
        duration = {"@type": "dpv:TemporalDuration", "rdf:value": f"P{storage.duration.max_days}D"}
        found.append({"@type": "dpv:StorageDuration", "dpv:hasDuration": duration})
    return found


def _terms(term: Term | None) -> list[str]:
    if term is None:
        return []
    return list(term.all) if isinstance(term, AllOf) else [term]


def _iri(*parts: str) -> str:
    return "urn:flowtrack:" + ":".join(quote(part, safe="-_.~") for part in parts)
