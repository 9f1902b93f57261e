"""Decide an event: resolve, reduce and judge it by the pack in force at its time, and remember.

Events come in few shapes: the same service sends the same categories for the same purpose to the same recipient all
day.  What the registry says of a shape holds for a span of time, and what the rules say depends on the subject in a
few words only.  So a warm event costs two look-ups, and the same three steps answer everything else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import IntEnum
from functools import partial
from typing import Any, NamedTuple

from flowtrack.domain.decision import SEVERITIES
from flowtrack.domain.event import Event
from flowtrack.domain.history import ConsentView
from flowtrack.domain.instants import BEGINNING_US, END_US, instant_us
from flowtrack.domain.names import Basis, Gap, Kind, Reason, Verdict, worst
from flowtrack.domain.registry import Registry, RegistryDocument, registry_of
from flowtrack.policy.judge import Judge, Judged
from flowtrack.policy.own_consent import Matcher, opted_out
from flowtrack.policy.pack import Pack
from flowtrack.policy.resolve import Resolved, Resolver, place_of, use_of
from flowtrack.policy.shape import shape_key
from flowtrack.policy.situation import NONE, Situation

SHAPES_MAX = 50_000
"""Shapes remembered before the table is emptied; a platform of a thousand services has a few thousand."""
ANSWERS_MAX = 1_000
"""Answers remembered for one shape."""


class CategoryVerdict(NamedTuple):
    """One category of an event: the judgement, the situation behind it, the consent record that carried it."""

    category: str
    judged: Judged
    situation: Situation | None
    consent: str


class EventVerdict(NamedTuple):
    """The verdict on an event: the worst of its categories'."""

    verdict: Verdict
    pack: str
    registry: str
    categories: list[CategoryVerdict]
    severity: str
    """The worst of the categories'; empty where nobody need hear of it."""


class Answer(NamedTuple):
    """The verdict on an event, and how far it can be remembered."""

    verdict: EventVerdict
    """One object for all events and subjects of whom the rules see the same; its records are those of one of them."""
    records: tuple[str, ...] | None
    """For each category the consent record of this subject that carried it; None where none carried any."""
    since_us: int
    """From this instant until the other the answer to the same data and consent state stays the same."""
    until_us: int

    def named(self) -> EventVerdict:
        """The verdict with the records of this subject."""
        if self.records is None:
            return self.verdict
        categories = [
            each._replace(consent=record) for each, record in zip(self.verdict.categories, self.records, strict=True)
        ]
        return self.verdict._replace(categories=categories)


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


class Carrier(IntEnum):
    """Which of the subject's consent records a verdict rests on."""

    NONE = 0
    DEEMED = 1
    OWN = 2
    OPT_OUT = 3


_PERMITS: dict[str, Carrier] = {Basis.CONSENT: Carrier.OWN, Basis.DEEMED_CONSENT: Carrier.DEEMED}


class Shape:
    """What is known of events that differ in subject, time and made-up ids only, while the registry says the same.

    Args:
        span_us: the interval in which it does, and the same pack decides.
        place: where such events send or keep data; empty where they do neither.
        matchers: for each category what compares own consents with its use.
        opted_out: the opt-out of a view that reaches such events; empty where none does.
    """

    __slots__ = ("_answers", "_matchers", "_opted_out", "_place", "since_us", "until_us")

    def __init__(
        self,
        span_us: tuple[int, int],
        place: str,
        matchers: list[Matcher],
        opted_out: Callable[[ConsentView], str],
    ) -> None:
        self.since_us, self.until_us = span_us
        self._place = place
        self._matchers = matchers
        self._opted_out = opted_out
        self._answers: dict[Any, tuple[EventVerdict, tuple[Carrier, ...] | None]] = {}

    def answer(self, view: ConsentView) -> Answer | None:
        """The answer to a subject of whom the rules see what they saw of another; None where they see something new."""
        carried = [matcher.carried_by(view) for matcher in self._matchers] if view.own else []
        opt_out = self._opted_out(view) if view.opt_outs else ""
        known = self._answers.get(self._words(view, carried, opt_out))
        if known is None:
            return None
        verdict, carriers = known
        if carriers is None:
            return Answer(verdict, None, self.since_us, self.until_us)
        own = [record for _, record in carried] or [""] * len(carriers)
        records = tuple(
            [_record(carrier, record, view.deemed, opt_out) for carrier, record in zip(carriers, own, strict=True)]
        )
        return Answer(verdict, records, self.since_us, self.until_us)

    def learn(self, view: ConsentView, verdict: EventVerdict) -> Answer:
        """Remember what was decided, and answer it."""
        if len(self._answers) >= ANSWERS_MAX:
            self._answers.clear()
        carried = [matcher.carried_by(view) for matcher in self._matchers] if view.own else []
        carriers = tuple(_carrier(each) for each in verdict.categories)
        words = self._words(view, carried, self._opted_out(view))
        self._answers[words] = (verdict, carriers if any(carriers) else None)
        records = tuple(each.consent for each in verdict.categories) if any(carriers) else None
        return Answer(verdict, records, self.since_us, self.until_us)

    def _words(self, view: ConsentView, carried: list[tuple[str, str]], opt_out: str) -> tuple[Any, ...]:
        """All that resolving sees of a subject."""
        return (
            view.account,
            view.terms,
            not view.deemed,
            not opt_out,
            _country(view, self._place) if self._place else "",
            *[reason for reason, _ in carried],
        )


