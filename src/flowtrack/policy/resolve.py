"""Resolve an event as of its own time, and reduce it to situations: steps one and two of deciding (DESIGN 3).

The registry is asked for what was in force when the event happened; the subject's consent state is that of the
event's time too, with what is known now.  What nobody knows becomes a named gap.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from flowtrack.domain.event import SERVICE_SOURCE, Event, EventData
from flowtrack.domain.history import ConsentView
from flowtrack.domain.instants import BEGINNING_US, DAY_US, END_US, instant_us, since_us, until_us
from flowtrack.domain.names import ActorType, Basis, Consideration, Controller, Gap, Kind, Method, Reason, StoreRole
from flowtrack.domain.registry import OrderEntry, PartyEntry, Registry, Section, ServiceEntry, TimedEntry
from flowtrack.domain.vocabulary import Vocabularies
from flowtrack.policy.own_consent import KEEPS_NOTHING, KEPT_FOR_EVER, Kept, OwnConsents, Use, opted_out
from flowtrack.policy.situation import ANY, NONE, UNKNOWN, Circumstances, Situation

PLATFORM = "platform"
STATUTE = "statute:"
"""A reference that begins so names an article of a law, and is not looked up; with nothing behind it, it is none."""
_VERIFIABLE = frozenset({Basis.LAW, Basis.LEGAL_DEMAND, Basis.BREACH_DISCLOSURE, Basis.LAWFUL_INTEREST})
BY_ORDER = frozenset({Basis.LAW, Basis.LEGAL_DEMAND})
"""Bases whose reference is an order of the registry."""
E = TypeVar("E", ServiceEntry, PartyEntry, OrderEntry, TimedEntry)
_NO_OWN_CONSENT = (Reason.NO_OWN_CONSENT.value, "")
_PROCESSING = {Consideration.SALE: "share.sell", Consideration.RENT: "share.rent"}


@dataclass(frozen=True, slots=True)
class Resolved:
    """One category of an event, reduced, with the consent record that would carry it."""

    category: str
    situation: Situation
    own_record: str
    """The subject's own consent behind `own_consent`, whether it carries the use or not."""
    deemed_record: str
    opt_out_record: str


@dataclass(frozen=True, slots=True)
class _Party:
    type: str
    entry: PartyEntry | None


@dataclass(frozen=True, slots=True)
class _Scene:
    """An event with what the registry and the subject's consents say of it."""

    kind: Kind
    data: EventData
    at_us: int
    service_id: str
    service: ServiceEntry | None
    purpose: str
    party: _Party
    """Recipient of a share, custodian of a store, sender of received data."""
    view: ConsentView
    opt_out: str


