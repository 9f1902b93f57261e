"""Validate a pack as a whole: only one that passes is ever accepted."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import get_args

from flowtrack.domain.decision import Severity
from flowtrack.domain.names import Controller, Gap, Kind, Note, Reason
from flowtrack.errors import PackError
from flowtrack.policy.cases import CaseResult, read_cases, run_case
from flowtrack.policy.judge import Judge
from flowtrack.policy.pack import Pack, load_pack, schema_problems
from flowtrack.policy.rules import Rule, RuleSet, mentioned
from flowtrack.policy.situation import NONE, UNKNOWN

_REASONS = frozenset(Reason) | {"{own_consent}", "{basis}"}


def accept_pack(files: Mapping[str, str]) -> Pack:
    """Load a pack and validate it as a whole.

    Raises:
        PackError: it is refused; `problems` lists everything that was found.
    """
    pack = load_pack(files)
    problems = pack_problems(pack)
    if problems:
        raise PackError(
            f"the pack `{pack.label}` is refused: {len(problems)} problems",
            help="mend each and validate again",
            problems=tuple(problems),
        )
    return pack


def pack_problems(pack: Pack) -> list[PackError]:
    """What is wrong with a pack that could be loaded: schema, codes, clauses both ways, cases."""
    problems = [*schema_problems(pack), *_code_problems(pack), *_name_problems(pack), *_clause_problems(pack)]
    return problems or list(_case_problems(pack))


def run_cases(pack: Pack) -> list[CaseResult]:
    """The results of the pack's own cases.

    Raises:
        PackError: a file of cases cannot be read.
    """
    judge = Judge(pack)
    return [run_case(judge, where, case) for path, text in pack.cases.items() for where, case in read_cases(path, text)]


def _case_problems(pack: Pack) -> Iterable[PackError]:
    try:
        results = run_cases(pack)
    except PackError as error:
        yield error
        return
    for result in results:
        for difference in result.differences:
            yield PackError(
                f"case `{result.name}` fails: {difference}", where=result.where, help="mend the rule or the case"
            )


def _name_problems(pack: Pack) -> Iterable[PackError]:
    """Names that no situation ever holds: Cedar takes any, and a forbid that names one would never match."""
    vocabularies = pack.vocabularies
    known: dict[str, Container[str]] = {
        "Action": frozenset(Kind),
        "Controller": frozenset(Controller),
        "Category": vocabularies.category,
        "Purpose": vocabularies.purpose,
        "Processing": vocabularies.processing,
    }
    for rule in pack.rules:
        for entity_type, names in known.items():
            for name in sorted(mentioned([rule], entity_type)):
                if name not in names and name not in {UNKNOWN, NONE}:
                    yield PackError(
                        f'`{rule.id}` names `{entity_type}::"{name}"`, which does not exist',
                        where=rule.where,
                        help="mend its spelling, or add the term to its vocabulary",
                    )


def _code_problems(pack: Pack) -> Iterable[PackError]:
    for rule in pack.rules:
        for word, said, known in (
            ("@reason", rule.reasons, _REASONS),
            ("@note", rule.notes, frozenset(Note)),
            ("@gap", rule.gaps, frozenset(Gap)),
            ("@severity", (rule.severity,), frozenset(get_args(Severity))),
        ):
            for code in said:
                if code not in known:
                    yield PackError(
                        f"`{word}` of `{rule.id}` is `{code}`", where=rule.where, help="use a code of NAMES"
                    )
        if rule.set is RuleSet.GAPS and not rule.gaps:
            yield PackError(f"`{rule.id}` names no gap", where=rule.where, help='put @gap("...") above it')


def _clause_problems(pack: Pack) -> Iterable[PackError]:
    cited: set[str] = set()
    for rule in pack.rules:
        yield from _citation_problems(pack, rule)
        cited.update(rule.clauses)
    for clause_id, clause in pack.clauses.items():
        where = f"clauses.yaml, {clause_id}"
        if clause.status == "enforced" and clause_id not in cited:
            yield PackError(
                f"clause `{clause_id}` is enforced by no rule", where=where, help="write a rule, or say informative"
            )
        if clause.status == "informative" and not clause.why:
            yield PackError(f"clause `{clause_id}` does not say why it is informative", where=where, help="add `why`")


def _citation_problems(pack: Pack, rule: Rule) -> Iterable[PackError]:
    if not rule.clauses:
        yield PackError(f"`{rule.id}` cites no clause", where=rule.where, help='put @clause("...") above it')
    for clause_id in rule.clauses:
        if clause_id not in pack.clauses:
            yield PackError(
                f"`{rule.id}` cites `{clause_id}`, which is no clause",
                where=rule.where,
                help="mend the id, or add the clause to clauses.yaml",
            )
