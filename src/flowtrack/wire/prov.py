"""W3C PROV-JSON (member submission of 2013-04-24) of a subject's flows: entities, activities and agents.

An activity is an event.  An entity is what an event left behind: data of some categories at one place.  An event used
what stood at its source, and what it said that it was derived from.  Agents are services, parties, and the subject.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import quote

from flowtrack.domain.names import Kind
from flowtrack.wire.lineage import Flow, Place, utc

PREFIXES: Final = {
    "ft": "urn:flowtrack:term:",
    "event": "urn:flowtrack:event:",
    "data": "urn:flowtrack:data:",
    "agent": "urn:flowtrack:agent:",
    "consent": "urn:flowtrack:consent:",
}

_AGENTS: Final = {
    "subject": "prov:Person",
    "service": "prov:SoftwareAgent",
    "party": "prov:Organization",
    "dataset": "ft:Dataset",
}
Records = dict[str, dict[str, Any]]


def prov_document(subject: str, flows: Iterable[Flow]) -> dict[str, Any]:
    """Give the PROV-JSON document of a subject's flows.

    Args:
        subject: its pseudonym; empty where flows of several are told.
        flows: in the order in which they happened.
    """
    document = _Document(subject)
    for flow in flows:
        document.add(flow)
    return {"prefix": PREFIXES, **{name: records for name, records in document.records.items() if records}}


class _Document:
    """Records by kind and identifier; relations have blank identifiers, numbered in order."""

    def __init__(self, subject: str) -> None:
        self.records: dict[str, Records] = defaultdict(dict)
        self._subject = subject
        self._left: dict[str, str] = {}
        self._standing: dict[tuple[str, str], str] = {}

    def add(self, flow: Flow) -> None:
        """Add an event with what it used and what it left behind."""
        activity = _name("event", flow.id)
        service = self._agent(Place("service", flow.service))
        self.records["activity"][activity] = _activity(flow)
        self._relate("wasAssociatedWith", activity=activity, agent=service)
        used = self._used(flow)
        for entity in used:
            self._relate("used", activity=activity, entity=entity, time=utc(flow.first))
        if flow.target is not None:
            self._leave(flow, activity, used)
        for consent in flow.consents:
            plan = _name("consent", consent)
            self.records["entity"][plan] = {"prov:type": [_qualified("prov:Plan"), _qualified("ft:Consent")]}
            self._relate("used", activity=activity, entity=plan)

    def _used(self, flow: Flow) -> list[str]:
        found = [self._left[each] for each in flow.derived_from if each in self._left]
        if not found and flow.source is not None:
            found = [self._standing.get(flow.source[:2]) or self._source(flow.source, flow)]
        return list(dict.fromkeys(found))

    def _source(self, place: Place, flow: Flow) -> str:
        """Data at a place of which nothing was told before; a subject's own is the subject's."""
        entity = self._entity(place, flow, "source")
        self._relate("wasAttributedTo", entity=entity, agent=self._agent(place))
        return entity

    def _leave(self, flow: Flow, activity: str, used: list[str]) -> None:
        if flow.target is None:
            return
        if flow.kind == Kind.ERASE:
            gone = self._standing.pop(flow.target[:2], "")
            if gone:
                self._relate("wasInvalidatedBy", entity=gone, activity=activity, time=utc(flow.last))
            return
        entity = self._entity(flow.target, flow, "result")
        self._left[flow.id] = self._standing[flow.target[:2]] = entity
        self._relate("wasGeneratedBy", entity=entity, activity=activity, time=utc(flow.last))
        self._relate("wasAttributedTo", entity=entity, agent=self._agent(flow.target))
        for source in used:
            self._relate("wasDerivedFrom", generatedEntity=entity, usedEntity=source, activity=activity)

    def _entity(self, place: Place, flow: Flow, role: str) -> str:
        name = _name("data", f"{flow.id}/{role}")
        self.records["entity"][name] = {
            "prov:type": _qualified("ft:PersonalData"),
            "ft:categories": list(flow.categories),
            "ft:place": place.kind,
            "ft:name": place.name,
            **({"prov:location": place.location} if place.location else {}),
        }
        return name

    def _agent(self, place: Place) -> str:
        name = _name("agent", f"{place.kind}/{place.name or self._subject or 'all'}")
        self.records["agent"][name] = {"prov:type": _qualified(_AGENTS[place.kind])}
        return name

    def _relate(self, relation: str, **parts: str) -> None:
        records = self.records[relation]
        records[f"_:{relation}{len(records) + 1}"] = {f"prov:{name}": value for name, value in parts.items()}


def _activity(flow: Flow) -> dict[str, Any]:
    return {
        "prov:startTime": utc(flow.first),
        "prov:endTime": utc(flow.last),
        "prov:type": _qualified(f"ft:{flow.kind}"),
        "ft:purpose": flow.purpose,
        "ft:categories": list(flow.categories),
        "ft:verdicts": [f"{verdict} {count}" for verdict, count in sorted(flow.verdicts.items())],
        "ft:clauses": list(flow.clauses),
        "ft:reasons": list(flow.reasons),
        "ft:packs": list(flow.packs),
        "ft:inferred": {"$": str(flow.inferred).lower(), "type": "xsd:boolean"},
    }


def _qualified(name: str) -> dict[str, str]:
    return {"$": name, "type": "prov:QUALIFIED_NAME"}


def _name(prefix: str, local: str) -> str:
    """Give a qualified name; what may not stand in one as it is, percent-encoded."""
    return f"{prefix}:{quote(local, safe='/-_.~')}"