class Resolver:
    """Resolves events against one registry and one pack's vocabularies."""

    def __init__(
        self,
        vocabularies: Vocabularies,
        registry: Registry,
        services_named: frozenset[str] = frozenset(),
        recipients_named: frozenset[str] = frozenset(),
    ) -> None:
        self._vocabularies = vocabularies
        self._registry = registry
        self._services_named = services_named
        self._recipients_named = recipients_named
        self.own = OwnConsents(vocabularies)
        self.span_us = (BEGINNING_US, END_US)
        """The interval around the event's time in which the registry's answers to the last `resolve` stay the same."""

    def resolve(self, kind: Kind, event: Event, view: ConsentView) -> list[Resolved]:
        """The situations of an event, one for each category that it names.

        Args:
            kind: what happened.
            event: the event; only names and its time are looked at.
            view: the subject's consent state at the event's time.
        """
        at_us = instant_us(event.time)
        self.span_us = (BEGINNING_US, END_US)
        data = event.data
        gaps: list[str] = []
        service_id = event.source[len(SERVICE_SOURCE) :]
        service = self._look_up(self._registry.services, service_id, at_us)
        if service is None:
            gaps.append(Gap.UNKNOWN_SERVICE)
        purpose = self._purpose(kind, data, gaps)
        scene = _Scene(
            kind=kind,
            data=data,
            at_us=at_us,
            service_id=service_id,
            service=service,
            purpose=purpose,
            party=self._counterparty(kind, data, at_us, gaps),
            view=view,
            opt_out=opted_out(view, purpose, self._vocabularies) if view.opt_outs and purpose != UNKNOWN else "",
        )
        circumstances = self._circumstances(scene, gaps)
        return [
            self._situation(category, circumstances, scene)
            for category in dict.fromkeys(data.categories or ("personal",))
        ]

    def _look_up(self, section: Section[E], key: str, at_us: int) -> E | None:
        """The entry in force; narrows the span in which that answer stays the same."""
        held = section.at(key, at_us)
        if held is None:
            self._narrow(at_us, *section.span_without_us(key, at_us))
            return None
        self._narrow(at_us, held.since_us, held.until_us)
        return held.entry

    def _narrow(self, at_us: int, *edges_us: int) -> None:
        since, until = self.span_us
        for edge in edges_us:
            if edge <= at_us:
                since = max(since, edge)
            else:
                until = min(until, edge)
        self.span_us = (since, until)

    def _purpose(self, kind: Kind, data: EventData, gaps: list[str]) -> str:
        if data.purpose is None:
            return NONE
        if data.purpose in self._vocabularies.purpose:
            return data.purpose
        if kind not in {Kind.ERASE, Kind.INCIDENT}:
            gaps.append(Gap.UNKNOWN_PURPOSE)
        return UNKNOWN

    def _party(self, party_id: str | None, at_us: int, gaps: list[str]) -> _Party:
        if not party_id:
            return _Party(NONE, None)
        if party_id == PLATFORM:
            return _Party(PLATFORM, None)
        entry = self._look_up(self._registry.parties, party_id, at_us)
        if entry is not None:
            return _Party(entry.type.value, entry)
        later = self._registry.parties.next_start_us(party_id, at_us)
        gaps.append(Gap.UNKNOWN_PARTY if later is None else Gap.PARTY_NOT_YET_REGISTERED)
        return _Party(UNKNOWN, None)

    def _counterparty(self, kind: Kind, data: EventData, at_us: int, gaps: list[str]) -> _Party:
        """Recipient of a share, custodian of a store, sender of received data."""
        if kind is Kind.SHARE:
            return self._party(data.recipient, at_us, gaps)
        if kind is Kind.STORE:
            return self._party(data.custodian, at_us, gaps)
        if kind is Kind.COLLECT and data.method is Method.RECEIVED:
            return self._party(data.received_from, at_us, gaps)
        return _Party(NONE, None)

    def _circumstances(self, scene: _Scene, gaps: list[str]) -> Circumstances:
        kind, data, at_us, service, party, view = (
            scene.kind,
            scene.data,
            scene.at_us,
            scene.service,
            scene.party,
            scene.view,
        )
        sharing, storing = kind is Kind.SHARE, kind is Kind.STORE
        combined = self._combined(data, at_us, gaps) if kind is Kind.USE else NONE
        location = self._location(scene, gaps)
        agreement, instructed = self._agreement(party, scene.purpose, at_us)
        terms = party.entry.agreement if party.entry is not None else None
        basis = data.basis or Basis.DEEMED_CONSENT
        person = kind is Kind.USE and data.actor is not None and data.actor.type is not ActorType.SERVICE
        agreed, unverified_agreement = self._held(self._registry.staff_agreements, _id(data, "agreement"), at_us)
        monitored, unverified_session = self._held(self._registry.sessions, _id(data, "session"), at_us)
        recipient = data.recipient or NONE
        named = recipient in self._recipients_named
        return Circumstances(
            kind=kind.value,
            service=(
                UNKNOWN if service is None else scene.service_id if scene.service_id in self._services_named else ANY
            ),
            controller=UNKNOWN if service is None else service.controller.value,
            purpose=scene.purpose,
            processing=processing_of(kind, data, combined),
            recipient=recipient if sharing and named else ANY,
            recipient_type=party.type if sharing else NONE,
            basis=basis.value,
            method=data.method.value if kind is Kind.COLLECT and data.method is not None else NONE,
            sender_type=party.type if kind is Kind.COLLECT else NONE,
            consideration=data.consideration.value if sharing else NONE,
            channel=NONE if data.channel is None else "encrypted" if data.channel.encrypted else "clear",
            protection=NONE if data.protection is None else data.protection.value,
            custodian_type=party.type if storing else NONE,
            store_role=data.role.value if storing else NONE,
            location=location,
            agreement=agreement,
            instructed=instructed,
            confidentiality=terms is not None and terms.confidentiality,
            security=terms is not None and terms.security,
            account=view.account,
            terms=view.terms,
            deemed=bool(view.deemed),
            opted_out=bool(scene.opt_out),
            actor=data.actor.type.value if person and data.actor is not None else "service",
            staff_agreement=person and agreed,
            monitored=person and monitored,
            combined=combined,
            unverified=(person and (unverified_agreement or unverified_session))
            or (basis in _VERIFIABLE and self._reference_unverified(data, basis)),
            declared_purpose=service is None
            or service.purposes is None
            or self._lies_in(scene.purpose, service.purposes),
            gaps=tuple(dict.fromkeys(gaps)),
        )

    def _combined(self, data: EventData, at_us: int, gaps: list[str]) -> str:
        """Clause 3.4: the worst of the services that a use combines with."""
        found = NONE
        for service_id in data.combined_with or ():
            entry = self._look_up(self._registry.services, service_id, at_us)
            if entry is None:
                gaps.append(Gap.UNKNOWN_SERVICE)
                found = found if found == Controller.THIRD_PARTY else UNKNOWN
            elif entry.controller is Controller.THIRD_PARTY:
                found = Controller.THIRD_PARTY.value
            elif found == NONE:
                found = "in_scope"
        return found

    def _location(self, scene: _Scene, gaps: list[str]) -> str:
        """Clause 5.2: the subject's country, or a region registered for the service."""
        service, view = scene.service, scene.view
        place = place_of(scene.kind, scene.data)
        if place is None:
            return NONE
        regions = self._vocabularies.storage
        if place not in regions:
            gaps.append(Gap.UNKNOWN_REGION)
            return UNKNOWN
        if place == view.country:
            return "allowed"
        if service is None:
            return UNKNOWN
        if any(regions.is_a(place, region) for region in service.regions):
            return "allowed"
        return "not_allowed" if view.country else "country_unknown"

    def _agreement(self, party: _Party, purpose: str, at_us: int) -> tuple[str, bool]:
        """Clause 4.4: the agreement's state at the instant, and whether its instructions hold the purpose."""
        agreement = party.entry.agreement if party.entry is not None else None
        if agreement is not None:
            self._narrow(at_us, since_us(agreement.from_), until_us(agreement.until))
        if agreement is None or at_us < since_us(agreement.from_):
            return NONE, False
        state = "in_force" if at_us < until_us(agreement.until) else "expired"
        return state, self._lies_in(purpose, agreement.instructions)

    def _lies_in(self, purpose: str, terms: list[str]) -> bool:
        return any(self._vocabularies.purpose.is_a(purpose, term) for term in terms)

    def _held(self, section: Section[TimedEntry] | None, key: str | None, at_us: int) -> tuple[bool, bool]:
        """Whether an id counts as in force, and whether that could not be looked up."""
        if not key:
            return False, False
        if section is None:
            return True, True
        return self._look_up(section, key, at_us) is not None, False

    def _reference_unverified(self, data: EventData, basis: Basis) -> bool:
        reference = data.reference
        if not reference or reference.startswith(STATUTE):
            return False
        return self._registry.orders is None or basis not in BY_ORDER

    def _situation(self, category: str, circumstances: Circumstances, scene: _Scene) -> Resolved:
        kind, data, at_us, view = scene.kind, scene.data, scene.at_us, scene.view
        known = category in self._vocabularies.category
        name = category if known else UNKNOWN
        own, record = _NO_OWN_CONSENT
        if view.own:
            own, record = self.own.matcher(use_of(kind, data, circumstances, category, at_us)).carried_by(view)
        reference, named = self._reference(data, category, at_us)
        situation = Situation(
            circumstances=circumstances,
            category=name,
            own_consent=own,
            reference=reference,
            named_in_order=named,
            needs=self._needs(kind, scene.party, circumstances.purpose, category) if known else NONE,
            role_granted=circumstances.actor != "service" and self._granted(data, scene.service, category),
            unknown_category=not known,
        )
        return Resolved(category, situation, record, view.deemed, scene.opt_out)

    def _granted(self, data: EventData, service: ServiceEntry | None, category: str) -> bool:
        """Clause 6.2: the service grants the actor's role this category."""
        if service is None or data.actor is None or data.actor.role is None:
            return False
        is_a = self._vocabularies.category.is_a
        return any(is_a(category, granted) for granted in service.grants.get(data.actor.role, ()))

    def _needs(self, kind: Kind, party: _Party, purpose: str, category: str) -> str:
        """Clause 6.4: whether the purpose needs the category at that recipient."""
        if kind is not Kind.SHARE or party.entry is None or purpose == UNKNOWN:
            return NONE
        is_purpose = self._vocabularies.purpose.is_a
        declared = [needed for named, needed in party.entry.needs.items() if is_purpose(purpose, named)]
        if not declared:
            return "undeclared"
        is_a = self._vocabularies.category.is_a
        return "within" if any(is_a(category, term) for needed in declared for term in needed) else "beyond"

    def _reference(self, data: EventData, category: str, at_us: int) -> tuple[str, bool]:
        """Clause 4.2: what the reference is worth for this category, and whether it names the recipient."""
        reference = data.reference
        if not reference or reference == STATUTE:
            return NONE, False
        if reference.startswith(STATUTE):
            return "statute", False
        if self._registry.orders is None or data.basis not in BY_ORDER:
            return "unverified", False
        order = self._look_up(self._registry.orders, reference, at_us)
        if order is None or not self._order_covers(order, data, category):
            return "not_covering", False
        return "in_force", data.recipient in order.recipients

    def _order_covers(self, order: OrderEntry, data: EventData, category: str) -> bool:
        is_a = self._vocabularies.category.is_a
        if not any(is_a(category, covered) for covered in order.categories):
            return False
        return data.recipient is None or data.recipient == order.authority or data.recipient in order.recipients


