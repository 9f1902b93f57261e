"""Judge a situation: step three of deciding (DESIGN 3).

The outcomes come from Cedar's own answers, asked in the order of the policy's precedence (CLAUSES, "Outcomes and
precedence"): scope, prohibitions, gaps, permissions, deny by default.  Each set of rules is a policy set of its own,
because Cedar's one answer for all of them would drop a forbid that errs.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
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


class Judge:
    """Judges situations by one pack and remembers: a warm situation costs one dictionary look-up."""

    def __init__(self, pack: Pack) -> None:
        self.pack = pack
        self._by_id = {rule.id: rule for rule in pack.rules}
        self._slices: dict[tuple[RuleSet, str, str], cedarpy.PolicySet | None] = {}
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
        scope, scope_errors = self.matching(RuleSet.SCOPE, situation)
        if scope:
            return self._answer(situation, Verdict.NOT_APPLICABLE, scope)
        if situation.circumstances.kind in _NOT_JUDGED:
            return self._answer(situation, Verdict.NOT_APPLICABLE, [], reasons=[Reason.KIND_NOT_JUDGED])
        decisive, errors = self.matching(RuleSet.ENFORCED, situation)
        missing, gap_errors = self.matching(RuleSet.GAPS, situation)
        gaps = [*situation.gaps, *(gap for rule in missing for gap in rule.gaps)]
        if errors or scope_errors or gap_errors:
            gaps.append(Gap.RULE_ERROR)
        if decisive and decisive[0].effect == "forbid":
            return self._answer(situation, Verdict.DENY, decisive, gaps=gaps)
        if gaps:
            return self._answer(situation, Verdict.INDETERMINATE, missing, gaps=gaps)
        if decisive:
            grounds, _ = self.matching(RuleSet.GROUNDS, situation)
            return self._answer(situation, Verdict.PERMIT, decisive, grounds=grounds)
        denials, _ = self.matching(RuleSet.DENIALS, situation)
        return self._answer(situation, Verdict.DENY, denials)

    def _answer(
        self,
        situation: Situation,
        verdict: Verdict,
        decisive: list[Rule],
        *,
        gaps: Iterable[str] = (),
        grounds: Iterable[Rule] = (),
        reasons: Iterable[str] = (),
    ) -> Judged:
        notes = self._notes(situation) if verdict is not Verdict.NOT_APPLICABLE else []
        said = [*reasons, *(_filled(reason, situation) for rule in decisive for reason in rule.reasons)]
        if verdict is Verdict.DENY and not said:
            said = [Reason.NO_RULE_PERMITS]
        cited = [*decisive, *grounds]
        severities = [_SEVERITY_BY_DEFAULT.get(verdict, ""), *(rule.severity for rule in (*decisive, *notes))]
        said_notes = [note for rule in notes for note in rule.notes]
        if verdict is not Verdict.NOT_APPLICABLE and self._shadow_denies(situation):
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
        )

    def _notes(self, situation: Situation) -> list[Rule]:
        return self.matching(RuleSet.NOTES, situation)[0]

    def _shadow_denies(self, situation: Situation) -> bool:
        shadow, _ = self.matching(RuleSet.SHADOW, situation)
        return bool(shadow) and shadow[0].effect == "forbid"

    def matching(self, rule_set: RuleSet, situation: Situation) -> tuple[list[Rule], list[str]]:
        """The rules of a set that determine Cedar's answer, and its errors.

        A forbid outweighs every permit, as Cedar has it; the rules come in the order of the pack.
        """
        policies = self._slice(rule_set, situation.circumstances.kind, situation.category)
        if policies is None:
            return [], []
        result = cedarpy.is_authorized(request_of(situation), policies, self.entities_of(situation))
        determining = set(result.diagnostics.reasons)
        return [rule for rule in self.pack.rules if rule.id in determining], result.diagnostics.errors

    def _slice(self, rule_set: RuleSet, kind: str, category: str) -> cedarpy.PolicySet | None:
        """Only the rules whose scope can match: what a cold situation costs does not grow with the pack."""
        key = (rule_set, kind, category)
        if key not in self._slices:
            rules = self.slice_of(rule_set, kind, category)
            self._slices[key] = policy_set(rules) if rules else None
        return self._slices[key]

    def slice_of(self, rule_set: RuleSet, kind: str, category: str) -> list[Rule]:
        """The rules of a set whose scope admits the kind and the category."""
        categories = self.pack.vocabularies.category
        return [rule for rule in self.pack.rules if rule.set is rule_set and rule.can_match(kind, category, categories)]

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