class PackDecider:
    """Decides by one pack and one registry.

    Args:
        judge: of the pack.
        registry: the pack's own documents and the published ones, merged.
        label: what decisions say of the registry.
        span_us: the interval in which the pack decides.
    """

    def __init__(
        self, judge: Judge, registry: Registry, label: str, span_us: tuple[int, int] = (BEGINNING_US, END_US)
    ) -> None:
        pack = judge.pack
        self.judge = judge
        self.registry = registry
        self.label = label
        self._since_us, self._until_us = span_us
        self._vocabularies = pack.vocabularies
        self._resolver = Resolver(pack.vocabularies, registry, pack.services_named, pack.recipients_named)
        self._shapes: dict[Any, Shape] = {}
        self.resolved_count = 0
        """Events that were not answered from memory."""

    @property
    def shapes_count(self) -> int:
        """How many shapes are remembered."""
        return len(self._shapes)

    def answer(self, kind: Kind, event: Event, view: ConsentView, at_us: int) -> Answer:
        """The answer to an event that happened while the pack was in force."""
        shape = self.shape(kind, event, view, at_us)
        answer = shape.answer(view) or shape.learn(view, self._decide(kind, event, view))
        if event.data.retain_until is None:
            return answer
        return answer._replace(since_us=at_us, until_us=at_us + 1)  # how long data is kept is counted from the event

    def shape(self, kind: Kind, event: Event, view: ConsentView, at_us: int) -> Shape:
        """What is known of events like this one."""
        key = shape_key(event, self.registry, at_us)
        shape = self._shapes.get(key)
        if shape is None or not shape.since_us <= at_us < shape.until_us:
            shape = self._learn(key, kind, event, view, at_us)
        return shape

    def _decide(self, kind: Kind, event: Event, view: ConsentView) -> EventVerdict:
        """Resolve, reduce, judge."""
        self.resolved_count += 1
        found = [
            _category_verdict(each, self.judge.judge(each.situation))
            for each in self._resolver.resolve(kind, event, view)
        ]
        verdict = worst([each.judged.verdict for each in found])
        return EventVerdict(verdict, self.judge.pack.label, self.label, found, _severity(found))

    def _learn(self, key: Any, kind: Kind, event: Event, view: ConsentView, at_us: int) -> Shape:  # noqa: ANN401 - see `shape_key`
        """What is to be remembered of events like this one."""
        if len(self._shapes) >= SHAPES_MAX:
            self._shapes.clear()
        resolved = self._resolver.resolve(kind, event, view)
        since_us, until_us = self._resolver.span_us
        data = event.data
        matchers = [
            self._resolver.own.matcher(use_of(kind, data, each.situation.circumstances, each.category, at_us))
            for each in resolved
        ]
        shape = self._shapes[key] = Shape(
            (max(since_us, self._since_us), min(until_us, self._until_us)),
            place_of(kind, data) or "",
            matchers,
            partial(opted_out, purpose=data.purpose or NONE, vocabularies=self._vocabularies),
        )
        return shape


def _country(view: ConsentView, place: str) -> str:
    """What of the subject's country resolving looks at: whether it is known, and whether it is the place."""
    return "same" if view.country == place else "other" if view.country else "unknown"


class Effort(NamedTuple):
    """What deciding has cost, and what it remembers."""

    resolved: int
    """Events that were not answered from memory."""
    cold: int
    """Situations that Cedar was asked about."""
    situations: int
    """Situations remembered."""
    shapes: int
    """Shapes remembered."""