def _id(data: EventData, name: str) -> str | None:
    return getattr(data.actor, name) if data.actor is not None else None


def place_of(kind: Kind, data: EventData) -> str | None:
    """Where a share goes, or a store rests."""
    if kind is Kind.SHARE:
        return data.destination
    return data.location if kind is Kind.STORE else None


def processing_of(kind: Kind, data: EventData, combined: str) -> str:
    """The term of the processing vocabulary that an event maps onto (NAMES)."""
    if kind is Kind.SHARE:
        return _PROCESSING.get(data.consideration, "share")
    if kind is Kind.STORE and data.role is StoreRole.BACKUP:
        return "store.backup"
    if combined != NONE:
        return "use.combine"
    return kind.value


def use_of(kind: Kind, data: EventData, circumstances: Circumstances, category: str, at_us: int) -> Use:
    """What an event does with one category, in the dimensions of a usage policy."""
    storing, sharing = kind is Kind.STORE, kind is Kind.SHARE
    return Use(
        category=category,
        processing=circumstances.processing,
        purpose=circumstances.purpose,
        recipient=(data.recipient or "") if sharing else "",
        recipient_type=circumstances.recipient_type,
        location=(data.destination or "") if sharing else (data.location or "") if storing else "",
        kept=kept_of(data, at_us) if storing else KEEPS_NOTHING,
    )


def kept_of(data: EventData, at_us: int) -> Kept:
    """For how long a store keeps its data; one that says an instant in the past keeps it for no day."""
    if data.retain_until is None:
        return KEPT_FOR_EVER
    kept_us = max(0, instant_us(data.retain_until) - at_us)
    return Kept(kept_us // DAY_US, -(-kept_us // DAY_US))
