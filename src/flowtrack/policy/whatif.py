"""What would another pack have decided?  Judging what is long past anew, from what a ledger keeps of it.

Where only rules differ, the situation is all that a rule may look at: it is judged anew.  Where vocabularies or the
pack's own registry differ, too, what was a situation then may be another one now: the event's shape is resolved anew,
as of its own time.  Of the subject's consents a shape keeps only what resolving said of them; so everything that is
consistent with that is tried, and where it matters, nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from flowtrack.domain.consent import UsagePolicy
from flowtrack.domain.event import SERVICE_SOURCE, Event, EventData
from flowtrack.domain.history import ConsentView, Own
from flowtrack.domain.instants import BEGINNING_US, END_US, instant_us, since_us, until_us
from flowtrack.domain.names import Kind, RecordState
from flowtrack.domain.registry import Registry, Section
from flowtrack.policy.judge import Judge, Judged
from flowtrack.policy.own_consent import KEEPS_NOTHING, Matcher, opted_out
from flowtrack.policy.pack import VOCABULARY_NAMES, Pack
from flowtrack.policy.resolve import Resolver, place_of, use_of
from flowtrack.policy.situation import ANY, UNKNOWN, Situation

ELSEWHERE = "-"
"""A country that is no place of any event."""

FACTS_MISSING = "facts_missing"
"""What the ledger keeps does not give the situation that stands there: the row is from before facts were kept."""
CONSENTS_MATTER = "consents_matter"
"""The new vocabularies read a consent's scope otherwise, and which consents the subject had is not in a shape."""
COUNTRY_MATTERS = "country_matters"
"""Whether the place is the subject's own country decides, and the old situation does not tell."""


class Shape(NamedTuple):
    """Events that resolving cannot tell apart, one category of them."""

    kind: Kind
    service: str
    at: datetime
    """An instant at which one of them happened; the registries say the same at those of all."""
    category: str
    data: EventData


@dataclass(frozen=True, slots=True)
class Rules:
    """A pack with a registry: what an event is resolved against, and judged by."""

    judge: Judge
    resolver: Resolver

    @classmethod
    def of(cls, judge: Judge, registry: Registry) -> Rules:
        """Bring a judge together with a registry: the pack's own documents and the published ones, merged."""
        pack = judge.pack
        return cls(judge, Resolver(pack.vocabularies, registry, pack.services_named, pack.recipients_named))


def same_words(one: Pack, other: Pack) -> bool:
    """Whether two packs resolve every event to the same situation, but for the services and recipients they name."""
    return all(
        getattr(one.vocabularies, name).parents == getattr(other.vocabularies, name).parents
        for name in VOCABULARY_NAMES
    ) and _said(one) == _said(other)


def _said(pack: Pack) -> dict[str, object]:
    return pack.registry.model_dump(exclude={"name", "version"})


def renamed(situation: Situation, pack: Pack, service: str, recipient: str) -> Situation:
    """The situation as a pack sees it that may name other services and recipients than the one it was made for.

    Args:
        situation: resolved by a pack for which `same_words` holds.
        pack: the one to see it.
        service: of the event.
        recipient: likewise; empty where it is no share.
    """
    shared = situation.circumstances
    its_service = UNKNOWN if shared.service == UNKNOWN else service if service in pack.services_named else ANY
    its_recipient = recipient if shared.kind == Kind.SHARE and recipient in pack.recipients_named else ANY
    if (its_service, its_recipient) == (shared.service, shared.recipient):
        return situation
    return situation._replace(circumstances=shared._replace(service=its_service, recipient=its_recipient))


