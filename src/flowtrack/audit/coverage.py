"""Which rules and clauses decided how often, which never, and what no rule speaks of."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping

from flowtrack.audit.answers import CompleteUpTo
from flowtrack.audit.groups import Judgement, SituationFlows
from flowtrack.audit.ledger import Ledger
from flowtrack.audit.questions import Changed, Period, Situations, Touched
from flowtrack.domain.model import Contract
from flowtrack.policy.judge import Judge, Matched
from flowtrack.policy.pack import Pack
from flowtrack.policy.rules import Rule
from flowtrack.policy.situation import from_attributes

SITUATIONS_MAX = 50
"""So many situations under no rule are named, those with the most flows; all are counted."""


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
    sample_subjects: list[str]
    """Pseudonyms."""


class CoverageReport(Contract):
    """Rules, clauses and situations of a period."""

    rules: list[RuleCoverage]
    clauses: list[ClauseCoverage]
    uncovered: list[Uncovered]
    uncovered_situations: int
    uncovered_flows: int
    unknown_packs: list[str]
    """Packs that judged and are not among the ledger's documents: of their rules nothing can be said."""
    unread: int
    """Flows whose situation has no definition in the ledger: rules that match them are not counted."""
    completeness: CompleteUpTo


def cover(ledger: Ledger, period: Period, packs: Mapping[str, Pack], *, samples_max: int = 3) -> CoverageReport:
    """Count for each rule and clause, and find what falls under none.

    Args:
        ledger: who has the flows.
        period: which flows.
        packs: those that may have judged, by label; each is listed whole, with what never decided.
        samples_max: how many events and subjects of a situation under no rule are named.

    Raises:
        StoreError: the ledger does not answer.
    """
    asked = ledger.situations_met(Situations(**dict(period)))
    flows: dict[tuple[str, str], list[SituationFlows]] = defaultdict(list)
    for each in asked.flows:
        if each.category:  # an event that names none is judged by no rule
            flows[each.pack, each.situation].append(each)
    known = {(each.pack, each.situation): each for each in asked.judgements}
    counts, unread = _counted(flows, known, packs)
    bare = [place for place in flows if place in known and _is_bare(known[place])]
    bare.sort(key=lambda place: (-_total(flows[place]), place))
    rules = [
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
    return CoverageReport(
        rules=rules,
        clauses=_clauses(packs, counts),
        uncovered=_uncovered(ledger, period, bare[:SITUATIONS_MAX], flows, known, samples_max),
        uncovered_situations=len(bare),
        uncovered_flows=sum(_total(flows[place]) for place in bare),
        unknown_packs=sorted({pack for pack, _ in flows} - set(packs) - {""}),
        unread=unread,
        completeness=asked.completeness,
    )


def _counted(
    flows: Mapping[tuple[str, str], list[SituationFlows]],
    known: Mapping[tuple[str, str], Judgement],
    packs: Mapping[str, Pack],
) -> tuple[Counter[tuple[str, str, str]], int]:
    """Flows by rule matched, rule that decided and clause cited; and those that cannot be looked into."""
    counts: Counter[tuple[str, str, str]] = Counter()
    judges = {label: Judge(pack) for label, pack in packs.items()}
    unread = 0
    for (label, number), group in flows.items():
        judgement, total = known.get((label, number)), _total(group)
        if judgement is None or not judgement.attributes:
            unread += total
        if judgement is None:
            continue
        for rule in judgement.rules:
            counts["decided", label, rule] += total
        for clause in judgement.clauses:
            counts["cited", label, clause] += total
        if judgement.attributes and label in judges:
            for matching in _rules_of(judges[label].matching(from_attributes(json.loads(judgement.attributes)))):
                counts["matched", label, matching.id] += total
    return counts, unread


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
    ledger: Ledger,
    period: Period,
    bare: list[tuple[str, str]],
    flows: Mapping[tuple[str, str], list[SituationFlows]],
    known: Mapping[tuple[str, str], Judgement],
    samples_max: int,
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
        samples_max=samples_max,
    )
    samples = {each.name: each for each in ledger.touched(question).changes}
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
            sample_subjects=samples[name].sample_subjects if name in samples else [],
        )
        for name, place in enumerate(bare)
    ]
