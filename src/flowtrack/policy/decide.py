"""Decide an event: resolve, reduce and judge it by the pack in force at its time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from flowtrack.domain.event import Event
from flowtrack.domain.history import ConsentView
from flowtrack.domain.instants import instant_us
from flowtrack.domain.names import Basis, Gap, Kind, Verdict, worst
from flowtrack.domain.registry import RegistryDocument, registry_of
from flowtrack.policy.judge import Judge, Judged
from flowtrack.policy.pack import Pack
from flowtrack.policy.resolve import Resolved, Resolver
from flowtrack.policy.situation import Situation


class CategoryVerdict(NamedTuple):
    """One category of an event: the judgement, the situation behind it, the consent record that carried it."""

    category: str
    judged: Judged
    situation: Situation | None
    consent: str


@dataclass(frozen=True, slots=True)
class EventVerdict:
    """The verdict on an event: the worst of its categories'."""

    verdict: Verdict
    pack: str
    registry: str
    categories: list[CategoryVerdict]


_NO_POLICY = Judged(
    situation_id="0" * 16,
    verdict=Verdict.INDETERMINATE,
    rules=(),
    clauses=(),
    severity="medium",
    reasons=(),
    notes=(),
    gaps=(Gap.NO_POLICY_IN_FORCE.value,),
)


class Decider:
    """Decides events by the packs and registry documents that are known now.

    Args:
        packs: all versions; the one in force at an event's time decides it.
        documents: registry documents over the packs' own; a later one replaces an earlier one id by id.

    Raises:
        RegistryError: the documents contradict themselves.
    """

    def __init__(self, packs: Iterable[Pack], documents: Iterable[RegistryDocument] = ()) -> None:
        published = list(documents)
        self._timeline: list[tuple[int, Judge, Resolver, str]] = []
        for pack in sorted(packs, key=lambda each: each.effective_from):
            registry = registry_of([pack.registry, *published])
            registry.label = "+".join(f"{each.name}@{each.version}" for each in published)
            resolver = Resolver(pack.vocabularies, registry, pack.services_named, pack.recipients_named)
            self._timeline.append((instant_us(pack.effective_from), Judge(pack), resolver, registry.label))

    @property
    def judges(self) -> list[Judge]:
        """The judge of each pack, earliest first."""
        return [judge for _, judge, _, _ in self._timeline]

    def decide(self, kind: Kind, event: Event, view: ConsentView) -> EventVerdict:
        """The verdict on an event, given its subject's consent state at its time."""
        at_us = instant_us(event.time)
        for since, judge, resolver, label in reversed(self._timeline):
            if since <= at_us:
                resolved = resolver.resolve(kind, event, view)
                found = [_category_verdict(each, judge.judge(each.situation)) for each in resolved]
                verdict = worst([each.judged.verdict for each in found])
                return EventVerdict(verdict, judge.pack.label, label, found)
        named = dict.fromkeys(event.data.categories or ("personal",))
        unjudged = [CategoryVerdict(category, _NO_POLICY, None, "") for category in named]
        return EventVerdict(Verdict.INDETERMINATE, "", "", unjudged)


def _category_verdict(resolved: Resolved, judged: Judged) -> CategoryVerdict:
    return CategoryVerdict(resolved.category, judged, resolved.situation, _carrier(resolved, judged))


def _carrier(resolved: Resolved, judged: Judged) -> str:
    """The consent record behind a verdict: what permitted it, or what the denial rests on."""
    reasons = judged.reasons
    if "opted_out" in reasons:
        return resolved.opt_out_record
    basis = resolved.situation.circumstances.basis
    if judged.verdict is Verdict.PERMIT:
        if basis == Basis.CONSENT:
            return resolved.own_record
        return resolved.deemed_record if basis == Basis.DEEMED_CONSENT else ""
    if judged.verdict is Verdict.DENY and any(reason.startswith("consent_") for reason in reasons):
        return resolved.own_record
    return ""
