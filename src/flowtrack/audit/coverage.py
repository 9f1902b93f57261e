"""Which rules and clauses decided how often, which never, and what no rule speaks of."""

from __future__ import annotations

import json
import threading
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Iterable, Mapping
from datetime import timedelta
from functools import lru_cache
from hashlib import blake2b
from typing import ClassVar, Final, Protocol

from pydantic import ValidationError

from flowtrack.audit.family import About, Answer, Question
from flowtrack.audit.groups import Judgement, SituationFlows, SituationsAnswer, TouchedAnswer
from flowtrack.audit.questions import Changed, Period, Situations, Touched
from flowtrack.domain.model import Contract
from flowtrack.errors import FlowtrackError
from flowtrack.policy.judge import Judge, Matched
from flowtrack.policy.pack import Pack, default_pack, load_pack
from flowtrack.policy.rules import Rule
from flowtrack.policy.situation import Situation, from_attributes
from flowtrack.policy.source import PackDocument

SITUATIONS_MAX: Final = 50
"""So many situations under no rule are named, those with the most flows; all are counted."""
_EVENTS_MAX: Final = 3
"""So many events of each are named."""
_READ: Final = 32
"""Packs that are kept as they were read: it takes a while."""
_DIGEST_BYTES: Final = 16
_MATCHED_MAX: Final = 100_000
"""Situations whose matching rules are kept, of all packs together: matching one takes 0.2 ms, and they recur."""


class RuleCoverage(Contract):
    """One rule of a pack."""

    pack: str
    rule: str
    set: str
    """What it is for (`policy.rules.RuleSet`); those on trial are `shadow`."""
    clauses: list[str]
    matched: int
    """Flows that it matches, whether it decided or not."""
    decided: int
    """Flows whose verdict names it; rules that are on trial or only add something decide nothing."""


class ClauseCoverage(Contract):
    """One clause of a pack."""

    pack: str
    clause: str
    status: str
    """`enforced` or `informative`."""
    rules: int
    cited: int
    """Flows whose verdict cites it."""


class Uncovered(Contract):
    """A situation that was denied or left open although no rule says so."""

    pack: str
    situation: str
    verdict: str
    reasons: list[str]
    gaps: list[str]
    flows: int
    services: list[str]
    categories: list[str]
    sample_events: list[str]


class CoverageAnswer(Answer):
    """Clauses, rules and situations of a period."""

    rows: list[ClauseCoverage]
    rules: list[RuleCoverage]
    uncovered: list[Uncovered]
    """Those with the most flows."""
    uncovered_situations: int
    """All of them."""
    uncovered_flows: int
    unknown_packs: list[str]
    """Packs that judged and are not among the ledger's documents, or cannot be read: of their rules nothing is said."""
    unread: int
    """Flows whose situation has no definition that can be read: rules that match them are not counted."""


class Coverage(Question[CoverageAnswer]):
    """Which clauses and rules decided how often, which never, and which situations fall under no rule?"""

    family: ClassVar[str] = "coverage"
    answer: ClassVar[type[Answer]] = CoverageAnswer


class Groups(Protocol):
    """Who gives flows in groups: a ledger, or the part of it that answers this question."""

    def situations_met(self, question: Situations) -> SituationsAnswer:
        """Give the situations of a period, and how often each was met where."""
        ...

    def touched(self, question: Touched) -> TouchedAnswer:
        """Count whom and what some of these groups touch."""
        ...


def packs_among(bodies: Iterable[str]) -> dict[str, Pack]:
    """Give the packs of documents that can be read, by label; where there is no document, the one Flowtrack brings."""
    bodies = list(bodies)
    read = [pack for pack in map(_pack, bodies) if pack is not None]
    return {pack.label: pack for pack in (read if bodies else [default_pack()])}


@lru_cache(maxsize=_READ)
def _pack(body: str) -> Pack | None:
    try:
        return load_pack(PackDocument.model_validate_json(body).files)
    except (FlowtrackError, ValidationError):
        return None  # checkers have refused it; were rows judged by it all the same, the answer names it as unknown


def cover(groups: Groups, question: Coverage, about: About, packs: Mapping[str, Pack]) -> CoverageAnswer:
    """Count for each rule and clause, and find what falls under none.

    Args:
        groups: who has the flows.
        question: with its times pinned.
        about: of the answer.
        packs: those that may have judged, by label; each is listed whole, with what never decided.

    Raises:
        StoreError: the ledger does not answer.
    """
    period = _period_of(question)
    asked = groups.situations_met(Situations(**dict(period)))
    flows: dict[tuple[str, str], list[SituationFlows]] = defaultdict(list)
    for each in asked.flows:
        if each.category:  # an event that names none is judged by no rule
            flows[each.pack, each.situation].append(each)
    known = {(each.pack, each.situation): each for each in asked.judgements}
    counts, unread = _counted(flows, known, packs)
    bare = [place for place in flows if place in known and _is_bare(known[place])]
    bare.sort(key=lambda place: (-_total(flows[place]), place))
    judged = sorted({pack for pack, _ in flows} - {""})
    return CoverageAnswer(
        about=about.judged_by(judged, []),
        rows=_clauses(packs, counts),
        rules=_rules(packs, counts),
        uncovered=_uncovered(groups, period, bare[:SITUATIONS_MAX], flows, known),
        uncovered_situations=len(bare),
        uncovered_flows=sum(_total(flows[place]) for place in bare),
        unknown_packs=[pack for pack in judged if pack not in packs],
        unread=unread,
    )


