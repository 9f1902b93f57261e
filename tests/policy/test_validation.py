"""A pack is taken as a whole or refused as a whole, with every fault named: file, line and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from flowtrack.errors import PackError
from flowtrack.policy.pack import default_pack, load_pack
from flowtrack.policy.reading import load_yaml
from flowtrack.policy.rules import parse_rules, split_policies
from flowtrack.policy.source import files_of_default_pack, files_of_folder
from flowtrack.policy.validate import accept_pack, pack_problems
from tests.policy.small_pack import FILES, RULES, files, small_pack

LINES = RULES.count("\n") + 2
"""The line on which `more_rules` begins: `files` puts an empty line before it."""


def problems(changes: Mapping[str, str | None] | None = None, *, more_rules: str = "") -> list[PackError]:
    """Why the small pack is refused with these changes."""
    with pytest.raises(PackError) as refusal:
        accept_pack(files(changes, more_rules=more_rules))
    assert refusal.value.problems, "a refusal lists its problems"
    assert all(each.help and each.where for each in refusal.value.problems)
    return list(refusal.value.problems)


def only(changes: Mapping[str, str | None] | None = None, *, more_rules: str = "") -> PackError:
    """The one reason why the small pack is refused."""
    found = problems(changes, more_rules=more_rules)
    assert len(found) == 1, [str(each) for each in found]
    return found[0]


def test_the_packs_of_these_tests_are_valid() -> None:
    """The default pack and the small one pass everything that is refused below."""
    assert not pack_problems(default_pack())
    assert small_pack().label == "small@1"


@pytest.mark.parametrize(
    "rule",
    [
        "forbid (principal, action, resource",
        "forbid (principal, action, resource) when { context.purpose in };",
        "deny (principal, action, resource);",
        '@id("x") forbid (principal == ?principal, action, resource);',
        '@id("unterminated) forbid (principal, action, resource);',
    ],
)
def test_a_syntax_error_is_named_with_its_line(rule: str) -> None:
    """The rule that Cedar cannot read is named by file and line, whatever stands around it."""
    fine = '@id("fine") @clause("2") // a comment; and more\nforbid (principal, action, resource) when { "a;" == "c" };'
    found = problems(more_rules=f"{fine}\n\n// the wrong one\n{rule}\n")
    assert {each.where for each in found} == {f"policy/rules.cedar:{LINES + 4}"}


def test_all_faults_are_told_at_once() -> None:
    """Whoever mends a pack sees everything that is wrong with it."""
    changes = {"pack.yaml": "id: small", "vocabulary/purpose.yaml": "purpose: [", "clauses.yaml": '"1": {ko: a}'}
    found = problems(changes, more_rules="forbid (;")
    assert {each.where.split(":")[0] for each in found} == {*changes, "policy/rules.cedar"}


def test_a_rule_id_that_stands_twice_is_refused() -> None:
    """Decisions cite rules by their ids."""
    rule = '@id("use-service") @clause("1") permit (principal, action, resource);'
    fault = only(more_rules=rule)
    assert fault.where == f"policy/rules.cedar:{LINES}"
    assert "policy/rules.cedar:1" in fault.what


@pytest.mark.parametrize(
    ("annotations", "words"),
    [
        ('@clause("1")', "has no `@id`"),
        ('@id("x")', "cites no clause"),
        ('@id("x") @clause("1 9.9")', "cites `9.9`"),
        ('@id("x") @clause("1") @reason("because")', "`@reason` of `x` is `because`"),
        ('@id("x") @clause("1") @note("well")', "`@note` of `x` is `well`"),
        ('@id("x") @clause("1") @gap("hole")', "`@gap` of `x` is `hole`"),
        ('@id("x") @clause("1") @severity("worst")', "`@severity` of `x` is `worst`"),
        ('@id("x") @clause("1") @mode("maybe")', "`@mode` is `maybe`"),
    ],
)
def test_a_wrong_annotation_is_refused(annotations: str, words: str) -> None:
    """Ids, clauses and codes must be those that everybody knows."""
    fault = only(more_rules=f"{annotations} forbid (principal, action, resource);")
    assert words in fault.what
    assert fault.where == f"policy/rules.cedar:{LINES}"


@pytest.mark.parametrize(
    "rule",
    [
        'forbid (principal, action, resource) when { context.purposes == "service" };',
        "forbid (principal, action, resource) when { context.basis == 1 };",
        'forbid (principal, action == Action::"sell", resource);',
        'forbid (principal in Category::"name", action, resource) when { principal.name == "x" };',
    ],
)
def test_what_the_schema_does_not_know_is_refused(rule: str) -> None:
    """An attribute or action that no situation has would err, or never match."""
    found = problems(more_rules=f'@id("x") @clause("1") {rule}')
    assert {each.where for each in found} == {f"policy/rules.cedar:{LINES}"}
    assert all("`x`" in each.what for each in found)


@pytest.mark.parametrize(
    ("rule", "name"),
    [
        ('forbid (principal, action, resource in Category::"nmae");', "nmae"),
        ('forbid (principal, action, resource) when { context.purpose in [Purpose::"sevice"] };', "sevice"),
        ('forbid (principal, action, resource) when { context.processing in Processing::"shar" };', "shar"),
        ('forbid (principal in Controller::"plattform", action, resource);', "plattform"),
    ],
)
def test_a_name_that_no_vocabulary_has_is_refused(rule: str, name: str) -> None:
    """Cedar takes any name; a forbid that names one that nothing ever has would let everything pass."""
    fault = only(more_rules=f'@id("x") @clause("1") {rule}')
    assert f'"{name}"' in fault.what
    assert fault.where == f"policy/rules.cedar:{LINES}"


def test_a_group_of_actions_is_refused() -> None:
    """Cedar knows groups of actions by the schema only, and evaluation goes without it: such a rule never matches."""
    schema = FILES["schema.cedarschema"].replace("action collect,", "action anything;\naction collect,")
    schema = schema.replace("incident appliesTo", "incident in [anything] appliesTo")
    fault = only(
        {"schema.cedarschema": schema},
        more_rules='@id("x") @clause("1") forbid (principal, action in Action::"anything", resource);',
    )
    assert 'Action::"anything"' in fault.what


@pytest.mark.parametrize(
    ("path", "effect"), [("scope", "permit"), ("gaps", "permit"), ("denials", "permit"), ("notes", "forbid")]
)
def test_a_rule_with_the_wrong_effect_for_its_file_is_refused(path: str, effect: str) -> None:
    """What takes out of scope or names gaps forbids, what only adds words permits."""
    fault = only({f"policy/{path}.cedar": f'@id("x") @clause("1") {effect} (principal, action, resource);'})
    assert fault.where == f"policy/{path}.cedar:1"


@pytest.mark.parametrize("path", ["scope", "gaps", "denials", "notes", "grounds"])
def test_a_shadow_rule_stands_where_it_is_only_tried(path: str) -> None:
    """In a file whose rules do something else the mode would be ignored, so it is refused."""
    effect = "permit" if path in {"notes", "grounds"} else "forbid"
    rule = f'@id("x") @mode("shadow") @clause("1") {effect} (principal, action, resource);'
    assert "shadow" in only({f"policy/{path}.cedar": rule}).what


def test_a_gap_rule_names_its_gap() -> None:
    """A rule that names nothing would leave an indeterminate without a reason."""
    rule = '@id("x") @clause("1") forbid (principal, action, resource) when { context.deemed };'
    assert "names no gap" in only({"policy/gaps.cedar": rule}).what


@pytest.mark.parametrize("nested", [500, 5_000, 50_000])
@pytest.mark.parametrize("brackets", ["()", "[]"])
def test_a_rule_nested_without_end_is_refused(nested: int, brackets: str) -> None:
    """What would overflow the stack of Cedar's parser, and end the process, never reaches it."""
    body = brackets[0] * nested + brackets[1] * nested
    rule = f'@id("x") @clause("1") forbid (principal, action, resource) when {{ {body} == [] }};'
    assert "nested" in only(more_rules=rule).what