class Decider:
    """Decides events by the packs and registry documents that are known now.

    Args:
        judges: of all versions of the packs; the one in force at an event's time decides it.
        documents: registry documents over the packs' own; a later one replaces an earlier one id by id.

    Raises:
        RegistryError: the documents contradict themselves.
    """

    def __init__(self, judges: Iterable[Judge], documents: Iterable[RegistryDocument] = ()) -> None:
        published = list(documents)
        label = "+".join(f"{each.name}@{each.version}" for each in published)
        by_start = sorted(judges, key=lambda each: each.pack.effective_from)
        # latest first; of two packs that begin at the same instant the one given last holds: it mends the earlier
        self._timeline: list[tuple[int, PackDecider]] = []
        until_us = END_US
        for judge in by_start[::-1]:
            since_us = instant_us(judge.pack.effective_from)
            registry = registry_of([judge.pack.registry, *published])
            self._timeline.append((since_us, PackDecider(judge, registry, label, (since_us, until_us))))
            until_us = since_us

    @property
    def timeline(self) -> list[tuple[int, PackDecider]]:
        """From which instant each pack decides, in microseconds; latest first, the first that has begun decides."""
        return list(self._timeline)

    def effort(self) -> Effort:
        """What deciding has cost since these rules are in use, and what is remembered."""
        deciders = [decider for _, decider in self._timeline]
        return Effort(
            resolved=sum(each.resolved_count for each in deciders),
            cold=sum(each.judge.cold_count for each in deciders),
            situations=sum(each.judge.memo_size for each in deciders),
            shapes=sum(each.shapes_count for each in deciders),
        )

    def decide(self, kind: Kind, event: Event, view: ConsentView) -> EventVerdict:
        """The verdict on an event, given its subject's consent state at its time."""
        return self.answer(kind, event, view).named()

    def answer(self, kind: Kind, event: Event, view: ConsentView) -> Answer:
        """The same for whoever remembers answers: apart from the subject's records, and with how long it holds."""
        at_us = instant_us(event.time)
        decider = self._in_force(at_us)
        if decider is not None:
            return decider.answer(kind, event, view, at_us)
        named = dict.fromkeys(event.data.categories or ("personal",))
        unjudged = [CategoryVerdict(category, _NO_POLICY, None, "") for category in named]
        verdict = EventVerdict(Verdict.INDETERMINATE, "", "", unjudged, _severity(unjudged))
        return Answer(verdict, None, BEGINNING_US, min((since_us for since_us, _ in self._timeline), default=END_US))

    def shape(self, kind: Kind, event: Event, view: ConsentView) -> Shape | None:
        """What answers events of the same data; None where the answer depends on more than the subject's consents."""
        at_us = instant_us(event.time)
        decider = self._in_force(at_us)
        if decider is None or event.data.retain_until is not None:
            return None
        return decider.shape(kind, event, view, at_us)

    def _in_force(self, at_us: int) -> PackDecider | None:
        return next((decider for since_us, decider in self._timeline if since_us <= at_us), None)


def decider_of(packs: Iterable[Pack], documents: Iterable[RegistryDocument] = ()) -> Decider:
    """A decider for packs that nobody judges by yet."""
    return Decider([Judge(pack) for pack in packs], documents)


def _category_verdict(resolved: Resolved, judged: Judged) -> CategoryVerdict:
    bare = CategoryVerdict(resolved.category, judged, resolved.situation, "")
    record = _record(_carrier(bare), resolved.own_record, resolved.deemed_record, resolved.opt_out_record)
    return bare._replace(consent=record)


def carrier_of(verdict: str, reasons: Iterable[str], situation: Situation | None) -> Carrier:
    """Which consent record a verdict rests on: what permitted it, or what denied it."""
    if Reason.OPTED_OUT in reasons:
        return Carrier.OPT_OUT
    basis = situation.circumstances.basis if situation is not None else ""
    if verdict == Verdict.PERMIT:
        return _PERMITS.get(basis, Carrier.NONE)
    if verdict == Verdict.DENY and any(reason.startswith("consent_") for reason in reasons):
        return Carrier.OWN
    return Carrier.NONE


def _carrier(each: CategoryVerdict) -> Carrier:
    return carrier_of(each.judged.verdict, each.judged.reasons, each.situation)


def _record(carrier: Carrier, own: str, deemed: str, opt_out: str) -> str:
    if carrier is Carrier.DEEMED:
        return deemed
    if carrier is Carrier.OWN:
        return own
    return opt_out if carrier is Carrier.OPT_OUT else ""


def _severity(found: list[CategoryVerdict]) -> str:
    return max((each.judged.severity for each in found), key=SEVERITIES.index, default="")
