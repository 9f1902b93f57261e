"""Explain a verdict: the rules that matched, those that nearly did and what kept them out, and the clauses' words."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import cedarpy

from flowtrack.domain.model import Contract
from flowtrack.domain.names import Verdict
from flowtrack.policy.decide import CategoryVerdict
from flowtrack.policy.judge import Judge, request_of
from flowtrack.policy.rules import Rule, RuleSet
from flowtrack.policy.situation import Situation, attributes, from_attributes

_NEARLY = 1
"""A rule nearly matched when so many of its conditions, at most, did not hold."""


class ClauseText(Contract):
    """A clause in the policy's own words and in English."""

    id: str
    ko: str
    en: str


class MatchedRule(Contract):
    """A rule that decided."""

    id: str
    effect: str
    clauses: list[str]
    where: str
    """File and line in the pack."""


class NearMiss(Contract):
    """A rule that would have matched but for one condition."""

    id: str
    effect: str
    clauses: list[str]
    kept_out_by: list[str]
    """Attributes of the situation that the failing condition looks at, with their values."""


class CategoryExplanation(Contract):
    """Why one category of an event got its verdict."""

    category: str
    verdict: Verdict
    reasons: list[str]
    notes: list[str]
    gaps: list[str]
    consent: str
    rules: list[MatchedRule]
    nearly: list[NearMiss]
    clauses: list[ClauseText]
    situation: dict[str, str | bool | list[str]]


def explain(judge: Judge, each: CategoryVerdict) -> CategoryExplanation:
    """Why a category got its verdict; the judge must be of the pack that gave it."""
    judged = each.judged
    by_id = {rule.id: rule for rule in judge.pack.rules}
    table = judge.pack.clauses
    situation = each.situation
    return CategoryExplanation(
        category=each.category,
        verdict=judged.verdict,
        reasons=list(judged.reasons),
        notes=list(judged.notes),
        gaps=list(judged.gaps),
        consent=each.consent,
        rules=[
            MatchedRule(id=rule.id, effect=rule.effect, clauses=list(rule.clauses), where=rule.where)
            for rule in (by_id[rule_id] for rule_id in judged.rules if rule_id in by_id)
        ],
        nearly=[] if situation is None else list(_near_misses(judge, situation, set(judged.rules))),
        clauses=[ClauseText(id=id_, ko=table[id_].ko, en=table[id_].en) for id_ in judged.clauses if id_ in table],
        situation={} if situation is None else attributes(situation),
    )


def nearly(judge: Judge, said: Mapping[str, Any]) -> list[NearMiss]:
    """The rules that would have matched a situation but for one condition, and the attributes that kept them out.

    Args:
        judge: of the pack to look into.
        said: the situation's attributes, as the ledger keeps them with its definition.

    Raises:
        KeyError: an attribute is missing.
    """
    situation = from_attributes(said)
    return list(_near_misses(judge, situation, set(judge.judge(situation).rules)))


def _near_misses(judge: Judge, situation: Situation, matched: set[str]) -> Iterator[NearMiss]:
    """Rules that forbid or permit and whose scope admits the situation, but for one condition."""
    values = attributes(situation)
    for rule in judge.slice_of(situation.circumstances.kind, situation.category):
        if rule.id in matched or rule.set is not RuleSet.ENFORCED:
            continue
        if not _holds(judge, situation, principal=rule.est["principal"]):
            continue
        failing = [each for each in _conditions(rule) if not _holds(judge, situation, each)]
        if 0 < len(failing) <= _NEARLY:
            names = sorted({name for each in failing for name in _attributes_in(each["body"])})
            yield NearMiss(
                id=rule.id,
                effect=rule.effect,
                clauses=list(rule.clauses),
                kept_out_by=[f"{name} = {_shown(values.get(name, ''))}" for name in names],
            )


def _shown(value: object) -> str:
    return json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else value


def _conditions(rule: Rule) -> Iterator[Mapping[str, Any]]:
    """The rule's conditions, conjunctions taken apart; each must hold for the rule to match."""
    for condition in rule.est["conditions"]:
        if condition["kind"] == "when":
            for body in _conjuncts(condition["body"]):
                yield {"kind": "when", "body": body}
        else:
            yield condition


def _conjuncts(body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    both = body.get("&&")
    if both is None:
        yield body
    else:
        yield from _conjuncts(both["left"])
        yield from _conjuncts(both["right"])


_EVERYTHING: Mapping[str, Any] = {"op": "All"}


def _holds(
    judge: Judge, situation: Situation, *conditions: Mapping[str, Any], principal: Mapping[str, Any] = _EVERYTHING
) -> bool:
    """Ask Cedar whether conditions hold, or a rule is for the service at all: no second evaluator."""
    policy = {
        "effect": "permit",
        "principal": principal,
        "action": _EVERYTHING,
        "resource": _EVERYTHING,
        "conditions": conditions,
    }
    policies = cedarpy.PolicySet.from_json_str(
        json.dumps({"staticPolicies": {"condition": policy}, "templates": {}, "templateLinks": []})
    )
    return cedarpy.is_authorized(request_of(situation), policies, judge.entities_of(situation)).allowed


def _attributes_in(node: Any) -> Iterator[str]:  # noqa: ANN401 - a tree of Cedar's JSON
    if isinstance(node, Mapping):
        access = node.get(".")
        if isinstance(access, Mapping) and access.get("left") == {"Var": "context"}:
            yield access["attr"]
        if node.get("Var") in {"resource", "principal"}:
            yield "category" if node["Var"] == "resource" else "service"
        for child in node.values():
            yield from _attributes_in(child)
    elif isinstance(node, list):
        for child in node:
            yield from _attributes_in(child)
