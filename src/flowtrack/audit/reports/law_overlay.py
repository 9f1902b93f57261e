"""Where the law asks for more than the policy: verdicts that rest on deemed consent, and shares without any.

The policy's own verdict stays what it is (CLAUSES, "Outcomes and precedence"); what laws say is reported beside it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import ClassVar

from pydantic import AwareDatetime

from flowtrack.audit.groups import SituationsAnswer, TouchedAnswer, TouchedBy
from flowtrack.audit.questions import Changed, Period, Touched
from flowtrack.audit.reports.frame import Desk, Report, used_whole
from flowtrack.audit.reports.grouping import distinct, grouped
from flowtrack.audit.reports.laws import OverlayRule, law_table
from flowtrack.audit.reports.situations import Group, groups_of
from flowtrack.audit.roles import Asker
from flowtrack.domain.model import Contract
from flowtrack.domain.names import Verdict
from flowtrack.policy.pack import Bilingual, Pack

SUBJECTS_MAX = 3
"""So many subjects of a finding are named."""
_NOBODY = TouchedBy(name=0, events=0, flows=0, subjects=0, sample_events=[], sample_subjects=[])
"""Whom a finding touches that has no flows."""


class Resting(Contract):
    """Flows that rest on what laws do not accept, of one service, kind and purpose."""

    rules: list[str]
    """Which find them."""
    service: str
    kind: str
    purpose: str
    categories: list[str]
    recipients: list[str]
    reasons: list[str]
    clauses: list[str]
    flows: int


class Finding(Contract):
    """What one law says of flows that the policy permits."""

    rule: str
    sources: list[str]
    says: Bilingual
    flows: int
    events: int | None
    """None where it was not counted; likewise subjects."""
    subjects: int | None
    sample_subjects: list[str]
    """Pseudonyms."""


class LawOverlay(Report):
    """Flows that the policy permits, and that GDPR, PIPA or PIPL would not on that ground alone."""

    name: ClassVar[str] = "law-overlay"
    sources: ClassVar[tuple[str, ...]] = ()

    since: AwareDatetime | None
    until: AwareDatetime | None
    known_at: AwareDatetime | None
    permitted: int
    """Flows of the period that the policy permits."""
    concerned: int
    """Of these, flows that some rule finds."""
    findings: list[Finding]
    resting: list[Resting]
    """The flows concerned, each once."""


def touched_by_law(
    met: SituationsAnswer,
    period: Period,
    packs: Sequence[Pack],
    asker: Asker,
    rules: Iterable[OverlayRule] | None = None,
) -> list[Touched]:
    """Give the questions that count whom the findings touch: one for each set of groups, since those overlap.

    They name a few of those, so that each is written down as the asker's.
    """
    questions = []
    for number, keys in enumerate(_sets(_found(met, packs, _rules(rules)))):
        situations = sorted({each.situation for each in met.flows if each.key in keys})
        change = Changed(name=number, situation_keys=sorted(keys))
        times, most = dict(period), SUBJECTS_MAX
        questions.append(Touched(**times, changes=[change], situations=situations, samples_max=most, asker=asker))
    return questions


def law_overlay(
    desk: Desk,
    met: SituationsAnswer,
    touched: Sequence[TouchedAnswer],
    period: Period,
    rules: Iterable[OverlayRule] | None = None,
) -> LawOverlay:
    """Build the report from the situations of a period.

    Args:
        desk: who makes it, and when.
        met: the situations of the period.
        touched: the answers to `touched_by_law`.
        period: which flows.
        rules: what laws say; those of `laws.yaml` unless others are given.
    """
    found = _found(met, list(desk.packs.values()), _rules(rules))
    counted = {each.name: each for answer in touched for each in answer.changes}
    sets = _sets(found)
    findings = []
    for rule, groups in found:
        keys = _keys(groups)
        whom = counted.get(sets.index(keys)) if keys else _NOBODY
        findings.append(_finding(rule, groups, whom))
    every = {id(each.flows): each for _, groups in found for each in groups}.values()
    used = [used_whole("situations", met.completeness)]
    used += [used_whole("touched", each.completeness) for each in touched]
    return LawOverlay(
        head=desk.head(
            LawOverlay,
            used,
            names={name for each in every for name in (each.flows.category, each.said("purpose"))},
            clauses={clause for each in every for clause in each.clauses},
            sources={source for rule, _ in found for source in rule.sources},
        ),
        **dict(period),
        permitted=sum(each.flows.flows for each in groups_of(met) if each.flows.verdict == Verdict.PERMIT),
        concerned=sum(each.flows.flows for each in every),
        findings=findings,
        resting=_resting(found),
    )


def _finding(rule: OverlayRule, groups: list[Group], whom: TouchedBy | None) -> Finding:
    return Finding(
        rule=rule.id,
        sources=rule.sources,
        says=rule.says,
        flows=sum(each.flows.flows for each in groups),
        events=None if whom is None else whom.events,
        subjects=None if whom is None else whom.subjects,
        sample_subjects=[] if whom is None else whom.sample_subjects,
    )


def _keys(groups: Iterable[Group]) -> frozenset[int]:
    return frozenset(each.flows.key for each in groups)


def _sets(found: Iterable[tuple[OverlayRule, list[Group]]]) -> list[frozenset[int]]:
    """The sets of groups that rules find, each once: several laws often say the same of the same flows."""
    return list(dict.fromkeys(keys for _, groups in found if (keys := _keys(groups))))


def _rules(rules: Iterable[OverlayRule] | None) -> list[OverlayRule]:
    return law_table().overlay if rules is None else list(rules)


def _found(
    met: SituationsAnswer, packs: Sequence[Pack], rules: Sequence[OverlayRule]
) -> list[tuple[OverlayRule, list[Group]]]:
    by_label = {pack.label: pack for pack in packs}
    permitted = [each for each in groups_of(met) if each.flows.verdict == Verdict.PERMIT]
    return [(rule, [each for each in permitted if _speaks_of(rule, each, by_label)]) for rule in rules]


def _speaks_of(rule: OverlayRule, group: Group, packs: dict[str, Pack]) -> bool:
    if not set(rule.reasons) & set(group.reasons):
        return False
    pack = packs.get(group.flows.pack)
    purpose, category = group.said("purpose"), group.flows.category
    of_purpose = not rule.purposes or any(_lies_under(purpose, each, pack, "purpose") for each in rule.purposes)
    of_category = not rule.categories or any(_lies_under(category, each, pack, "category") for each in rule.categories)
    return of_purpose and of_category


def _lies_under(name: str, above: str, pack: Pack | None, vocabulary: str) -> bool:
    if pack is None:
        return name == above
    words = pack.vocabularies.purpose if vocabulary == "purpose" else pack.vocabularies.category
    return words.is_a(name, above)


def _resting(found: list[tuple[OverlayRule, list[Group]]]) -> list[Resting]:
    rules: dict[tuple[int, str], list[str]] = defaultdict(list)
    every: dict[tuple[int, str], Group] = {}
    for rule, groups in found:
        for group in groups:
            rules[_place(group)].append(rule.id)
            every[_place(group)] = group
    alike = grouped(
        every.values(),
        lambda each: (tuple(rules[_place(each)]), each.flows.service, each.said("kind"), each.said("purpose")),
    )
    rows = [
        Resting(
            rules=list(of),
            service=service,
            kind=kind,
            purpose=purpose,
            categories=distinct(each.flows.category for each in group),
            recipients=distinct(each.flows.recipient for each in group),
            reasons=distinct(reason for each in group for reason in each.reasons),
            clauses=distinct(clause for each in group for clause in each.clauses),
            flows=sum(each.flows.flows for each in group),
        )
        for (of, service, kind, purpose), group in alike.items()
    ]
    return sorted(rows, key=lambda row: (-row.flows, row.service, row.kind, row.purpose))


def _place(group: Group) -> tuple[int, str]:
    return group.flows.key, group.flows.category
