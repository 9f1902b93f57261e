"""Judge a situation: step three of deciding (DESIGN 3).

Cedar says which rules match and which err, and the outcome follows from that in the order of the policy's precedence
(CLAUSES, "Outcomes and precedence"): scope, prohibitions, gaps, permissions, deny by default.  Asked as they stand,
one forbid would hide every permit, and a forbid that errs would be left out of the answer.  So all rules of a slice
are put to Cedar as permits: its answer then names every one that matches (docs/decisions/one-evaluation.md).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import cedarpy

from flowtrack.domain.decision import SEVERITIES
from flowtrack.domain.names import Gap, Note, Reason, Verdict
from flowtrack.domain.vocabulary import Vocabulary
from flowtrack.policy.pack import Pack
from flowtrack.policy.rules import Rule, RuleSet, policy_set
from flowtrack.policy.situation import UNKNOWN, Situation, situation_id

MEMO_MAX = 200_000
"""Situations remembered before the table is emptied: some 1 kB each; a sample day meets a few hundred."""

_DECIDING = frozenset({RuleSet.SCOPE, RuleSet.ENFORCED, RuleSet.GAPS})
_NOT_JUDGED = frozenset({"erase", "incident"})
_BASIS_REASON = {
    "consent": Reason.OWN_CONSENT.value,
    "law": Reason.BY_LAW.value,
}
_SEVERITY_BY_DEFAULT = {Verdict.DENY: "medium", Verdict.INDETERMINATE: "medium"}


class Judged(NamedTuple):
    """What a pack says of a situation."""

    situation_id: str
    verdict: Verdict
    rules: tuple[str, ...]
    clauses: tuple[str, ...]
    severity: str
    reasons: tuple[str, ...]
    notes: tuple[str, ...]
    gaps: tuple[str, ...]
    shadow: tuple[str, ...] = ()
    """Rules on trial that match: what they say decides nothing."""


@dataclass(slots=True)
class Matched:
    """The rules that match a situation, by what they are for."""

    scope: list[Rule] = field(default_factory=list)
    forbids: list[Rule] = field(default_factory=list)
    permits: list[Rule] = field(default_factory=list)
    shadow: list[Rule] = field(default_factory=list)
    gaps: list[Rule] = field(default_factory=list)
    grounds: list[Rule] = field(default_factory=list)
    denials: list[Rule] = field(default_factory=list)
    notes: list[Rule] = field(default_factory=list)
    erring: list[Rule] = field(default_factory=list)
    """Rules that could not be evaluated, of those that decide."""

    def of(self, rule: Rule) -> list[Rule]:
        """The list that a matching rule belongs to."""
        if rule.set is RuleSet.ENFORCED:
            return self.forbids if rule.effect == "forbid" else self.permits
        found: list[Rule] = getattr(self, rule.set.value)
        return found


class Judge:
    """Judges situations by one pack and remembers: a warm situation costs one dictionary look-up."""

    def __init__(self, pack: Pack) -> None:
        self.pack = pack
        self._slices: dict[tuple[str, str], tuple[list[Rule], cedarpy.PolicySet | None]] = {}
        self._policies: dict[tuple[str, ...], cedarpy.PolicySet | None] = {}
        self._memo: dict[Situation, Judged] = {}
        self._vocabulary_entities = cedarpy.Entities.from_json_str(json.dumps(_vocabulary_entities(pack)))
        self._entities: dict[tuple[str, str, str, str], cedarpy.Entities] = {}
        self.cold_count = 0
        """Situations that had to be judged by Cedar."""

    @property
    def memo_size(self) -> int:
        """How many situations are remembered."""
        return len(self._memo)

    def judge(self, situation: Situation) -> Judged:
        """The verdict on a situation, with the rules that decided, their clauses and reasons."""
        known = self._memo.get(situation)
        if known is not None:
            return known
        if len(self._memo) >= MEMO_MAX:
            self._memo.clear()
        self.cold_count += 1
        judged = self._judge(situation)
        self._memo[situation] = judged
        return judged

    def _judge(self, situation: Situation) -> Judged:
        matched = self.matching(situation)
        if matched.scope:
            return self._answer(situation, Verdict.NOT_APPLICABLE, matched.scope, matched)
        if situation.circumstances.kind in _NOT_JUDGED:
            return self._answer(situation, Verdict.NOT_APPLICABLE, [], matched, reasons=[Reason.KIND_NOT_JUDGED])
        gaps = [*situation.gaps, *(gap for rule in matched.gaps for gap in rule.gaps)]
        if matched.erring:
            gaps.append(Gap.RULE_ERROR)
        if matched.forbids:
            return self._answer(situation, Verdict.DENY, matched.forbids, matched, gaps=gaps)
        if gaps:
            return self._answer(situation, Verdict.INDETERMINATE, matched.gaps, matched, gaps=gaps)
        if matched.permits:
            return self._answer(situation, Verdict.PERMIT, matched.permits, matched, grounds=matched.grounds)
        return self._answer(situation, Verdict.DENY, matched.denials, matched)

    def _answer(
        self,
        situation: Situation,
        verdict: Verdict,
        decisive: list[Rule],
        matched: Matched,
        *,
        gaps: Iterable[str] = (),
        grounds: Iterable[Rule] = (),
        reasons: Iterable[str] = (),
    ) -> Judged:
        notes = matched.notes if verdict is not Verdict.NOT_APPLICABLE else []
        said = [*reasons, *(_filled(reason, situation) for rule in decisive for reason in rule.reasons)]
        if verdict is Verdict.DENY and not said:
            said = [Reason.NO_RULE_PERMITS]
        cited = [*decisive, *grounds]
        severities = [_SEVERITY_BY_DEFAULT.get(verdict, ""), *(rule.severity for rule in (*decisive, *notes))]
        said_notes = [note for rule in notes for note in rule.notes]
        if verdict is not Verdict.NOT_APPLICABLE and any(rule.effect == "forbid" for rule in matched.shadow):
            said_notes.append(Note.SHADOW_DENY)
        return Judged(
            situation_id=situation_id(situation),
            verdict=verdict,
            rules=tuple(rule.id for rule in decisive),
            clauses=_unique(clause for rule in cited for clause in rule.clauses),
            severity=max(severities, key=SEVERITIES.index),
            reasons=_unique(said),
            notes=_unique(said_notes),
            gaps=_unique(gaps),
            shadow=tuple(rule.id for rule in matched.shadow),
        )

    def matching(self, situation: Situation) -> Matched:
        """Which rules match a situation and which err, as Cedar says; in the order of the pack."""
        rules, policies = self._slice(situation.circumstances.kind, situation.category)
        matched = Matched()
        if policies is None:
            return matched
        result = cedarpy.is_authorized(request_of(situation), policies, self.entities_of(situation))
        found = set(result.diagnostics.reasons)
        for rule in rules:
            if rule.id in found:
                matched.of(rule).append(rule)
        if result.diagnostics.errors:
            said = "\n".join(result.diagnostics.errors)
            matched.erring.extend(rule for rule in rules if f"`{rule.id}`" in said and rule.set in _DECIDING)
            if not matched.erring and not any(f"`{rule.id}`" in said for rule in rules):
                # an error that names no rule of ours may be of any of them
                matched.erring.extend(rules[:1])
        return matched

    def _slice(self, kind: str, category: str) -> tuple[list[Rule], cedarpy.PolicySet | None]:
        """Only the rules whose scope can match: what a cold situation costs does not grow with the pack."""
        known = self._slices.get((kind, category))
        if known is None:
            categories = self.pack.vocabularies.category
            rules = [rule for rule in self.pack.rules if rule.can_match(kind, category, categories)]
            same = tuple(rule.id for rule in rules)
            if same not in self._policies:
                self._policies[same] = policy_set(rules) if rules else None
            known = self._slices[kind, category] = (rules, self._policies[same])
        return known

    def slice_of(self, kind: str, category: str) -> list[Rule]:
        """The rules whose scope admits the kind and the category."""
        return self._slice(kind, category)[0]

    def entities_of(self, situation: Situation) -> cedarpy.Entities:
        """Vocabularies as hierarchies, with the situation's service under its controller, recipient under its type."""
        shared = situation.circumstances
        key = (shared.service, shared.controller, shared.recipient, shared.recipient_type)
        known = self._entities.get(key)
        if known is None:
            added = [
                _entity("Service", shared.service, [("Controller", shared.controller)]),
                _entity("Recipient", shared.recipient, [("Recipient", shared.recipient_type)]),
            ]
            known = self._vocabulary_entities.with_added_json_str(json.dumps(added))
            self._entities[key] = known
        return known