def test_a_rule_longer_than_can_be_read_is_refused() -> None:
    """A chain of thousands of conditions is a fault of the pack, not of the worker."""
    rule = f'@id("x") @clause("1") forbid (principal, action, resource) when {{ {" && ".join(["true"] * 3_000)} }};'
    assert "too long" in only(more_rules=rule).what


def test_an_enforced_clause_without_a_rule_is_refused() -> None:
    """Nobody may believe that a clause is carried out which is not; an informative one says why."""
    clauses = FILES["clauses.yaml"]
    uncited = only({"clauses.yaml": clauses.replace("informative", "enforced")})
    unexplained = only({"clauses.yaml": clauses.replace(", why: A remark", "")})
    assert "`3` is enforced by no rule" in uncited.what
    assert "`3` does not say why" in unexplained.what


@pytest.mark.parametrize("path", ["pack.yaml", "schema.cedarschema", "clauses.yaml", "vocabulary/purpose.yaml"])
def test_a_missing_file_is_named(path: str) -> None:
    """A pack without one of its files is refused, and the file named, once."""
    assert (only({path: None}).where, only({path: None}).what) == (path, f"`{path}` is missing")


@pytest.mark.parametrize("path", ["pack.yaml", "clauses.yaml", "vocabulary/storage.yaml"])
@pytest.mark.parametrize("text", ["", "# nothing\n", "- a\n- b\n", "a: [1\n", "a: !!python/name:os.system\n", "word"])
def test_a_file_that_is_not_what_it_should_be_is_named(path: str, text: str) -> None:
    """Empty, broken, dangerous or just something else: refused with the file's name."""
    assert all(each.where.startswith(path) for each in problems({path: text}))


@pytest.mark.parametrize("text", ["x: 2026-13-45\n", "x: " + "[" * 5_000, "a: &a [*a]\n"])
def test_yaml_that_breaks_its_reader_is_refused(text: str) -> None:
    """Dates that no calendar has, nesting without end and circles are faults of the file."""
    assert all(each.where.startswith("pack.yaml") for each in problems({"pack.yaml": text}))


