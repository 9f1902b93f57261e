"""Explain: the rules that matched, those that nearly did, the clauses' words, the consent record."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import product
from random import Random
from typing import Any, Final

import cedarpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowtrack.domain.consent import ConsentData
from flowtrack.domain.event import TYPES
from flowtrack.domain.history import Entry, as_of, entry_of
from flowtrack.domain.instants import instant_us
from flowtrack.domain.names import Kind, Verdict
from flowtrack.policy.cases import decide_case, read_cases
from flowtrack.policy.decide import Decider
from flowtrack.policy.explain import CategoryExplanation, explain
from flowtrack.policy.explain import nearly as near_misses
from flowtrack.policy.judge import Judge, request_of
from flowtrack.policy.pack import default_pack
from flowtrack.policy.rules import Rule
from flowtrack.policy.situation import attributes, from_attributes
from tests.policy.small_pack import NOW, event, shop, small_pack

DEFAULT = Judge(default_pack())
_PARTS: Final = ("effect", "principal", "action", "resource", "conditions")


def explained(
    judge: Judge, kind: Kind = Kind.USE, *, consent: dict[str, Any] | None = None, **data: Any
) -> CategoryExplanation:
    """Why the first category of an event got its verdict."""
    history: tuple[Entry, ...] = ()
    if consent is not None:
        history = (entry_of("c", instant_us(NOW) - 1, ConsentData.model_validate({"record": "own-1", **consent})),)
    registry = shop(parties={"paycorp": {"type": "affiliate", "country": "KR", "needs": {"service": ["personal"]}}})
    found = event(kind, **data)
    verdict = Decider([judge], [registry]).decide(TYPES[found.type], found, as_of(history, instant_us(NOW)))
    return explain(judge, verdict.categories[0])


def test_the_rule_that_decided_is_named_with_its_place() -> None:
    """Rule, effect, clauses, file and line, and the clauses' words in both languages."""
    found = explained(Judge(small_pack()))
    assert [(rule.id, rule.effect, rule.clauses, rule.where) for rule in found.rules] == [
        ("use-service", "permit", ["1"], "policy/rules.cedar:1")
    ]
    assert [(clause.id, clause.ko, clause.en) for clause in found.clauses] == [("1", "하나", "One")]
    assert found.verdict is Verdict.PERMIT


def test_the_consent_record_is_named() -> None:
    """What carried a permission, or ended it, is the subject's record."""
    data: dict[str, Any] = {"categories": ["provided.name"], "purpose": "service.provide", "basis": "consent"}
    given, withdrawn = (
        explained(DEFAULT, consent={"kind": "consent", "state": state}, **data) for state in ("given", "withdrawn")
    )
    assert (given.verdict, given.consent) == (Verdict.PERMIT, "own-1")
    assert (withdrawn.verdict, withdrawn.consent, withdrawn.reasons) == (Verdict.DENY, "own-1", ["consent_withdrawn"])


def test_a_near_miss_names_what_kept_it_out() -> None:
    """A rule that would have permitted but for one condition is told with the attribute and its value."""
    share: dict[str, Any] = {
        "categories": ["provided.name"],
        "purpose": "service.provide",
        "recipient": "paycorp",
        "destination": "KR",
        "channel": {"encrypted": True},
    }
    found = explained(DEFAULT, Kind.SHARE, **share, basis="processor")
    nearly = {near.id: near for near in found.nearly}
    assert found.verdict is Verdict.DENY
    assert near_misses(DEFAULT, found.situation) == found.nearly
    assert nearly["share-affiliate"].kept_out_by == ["basis = processor"]
    assert nearly["share-affiliate"].effect == "permit"
    assert nearly["share-affiliate"].clauses == ["4.3"]
    assert "share-affiliate" not in {
        near.id for near in explained(DEFAULT, Kind.SHARE, **share, basis="affiliate").nearly
    }


def test_a_rule_that_is_far_from_matching_is_not_told() -> None:
    """Rules of other kinds, or with several conditions that fail, would only be noise."""
    pack = small_pack(
        more_rules="""
@id("two-off") @clause("1") permit (principal, action == Action::"use", resource)
when { context.basis == "law" && context.reference == "statute" };
@id("one-off") @clause("1") forbid (principal, action == Action::"use", resource)
when { context.basis == "deemed_consent" } when { context.account == "closed" };
@id("unless-off") @clause("1") forbid (principal, action == Action::"use", resource)
unless { context.purpose in Purpose::"service" };
@id("share-off") @clause("1") permit (principal, action == Action::"share", resource) when { context.deemed };
"""
    )
    nearly = {near.id: near.kept_out_by for near in explained(Judge(pack)).nearly}
    assert nearly == {
        "one-off": ["account = none"],
        "unless-off": ["purpose = service"],
        "no-outside": ["purpose = service"],
    }


