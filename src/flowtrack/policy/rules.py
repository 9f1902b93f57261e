"""Cedar rules of a pack: split into single policies with their lines, annotated, sliced by what they can match.

Cedar numbers policies by position and locates no syntax error in a file of many, so each policy is parsed by itself;
the sets that are evaluated carry the rules' own `@id`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import cedarpy

from flowtrack.domain.vocabulary import Vocabulary
from flowtrack.errors import PackError


class RuleSet(StrEnum):
    """What a rule is for; sets are evaluated separately (see `judge`)."""

    SCOPE = "scope"
    """Takes a category out of the policy's scope: `not_applicable`."""
    ENFORCED = "enforced"
    """Forbids or permits."""
    SHADOW = "shadow"
    """Judged and reported, never decides."""
    GAPS = "gaps"
    """Names what is missing for a verdict."""
    GROUNDS = "grounds"
    """Adds clauses to what is permitted."""
    DENIALS = "denials"
    """Adds clauses and reasons to what nothing permits."""
    NOTES = "notes"
    """Adds what an auditor should know."""


DEPTH_MAX = 100
"""How deep the brackets of a rule may be nested: some 800 overflow the stack of Cedar's parser, and end the process."""

_SET_OF_FILE = {
    "scope": RuleSet.SCOPE,
    "gaps": RuleSet.GAPS,
    "grounds": RuleSet.GROUNDS,
    "denials": RuleSet.DENIALS,
    "notes": RuleSet.NOTES,
}
_EFFECT_OF_SET = {
    RuleSet.SCOPE: "forbid",
    RuleSet.GAPS: "forbid",
    RuleSet.DENIALS: "forbid",
    RuleSet.GROUNDS: "permit",
    RuleSet.NOTES: "permit",
}


@dataclass(frozen=True, slots=True)
class Rule:
    """One Cedar policy of a pack, with its annotations."""

    id: str
    effect: str
    set: RuleSet
    clauses: tuple[str, ...]
    reasons: tuple[str, ...]
    """Reason codes; `{attribute}` stands for the situation's value of that attribute."""
    notes: tuple[str, ...]
    gaps: tuple[str, ...]
    severity: str
    where: str
    """File and line."""
    text: str
    est: Mapping[str, Any]
    """Cedar's JSON form (EST)."""

    def can_match(self, action: str, category: str, categories: Vocabulary) -> bool:
        """Whether the rule's scope admits the action and the category: what a slice is made of."""
        return _admits_action(self.est["action"], action) and _admits_category(
            self.est["resource"], categories.ancestors(category), category
        )


def _admits_action(constraint: Mapping[str, Any], action: str) -> bool:
    if constraint["op"] == "All":
        return True
    entities = constraint.get("entities") or [constraint["entity"]]
    return any(entity["id"] == action for entity in entities)


def _admits_category(constraint: Mapping[str, Any], ancestors: frozenset[str], category: str) -> bool:
    if constraint["op"] == "==":
        return bool(constraint["entity"]["id"] == category)
    if constraint["op"] == "in":
        return constraint["entity"]["id"] in ancestors
    return True


def split_policies(text: str) -> Iterator[tuple[int, str]]:
    """Each policy of a Cedar file with the line on which it begins.

    Strings and `//` comments may hold semicolons; what stands behind the last semicolon is a policy too (an
    unfinished one), so that it is not lost.
    """
    line, start, start_line = 1, 0, 1
    at, length = 0, len(text)
    in_string = in_comment = seen_code = False
    while at < length:
        char = text[at]
        if in_comment:
            in_comment = char != "\n"
        elif in_string:
            at += char == "\\"
            in_string = char != '"'
        elif text.startswith("//", at):
            in_comment = True
        elif char == ";":
            yield start_line, text[start : at + 1]
            start, seen_code = at + 1, False
        else:
            in_string = char == '"'
            if not seen_code and not char.isspace():
                seen_code, start_line = True, line
        line += char == "\n"
        at += 1
    if seen_code:
        yield start_line, text[start:]