def request_of(situation: Situation) -> dict[str, object]:
    """The situation as a Cedar request: principal service, action kind, resource category, context the rest."""
    shared = situation.circumstances
    context: dict[str, object] = shared._asdict()
    for name in ("kind", "service", "controller", "gaps"):
        del context[name]
    context["purpose"] = {"__entity": {"type": "Purpose", "id": shared.purpose}}
    context["processing"] = {"__entity": {"type": "Processing", "id": shared.processing}}
    context["recipient"] = {"__entity": {"type": "Recipient", "id": shared.recipient}}
    context["own_consent"] = situation.own_consent
    context["reference"] = situation.reference
    context["named_in_order"] = situation.named_in_order
    context["needs"] = situation.needs
    context["role_granted"] = situation.role_granted
    return {
        "principal": {"type": "Service", "id": shared.service},
        "action": {"type": "Action", "id": shared.kind},
        "resource": {"type": "Category", "id": situation.category},
        "context": context,
    }


def _filled(reason: str, situation: Situation) -> str:
    """`{own_consent}` and `{basis}` in a rule's reason stand for what the situation says."""
    if reason == "{own_consent}":
        return Reason.NO_OWN_CONSENT if situation.own_consent == Reason.OWN_CONSENT else situation.own_consent
    if reason == "{basis}":
        basis = situation.circumstances.basis
        return _BASIS_REASON.get(basis, basis)
    return reason


def _unique(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(value) for value in values))


def _vocabulary_entities(pack: Pack) -> list[dict[str, object]]:
    known = pack.vocabularies
    entities = [
        *_hierarchy("Category", known.category),
        *_hierarchy("Purpose", known.purpose),
        *_hierarchy("Processing", known.processing),
        *_hierarchy("Recipient", known.recipient),
    ]
    return [*entities, _entity("Category", UNKNOWN, [])]


def _hierarchy(type_name: str, vocabulary: Vocabulary) -> list[dict[str, object]]:
    return [
        _entity(type_name, term, [(type_name, parent) for parent in parents])
        for term, parents in vocabulary.parents.items()
    ]


def _entity(type_name: str, entity_id: str, parents: list[tuple[str, str]]) -> dict[str, object]:
    return {
        "uid": {"type": type_name, "id": entity_id},
        "attrs": {},
        "parents": [{"type": parent_type, "id": parent} for parent_type, parent in parents],
    }