def judged_anew(new: Rules, old: Rules, situation: Situation, shape: Shape, scopes: Scopes) -> Judged | str:
    """What new rules say of a shape; else the reason why that cannot be told.

    Args:
        new: rules to judge by.
        old: rules that it was judged by; resolving by them must give the situation back, else nothing is believed.
        situation: as it stands in the ledger.
        shape: what stands there beside it.
        scopes: what the consents of all subjects say.
    """
    views = [view for view in _views(situation, shape) if _resolved(old.resolver, situation, shape, view) == situation]
    if not views:
        return FACTS_MISSING
    found = {_resolved(new.resolver, situation, shape, view) for view in views}
    if len(found) > 1:
        return COUNTRY_MATTERS
    (now,) = found
    return new.judge.judge(now) if scopes.read_alike(old, new, situation, now, shape) else CONSENTS_MATTER


def _views(situation: Situation, shape: Shape) -> Iterator[ConsentView]:
    """What the subject's consents may have been: as the situation says, the country one of three."""
    shared = situation.circumstances
    place = place_of(shape.kind, shape.data)
    for country in ("", ELSEWHERE, place) if place else ("",):
        yield ConsentView(
            account=shared.account, terms=shared.terms, deemed="record" if shared.deemed else "", country=country
        )


def _resolved(resolver: Resolver, was: Situation, shape: Shape, view: ConsentView) -> Situation:
    """The shape's situation, with what it had to do with consents taken from the old one."""
    event = Event.model_construct(
        specversion="1.0",
        id="",
        source=f"{SERVICE_SOURCE}{shape.service}",
        type="",
        subject="",
        time=shape.at,
        data=shape.data,
    )
    (found,) = resolver.resolve(shape.kind, event, view)
    shared = found.situation.circumstances._replace(opted_out=was.circumstances.opted_out)
    return found.situation._replace(circumstances=shared, own_consent=was.own_consent)


class Scopes:
    """What the consents and opt-outs of all subjects say: few texts, however many subjects.

    Args:
        consents: scopes of records of the subjects' own consent.
        opt_outs: scopes of their opt-outs.
    """

    def __init__(self, consents: Iterable[UsagePolicy | None], opt_outs: Iterable[UsagePolicy | None]) -> None:
        self._owns = [ConsentView(own=(_given(scope),)) for scope in consents]
        self._outs = [ConsentView(opt_outs=(("record", scope),)) for scope in opt_outs]

    def read_alike(self, old: Rules, new: Rules, was: Situation, now: Situation, shape: Shape) -> bool:
        """Whether each consent says the same of a shape under both: then any subject's consents do."""
        before, after = (
            Matcher(
                use_of(shape.kind, shape.data, each.circumstances, shape.category, instant_us(shape.at))._replace(
                    kept=KEEPS_NOTHING  # days are compared alike under any vocabulary
                ),
                rules.judge.pack.vocabularies,
            )
            for rules, each in ((old, was), (new, now))
        )
        return all(before.carried_by(view) == after.carried_by(view) for view in self._owns) and all(
            _out_of(view, was, old) == _out_of(view, now, new) for view in self._outs
        )


def _given(scope: UsagePolicy | None) -> Own:
    return Own("record", RecordState.GIVEN, expired=False, in_force=True, scope=scope)


def _out_of(view: ConsentView, situation: Situation, rules: Rules) -> bool:
    purpose = situation.circumstances.purpose
    return purpose != UNKNOWN and bool(opted_out(view, purpose, rules.judge.pack.vocabularies))


def edges_us(registries: Iterable[Registry]) -> list[int]:
    """The instants, in microseconds, at which one of the registries begins or ceases to say something; in order."""
    found: set[int] = set()
    for registry in registries:
        for section in (registry.services, registry.parties):
            found.update(_edges(section))
        for timed in (registry.orders, registry.staff_agreements, registry.sessions):
            found.update(() if timed is None else _edges(timed))
        parties = (each.entry for _, holdings in registry.parties.items() for each in holdings)
        for agreement in (party.agreement for party in parties):
            if agreement is not None:
                found |= {since_us(agreement.from_), until_us(agreement.until)}
    return sorted(found - {BEGINNING_US, END_US})


def _edges(section: Section[Any]) -> Iterator[int]:
    for each in (holding for _, holdings in section.items() for holding in holdings):
        yield each.since_us
        yield each.until_us