def parse_rules(path: str, text: str) -> tuple[list[Rule], list[PackError]]:
    """The rules of one file, and what is wrong with those that are none.

    Args:
        path: the file's path inside its pack; its stem says which set the rules belong to.
        text: Cedar source.
    """
    rules: list[Rule] = []
    problems: list[PackError] = []
    for line, policy in split_policies(text):
        where = f"{path}:{line}"
        if _depth(policy) > DEPTH_MAX:
            problems.append(
                PackError(f"brackets are nested deeper than {DEPTH_MAX}", where=where, help="write several rules")
            )
            continue
        try:
            parsed = json.loads(cedarpy.policies_to_json_str(policy))
        except ValueError as error:
            problems.append(PackError(f"cedar cannot read this rule: {error}", where=where, help="mend its syntax"))
            continue
        except RecursionError:
            problems.append(PackError("this rule is too long to be read", where=where, help="write several rules"))
            continue
        if parsed["templates"] or len(parsed["staticPolicies"]) != 1:
            problems.append(
                PackError("this is no single rule", where=where, help="write one rule without `?principal` slots")
            )
            continue
        est = next(iter(parsed["staticPolicies"].values()))
        try:
            rules.append(_rule(path, where, policy, est))
        except PackError as error:
            problems.append(error)
    return rules, problems


def _depth(text: str) -> int:
    """How deep brackets are nested; those in strings and comments count too."""
    deepest = depth = 0
    for char in text:
        if char in "([{":
            depth += 1
            deepest = max(deepest, depth)
        elif char in ")]}":
            depth -= 1
    return deepest


def _rule(path: str, where: str, text: str, est: Mapping[str, Any]) -> Rule:
    annotations = est.get("annotations", {})
    mode = annotations.get("mode", "enforce")
    stem = path.rsplit("/", 1)[-1].removesuffix(".cedar")
    rule_set = _SET_OF_FILE.get(stem, RuleSet.SHADOW if mode == "shadow" else RuleSet.ENFORCED)
    if mode not in {"shadow", "enforce"}:
        raise PackError(f"`@mode` is `{mode}`", where=where, help='write @mode("shadow") or @mode("enforce")')
    if mode == "shadow" and rule_set is not RuleSet.SHADOW:
        raise PackError(
            f'`@mode("shadow")` says nothing in {stem}.cedar', where=where, help="try the rule in a file of its own"
        )
    if not annotations.get("id"):
        raise PackError("a rule has no `@id`", where=where, help='put @id("...") above it')
    wanted = _EFFECT_OF_SET.get(rule_set)
    if wanted is not None and est["effect"] != wanted:
        raise PackError(
            f"`{annotations['id']}` is a `{est['effect']}` in a file of `{wanted}`",
            where=where,
            help=f"write `{wanted}`, or move the rule to another file",
        )
    return Rule(
        id=annotations["id"],
        effect=est["effect"],
        set=rule_set,
        clauses=tuple(annotations.get("clause", "").split()),
        reasons=tuple(annotations.get("reason", "").split()),
        notes=tuple(annotations.get("note", "").split()),
        gaps=tuple(annotations.get("gap", "").split()),
        severity=annotations.get("severity", ""),
        where=where,
        text=text,
        est=est,
    )


def mentioned(rules: list[Rule], entity_type: str) -> frozenset[str]:
    """The ids of all entities of a type that the rules name, e.g. the services that a rule singles out."""
    found: set[str] = set()
    for rule in rules:
        _collect(rule.est, entity_type, found)
    return frozenset(found)


def _collect(node: Any, entity_type: str, found: set[str]) -> None:  # noqa: ANN401 - a tree of Cedar's JSON
    if isinstance(node, Mapping):
        if node.get("type") == entity_type and isinstance(node.get("id"), str):
            found.add(node["id"])
        for child in node.values():
            _collect(child, entity_type, found)
    elif isinstance(node, list):
        for child in node:
            _collect(child, entity_type, found)


def policy_set(rules: list[Rule]) -> cedarpy.PolicySet:
    """Rules as a set that Cedar can evaluate, each under its own `@id`, and each as a permit: see `judge`."""
    return cedarpy.PolicySet.from_json_str(
        json.dumps(
            {
                "staticPolicies": {rule.id: {**rule.est, "effect": "permit"} for rule in rules},
                "templates": {},
                "templateLinks": [],
            }
        )
    )