def _period_of(question: Coverage) -> Period:
    """Its times as a period: as of an instant holds to the instant itself."""
    ends = [] if question.until is None else [question.until]
    if question.as_of is not None:
        ends.append(question.as_of + timedelta(microseconds=1))
    return Period(since=question.since, until=min(ends, default=None), known_at=question.known_at)


def _counted(
    flows: Mapping[tuple[str, str], list[SituationFlows]],
    known: Mapping[tuple[str, str], Judgement],
    packs: Mapping[str, Pack],
) -> tuple[Counter[tuple[str, str, str]], int]:
    """Flows by rule matched, rule that decided and clause cited; and those that cannot be looked into."""
    counts: Counter[tuple[str, str, str]] = Counter()
    matching = {label: _Matching(pack) for label, pack in packs.items()}
    unread = 0
    for (label, number), group in flows.items():
        judgement, total = known.get((label, number)), _total(group)
        situation = None if judgement is None else _situation(judgement)
        if situation is None:
            unread += total
        if judgement is None:
            continue
        for rule in judgement.rules:
            counts["decided", label, rule] += total
        for clause in judgement.clauses:
            counts["cited", label, clause] += total
        if situation is not None and label in matching:
            for rule in matching[label].rules(judgement.attributes, situation):
                counts["matched", label, rule] += total
    return counts, unread


def _situation(judgement: Judgement) -> Situation | None:
    """What was judged; None where its definition has not come, or lacks what situations have today."""
    try:
        return from_attributes(json.loads(judgement.attributes)) if judgement.attributes else None
    except KeyError:
        return None  # counted among those that cannot be looked into


class _Matching:
    """Which rules of a pack match situations; of one that was asked about before, it is known."""

    _known: ClassVar[OrderedDict[tuple[int, bytes], tuple[Pack, tuple[str, ...]]]] = OrderedDict()
    """By pack, which stays while it stands here, and by a digest of the situation."""
    _lock: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, pack: Pack) -> None:
        self._pack = pack
        self._judge = Judge(pack)

    def rules(self, attributes: str, situation: Situation) -> tuple[str, ...]:
        """Ids of the rules that match a situation, of which both arguments say the same."""
        key = id(self._pack), blake2b(attributes.encode(), digest_size=_DIGEST_BYTES).digest()
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
                return self._known[key][1]
        found = tuple(rule.id for rule in _rules_of(self._judge.matching(situation)))
        with self._lock:
            self._known[key] = self._pack, found
            while len(self._known) > _MATCHED_MAX:
                self._known.popitem(last=False)
        return found


def _rules_of(matched: Matched) -> list[Rule]:
    lists = (
        matched.scope,
        matched.forbids,
        matched.permits,
        matched.shadow,
        matched.gaps,
        matched.grounds,
        matched.denials,
        matched.notes,
    )
    return [rule for each in lists for rule in each]


def _rules(packs: Mapping[str, Pack], counts: Counter[tuple[str, str, str]]) -> list[RuleCoverage]:
    return [
        RuleCoverage(
            pack=label,
            rule=rule.id,
            set=rule.set.value,
            clauses=list(rule.clauses),
            matched=counts["matched", label, rule.id],
            decided=counts["decided", label, rule.id],
        )
        for label, pack in sorted(packs.items())
        for rule in pack.rules
    ]


def _clauses(packs: Mapping[str, Pack], counts: Counter[tuple[str, str, str]]) -> list[ClauseCoverage]:
    return [
        ClauseCoverage(
            pack=label,
            clause=clause_id,
            status=clause.status,
            rules=sum(clause_id in rule.clauses for rule in pack.rules),
            cited=counts["cited", label, clause_id],
        )
        for label, pack in sorted(packs.items())
        for clause_id, clause in pack.clauses.items()
    ]


def _is_bare(judgement: Judgement) -> bool:
    return not judgement.rules and judgement.verdict in {"deny", "indeterminate"}


def _total(group: list[SituationFlows]) -> int:
    return sum(each.flows for each in group)


def _uncovered(
    groups: Groups,
    period: Period,
    bare: list[tuple[str, str]],
    flows: Mapping[tuple[str, str], list[SituationFlows]],
    known: Mapping[tuple[str, str], Judgement],
) -> list[Uncovered]:
    if not bare:
        return []
    question = Touched(
        **dict(period),
        changes=[
            Changed(name=name, situation_keys=sorted({each.key for each in flows[place]}))
            for name, place in enumerate(bare)
        ],
        situations=sorted({number for _, number in bare}),
        samples_max=_EVENTS_MAX,
    )
    samples = {each.name: each for each in groups.touched(question).changes}
    return [
        Uncovered(
            pack=place[0],
            situation=place[1],
            verdict=known[place].verdict,
            reasons=known[place].reasons,
            gaps=known[place].gaps,
            flows=_total(flows[place]),
            services=sorted({each.service for each in flows[place]}),
            categories=sorted({each.category for each in flows[place]}),
            sample_events=samples[name].sample_events if name in samples else [],
        )
        for name, place in enumerate(bare)
    ]
