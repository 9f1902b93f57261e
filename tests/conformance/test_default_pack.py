"""The default pack carries out the policy: each case, each clause from both sides, each rule, each word of the text."""

from __future__ import annotations

from collections import Counter, defaultdict
from functools import cache

import pytest

from flowtrack.domain.event import TYPES
from flowtrack.domain.names import Kind, Verdict
from flowtrack.policy.cases import Case, decide_case, read_cases, run_case
from flowtrack.policy.decide import CategoryVerdict
from flowtrack.policy.judge import Judge
from flowtrack.policy.pack import default_pack
from flowtrack.policy.rules import RuleSet
from flowtrack.policy.source import files_of_default_pack

PACK = default_pack()
JUDGE = Judge(PACK)
CASES = [(where, case) for path, text in PACK.cases.items() for where, case in read_cases(path, text)]
ENFORCED = sorted(id_ for id_, clause in PACK.clauses.items() if clause.status == "enforced")
CASES_MIN = 3
NEVER_JUDGED = {"1.2", "2.a", "2.b", "2.c", "2.d", "6.5"}
"""Clauses that only ever take something out of the judgement: what they are about is `not_applicable`."""
SHORTEST_CITATION = 10


def _ids() -> list[str]:
    return [f"{where.split('/')[-1].removesuffix('.yaml').replace('.yaml, case ', '-')}" for where, _ in CASES]


@cache
def _verdicts() -> dict[str, dict[str, Verdict]]:
    return {case.name: {each.category: each.judged.verdict for each in _decided(case)} for _, case in CASES}


def _decided(case: Case) -> list[CategoryVerdict]:
    return decide_case(JUDGE, case).categories


@pytest.mark.parametrize(("where", "case"), CASES, ids=_ids())
def test_case(where: str, case: Case) -> None:
    """The decision is the one that the case was written for."""
    result = run_case(JUDGE, where, case)
    assert result.passed, f"{case.name}: {'; '.join(result.differences)}"


def test_cases_state_different_facts() -> None:
    """No two cases have the same name, and each says what every category of its event must get."""
    twice = [name for name, count in Counter(case.name for _, case in CASES).items() if count > 1]
    silent = [
        case.name
        for _, case in CASES
        if set(case.expect.categories) != set(case.event["data"].get("categories") or ["personal"])
    ]
    assert not twice
    assert not silent


@pytest.mark.parametrize("clause", ENFORCED)
def test_clause_is_held_from_both_sides(clause: str) -> None:
    """Each enforced clause has three cases or more, on the permitting and on the denying side of it."""
    about = [case for _, case in CASES if clause in case.clauses]
    verdicts = {verdict for case in about for verdict in _verdicts()[case.name].values()}
    assert len(about) >= CASES_MIN
    if clause in NEVER_JUDGED:
        assert Verdict.NOT_APPLICABLE in verdicts
        assert len(verdicts) > 1 or clause == "6.5", "no case shows where the clause ends"
    else:
        assert {Verdict.PERMIT, Verdict.DENY} <= verdicts


def test_every_kind_of_event_has_cases() -> None:
    """Each kind of event is met, and every outcome."""
    assert {TYPES[case.event["type"]] for _, case in CASES} == set(Kind)
    assert {verdict for found in _verdicts().values() for verdict in found.values()} == set(Verdict)


def test_every_rule_is_matched_by_a_case() -> None:
    """No rule is there that no case needs: each one determines an answer of its set in some case."""
    matched: set[str] = set()
    for _, case in CASES:
        for each in _decided(case):
            if each.situation is not None:  # before any policy was in force there is none
                found = JUDGE.matching(each.situation)
                matched.update(rule.id for rule in PACK.rules if rule in found.of(rule))
    assert not {rule.id for rule in PACK.rules} - matched


def test_rules_that_forbid_or_permit_decide_somewhere() -> None:
    """Each rule that takes out of scope, forbids or permits is cited as deciding in some case, with all its clauses."""
    cited: dict[str, set[str]] = defaultdict(set)
    for _, case in CASES:
        for each in _decided(case):
            for rule in each.judged.rules:
                cited[rule] |= set(each.judged.clauses)
    decisive = [rule for rule in PACK.rules if rule.set in {RuleSet.SCOPE, RuleSet.ENFORCED}]
    assert decisive
    assert not [rule.id for rule in decisive if not set(rule.clauses) <= cited.get(rule.id, set())]


def test_clauses_and_rules_know_each_other() -> None:
    """Every enforced clause is cited by a rule, every rule cites clauses that exist, and no informative one."""
    cited = {clause for rule in PACK.rules for clause in rule.clauses}
    assert cited == set(ENFORCED)
    assert not [rule.id for rule in PACK.rules if not rule.clauses]
    assert all(clause.why for clause in PACK.clauses.values())


def test_clauses_are_cited_by_what_is_decided() -> None:
    """Every enforced clause is cited by the decision of some case, and every decision but by default cites one."""
    cited: set[str] = set()
    for _, case in CASES:
        for each in _decided(case):
            cited |= set(each.judged.clauses)
            assert each.judged.clauses or each.judged.verdict is not Verdict.DENY, case.name
    assert cited >= set(ENFORCED)


@pytest.mark.parametrize("clause", sorted(PACK.clauses))
def test_clause_quotes_the_policy(clause: str) -> None:
    """What a clause says in Korean stands in the policy word for word, and it says it in English too."""
    policy = files_of_default_pack()["policy.ko.txt"]
    entry = PACK.clauses[clause]
    assert len(entry.ko) > SHORTEST_CITATION
    assert entry.ko in policy
    assert len(entry.en) > SHORTEST_CITATION


def test_denials_give_a_reason_and_permissions_a_ground() -> None:
    """Every denial and every permission of a case names a reason; a gap is named where nothing could be decided."""
    for _, case in CASES:
        for each in _decided(case):
            if each.judged.verdict is Verdict.INDETERMINATE:
                assert each.judged.gaps, case.name
            else:
                assert each.judged.reasons, case.name