def test_a_rule_for_another_service_is_no_near_miss() -> None:
    """The rule's own scope must admit the event: nothing that the service could change would make it match."""
    rule = (
        '@id("other") @clause("1") forbid (principal == Service::"wallet", action, resource) when { context.deemed };'
    )
    assert "other" not in {near.id for near in explained(Judge(small_pack(more_rules=rule))).nearly}


def literals(node: object) -> Iterator[object]:
    """The values that a rule's conditions compare with."""
    if isinstance(node, dict):
        value = node.get("Value")
        yield from [] if value is None else [value["__entity"]["id"] if isinstance(value, dict) else value]
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from literals(child)


@settings(max_examples=12, deadline=None)
@given(st.sampled_from(sorted(DEFAULT.pack.cases)), st.randoms(use_true_random=False))
def test_with_the_named_attributes_otherwise_the_rule_matches(path: str, random: Random) -> None:
    """For each near miss of a case there are values of the attributes that it names by which the rule decides."""
    cases = [case for _, case in read_cases(path, DEFAULT.pack.cases[path])]
    for each in decide_case(DEFAULT, random.choice(cases)).categories if cases else []:
        said = {} if each.situation is None else attributes(each.situation)
        for near in near_misses(DEFAULT, said) if said else []:
            names = [kept.partition(" = ")[0] for kept in near.kept_out_by]
            compared = {*literals(rule_of(near.id).est["conditions"]), True, False, "none"}
            others = [[other for other in compared if type(other) is type(said[name])] for name in names]
            assert any(
                matches(near.id, {**said, **dict(zip(names, values, strict=True))}) for values in product(*others)
            ), (near, said)


def rule_of(name: str) -> Rule:
    """A rule of the default pack."""
    return next(rule for rule in DEFAULT.pack.rules if rule.id == name)


def matches(name: str, said: dict[str, Any]) -> bool:
    """Ask the evaluator of verdicts whether a rule alone matches a situation."""
    situation = from_attributes(said)
    policy = {name: {part: rule_of(name).est[part] for part in _PARTS} | {"effect": "permit"}}
    rules = cedarpy.PolicySet.from_json_str(
        json.dumps({"staticPolicies": policy, "templates": {}, "templateLinks": []})
    )
    return cedarpy.is_authorized(request_of(situation), rules, DEFAULT.entities_of(situation)).allowed


def test_the_situation_is_told() -> None:
    """Everything that a rule could look at stands beside the verdict."""
    found = explained(Judge(small_pack()), purpose="outside")
    assert found.situation["purpose"] == "outside"
    assert found.situation["category"] == "name"
    assert found.reasons == ["outside_purpose"]


def test_without_a_policy_there_is_only_the_gap() -> None:
    """What was not judged has no situation, no rules and no clauses."""
    pack = small_pack()
    early = event(at=pack.effective_from.replace(year=2019))
    judge = Judge(pack)
    found = explain(judge, Decider([judge]).decide(Kind.USE, early, as_of((), 0)).categories[0])
    assert (found.verdict, found.gaps, found.situation, found.nearly) == (
        Verdict.INDETERMINATE,
        ["no_policy_in_force"],
        {},
        [],
    )


@pytest.mark.parametrize("path", ["cases/clause-4.1.yaml", "cases/clause-6.2.yaml", "cases/gaps.yaml"])
def test_every_case_can_be_explained(path: str) -> None:
    """Each verdict of a case comes with rules or a default, clause texts in Korean and English, and its reasons."""
    cases = read_cases(path, DEFAULT.pack.cases[path])
    assert cases
    for _, case in cases:
        for each in decide_case(DEFAULT, case).categories:
            found = explain(DEFAULT, each)
            assert [clause.id for clause in found.clauses] == list(each.judged.clauses)
            assert all(clause.ko and clause.en for clause in found.clauses)
            assert {rule.id for rule in found.rules} == set(each.judged.rules)
            assert not {near.id for near in found.nearly} & set(each.judged.rules)