def test_a_name_that_stands_twice_is_refused_with_its_line() -> None:
    """YAML's readers would silently take the last: a clause or a term would be lost."""
    for path in ("clauses.yaml", "vocabulary/category.yaml"):
        text = FILES[path] + FILES[path].splitlines()[0] + "\n"
        fault = only({path: text})
        assert fault.what.endswith("stands twice")
        assert fault.where == f"{path}:{text.count(chr(10))}"


def test_a_cyclic_vocabulary_is_refused_with_names_and_line() -> None:
    """The circle is named, and the line of one of its terms."""
    text = "purpose: {}\nservice: {parents: [outside]}\nother: {parents: [purpose]}\noutside: {parents: [service]}\n"
    fault = only({"vocabulary/purpose.yaml": text})
    assert "circle" in fault.what
    assert fault.where in {"vocabulary/purpose.yaml:2", "vocabulary/purpose.yaml:4"}


def test_a_parent_that_is_no_term_is_refused_with_its_line() -> None:
    """A misspelt parent would take the term out from under it."""
    fault = only({"vocabulary/category.yaml": "personal: {}\nname: {parents: [persnal]}\n"})
    assert "`persnal`" in fault.what
    assert fault.where == "vocabulary/category.yaml:2"


def test_overlapping_validities_are_refused_with_their_line() -> None:
    """A registry that says two things of one instant is refused, before any event asks it."""
    text = "parties:\n  fine: {type: merchant}\n  odd-one:\n    - {type: affiliate}\n    - {type: merchant}\n"
    fault = only({"registry.yaml": text})
    assert "two validities of `odd-one` overlap" in fault.what
    assert fault.where == "registry.yaml:3"


def test_a_registry_of_another_shape_is_refused() -> None:
    """Unknown sections and fields are named."""
    for text, field in (("partys: {}", "partys"), ("parties: {a: {typ: merchant}}", "typ")):
        assert any(field in each.what for each in problems({"registry.yaml": text}))


def test_a_failing_case_is_refused_and_explained() -> None:
    """A pack that does not pass its own cases is none: the case is named with what came out instead."""
    fault = only({"cases/use.yaml": FILES["cases/use.yaml"].replace("{verdict: permit}", "{verdict: deny}")})
    assert "`A use for the service is permitted` fails" in fault.what
    assert "verdict is permit, expected deny" in fault.what
    assert fault.where == "cases/use.yaml, case 1"


@pytest.mark.parametrize(
    "change",
    [
        ("name: A use", "nmae: A use"),
        ('clauses: ["1"]', 'clauses: ["7"]'),
        ("flowtrack.use.v1", "flowtrack.ues.v1"),
        ("purpose: service", "purpos: service"),
        (", purpose: service", ""),
        ("{verdict: permit}", "{verdict: permitted}"),
        ("controller: platform", "controller: nobody"),
        ('"2026-03-02T09:00:00Z"', '"2026-03-02T09:00:00"'),
        ("expect:", "expect: ["),
    ],
)
def test_a_case_that_cannot_be_decided_is_refused(change: tuple[str, str]) -> None:
    """A case with a misspelt field, an unknown clause or a broken event proves nothing."""
    found = problems({"cases/use.yaml": FILES["cases/use.yaml"].replace(*change)})
    assert all(each.where.startswith("cases/use.yaml") for each in found)


def test_a_file_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    """A folder with a file in another encoding is refused, and the file named."""
    for path, text in FILES.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text, encoding="utf-8")
    assert files_of_folder(tmp_path) == FILES
    (tmp_path / "clauses.yaml").write_text("'1': {ko: 하나}", encoding="cp949")
    with pytest.raises(PackError, match=r"`clauses\.yaml` is not UTF-8"):
        files_of_folder(tmp_path)
    with pytest.raises(PackError, match="is no pack"):
        files_of_folder(tmp_path / "cases")


def test_no_is_norway() -> None:
    """Bare `NO`, `no`, `on` and `yes` are words, as in YAML 1.2; `true` and `false` stay what they are."""
    found = load_yaml("{places: [NO, no, on, yes, off], NO: {}, flags: [true, False]}")
    assert found == {"places": ["NO", "no", "on", "yes", "off"], "NO": {}, "flags": [True, False]}


def test_policies_are_split_where_they_end() -> None:
    """Semicolons in strings and comments end nothing, and what is not ended is not lost."""
    text = '// a;\npermit (principal, action, resource)\nwhen { "\\";" == "x" };\n\n  forbid\n(;\n// end;\n'
    assert [(line, policy.strip().splitlines()[-1]) for line, policy in split_policies(text)] == [
        (2, 'when { "\\";" == "x" };'),
        (5, "(;"),
    ]
    assert parse_rules("policy/empty.cedar", "// nothing;\n") == ([], [])


def test_the_default_pack_needs_nothing_outside() -> None:
    """It is complete in itself: loaded from the package, it is what its folder holds."""
    found = files_of_default_pack()
    assert "policy.ko.txt" in found
    assert load_pack(found).label == default_pack().label
