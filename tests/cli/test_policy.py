"""`flowtrack policy validate|test|explain|clauses`: what policy owners work with, on a terminal and in scripts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from flowtrack.policy.pack import default_pack
from tests.policy.small_pack import FILES, files

if TYPE_CHECKING:
    from tests.cli.commands import Commands

CASE = FILES["cases/use.yaml"]
FAILING = CASE.replace("{verdict: permit}", "{verdict: deny}").replace("A use", "Another use")


def test_validate_says_what_a_valid_pack_holds(flowtrack: Commands) -> None:
    """A valid pack ends with 0, as text and as JSON; without a folder it is the default pack."""
    ran = flowtrack.run("policy", "validate", flowtrack.pack(files()))
    assert (ran.status, ran.out) == (0, "valid: small@1, 2 rules, 3 clauses, 1 cases\n")
    ran = flowtrack.run("policy", "validate", "--json")
    assert (ran.status, ran.document) == (0, {"valid": True, "pack": default_pack().label, "problems": []})


@pytest.mark.parametrize(
    ("found", "where"),
    [
        (files(more_rules="forbid ("), "policy/rules.cedar:"),
        (files({"cases/use.yaml": FAILING}), "cases/use.yaml, case 1"),
        (files({"cases/use.yaml": "name: ["}), "cases/use.yaml:"),
        (files({"vocabulary/purpose.yaml": "a: {parents: [a]}\n"}), "vocabulary/purpose.yaml:1"),
        (files({"pack.yaml": ""}), "pack.yaml"),
    ],
)
def test_validate_names_every_problem(flowtrack: Commands, found: dict[str, str], where: str) -> None:
    """A refused pack ends with 1, and each problem says where it stands and what to do."""
    folder = flowtrack.pack(found)
    text, document = flowtrack.run("policy", "validate", folder), flowtrack.run("policy", "validate", folder, "--json")
    assert (text.status, document.status) == (1, 1)
    assert where in text.out
    assert "help: " in text.out
    assert not document.document["valid"]
    assert any(each["where"].startswith(where) for each in document.document["problems"])
    assert all(each["what"] and each["help"] for each in document.document["problems"])


def test_validate_of_no_pack_ends_with_2(flowtrack: Commands) -> None:
    """A folder that holds no pack, or one that is not UTF-8, is said so."""
    empty = flowtrack.run("policy", "validate", flowtrack.folder)
    folder = flowtrack.pack(files())
    flowtrack.file("pack/clauses.yaml", b"'1': {ko: \xff}")
    assert empty.status == 2
    assert "is no pack" in empty.err
    ran = flowtrack.run("policy", "validate", folder)
    assert ran.status == 2
    assert "`clauses.yaml` is not UTF-8" in ran.err


def test_test_runs_the_packs_own_cases(flowtrack: Commands) -> None:
    """Without paths the pack's own cases are run."""
    ran = flowtrack.run("policy", "test", "--pack", flowtrack.pack(files()))
    assert (ran.status, ran.out) == (0, "1 passed, 0 failed\n")


def test_test_runs_files_and_folders(flowtrack: Commands) -> None:
    """A failing case is named with what came out, and the status is 1; as JSON every case is listed."""
    pack = flowtrack.pack(files())
    flowtrack.file("mine/a.yaml", CASE)
    flowtrack.file("mine/b/c.yaml", f"{CASE}\n---\n{FAILING}")
    ran = flowtrack.run("policy", "test", flowtrack.folder / "mine", "--pack", pack)
    assert ran.status == 1
    assert "FAILED" in ran.out
    assert "c.yaml, case 2: Another use" in ran.out
    assert "verdict is permit, expected deny" in ran.out
    assert ran.out.endswith("2 passed, 1 failed\n")
    told = flowtrack.run("policy", "test", flowtrack.folder / "mine", "--pack", pack, "--json")
    assert told.status == 1
    assert (told.document["passed"], told.document["failed"], told.document["pack"]) == (2, 1, "small@1")
    assert [each["passed"] for each in told.document["cases"]] == [True, True, False]
    assert told.document["cases"][0]["clauses"] == ["1"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"name: [", "mine.yaml:"),
        (b"\xff\xfe", "mine.yaml"),
        (b"name: x\nevnt: {}\n", "mine.yaml, case 1"),
        (None, "mine.yaml"),
    ],
)
def test_cases_that_cannot_be_read_end_with_2(flowtrack: Commands, content: bytes | None, words: str) -> None:
    """Broken YAML, another encoding, a misspelt field, no file: each is named, without a traceback."""
    path = flowtrack.folder / "mine.yaml" if content is None else flowtrack.file("mine.yaml", content)
    for command in ("test", "explain"):
        ran = flowtrack.run("policy", command, path)
        assert ran.status == 2
        assert words in ran.err
        assert "Traceback" not in ran.err


def test_explain_tells_cases(flowtrack: Commands) -> None:
    """A case's verdict with the rule that decided, where it stands, and the clause in both languages."""
    pack = flowtrack.pack(files())
    source = flowtrack.file(
        "mine.yaml", f"{CASE}\n---\n{CASE.replace('purpose: service', 'purpose: outside').replace('A use', 'No use')}"
    )
    ran = flowtrack.run("policy", "explain", source, "--pack", pack, "--id", "No use for the service is permitted")
    assert ran.status == 0
    assert ran.out.splitlines()[0] == "No use for the service is permitted"
    assert "name: deny (outside_purpose)" in ran.out
    assert "decided by forbid `no-outside` of clauses 2 at policy/rules.cedar:5" in ran.out
    assert "nearly: permit `use-service` of clauses 1: purpose = outside" in ran.out
    assert "Two\n" in ran.out
    assert "둘\n" in ran.out
    told = flowtrack.run("policy", "explain", source, "--pack", pack, "--json").document
    assert [(each["id"], each["categories"][0]["verdict"]) for each in told] == [
        ("A use for the service is permitted", "permit"),
        ("No use for the service is permitted", "deny"),
    ]


def test_explain_tells_events(flowtrack: Commands) -> None:
    """Events of a file are explained with their consents and registry; unreadable lines end with 2."""
    subject = "0" * 32
    envelope: dict[str, Any] = {"specversion": "1.0", "id": "e-1", "source": "/services/shop", "subject": subject}
    event = {**envelope, "type": "flowtrack.use.v1", "time": "2026-03-02T09:00:00Z"}
    event["data"] = {"categories": ["provided.name"], "purpose": "service.provide"}
    terms = {**envelope, "type": "flowtrack.consent.v1", "time": "2026-03-01T09:00:00Z"}
    terms["data"] = {"record": "terms-9", "kind": "terms", "state": "accepted"}
    events, consents = flowtrack.jsonl("events.jsonl", event, b"{"), flowtrack.jsonl("consents.jsonl", terms)
    registry = flowtrack.file("registry.yaml", "services: {shop: {controller: platform}}")
    ran = flowtrack.run("policy", "explain", events, "--consents", consents, "--registry", registry)
    assert ran.status == 2
    assert "events.jsonl:2: not_json" in ran.err
    assert "provided.name: permit (deemed_consent)" in ran.out
    assert "consent record: terms-9" in ran.out
    assert "이용자" in ran.out or "서비스" in ran.out
    unknown = flowtrack.run("policy", "explain", events, "--id", "nobody")
    assert unknown.status == 2


def test_explain_of_a_case_that_breaks_its_contract_ends_with_2(flowtrack: Commands) -> None:
    """A case whose event cannot be read is named, and nothing of it is quoted."""
    source = flowtrack.file("mine.yaml", CASE.replace('"2026-03-02T09:00:00Z"', '"zqmarker"'))
    ran = flowtrack.run("policy", "explain", source)
    assert ran.status == 2
    assert "`time`" in ran.err
    assert "zqmarker" not in ran.err
    assert "Traceback" not in ran.err


def test_clauses_are_listed_with_rules_and_cases(flowtrack: Commands) -> None:
    """Each clause comes with its words, what carries it out and how many cases; ids choose some."""
    pack = default_pack()
    told = flowtrack.run("policy", "clauses", "--json").document
    assert [each["id"] for each in told["clauses"]] == list(pack.clauses)
    for each in told["clauses"]:
        assert each["ko"]
        assert each["en"]
        assert bool(each["rules"]) == (each["status"] == "enforced")
        assert each["cases"] >= 3 or each["status"] == "informative"
    ran = flowtrack.run("policy", "clauses", "4.1", "i.1")
    assert ran.status == 0
    assert "share-consent" in ran.out
    assert "informative" in ran.out
    assert pack.clauses["4.1"].ko in ran.out


def test_an_unknown_clause_ends_with_2(flowtrack: Commands) -> None:
    """A misspelt id is said so."""
    ran = flowtrack.run("policy", "clauses", "4.9")
    assert ran.status == 2
    assert "`4.9` is no clause" in ran.err


def test_json_is_one_document_in_utf8(flowtrack: Commands) -> None:
    """Korean stands as it is, for people who read the document, too."""
    ran = flowtrack.run("policy", "clauses", "1.1", "--json")
    assert default_pack().clauses["1.1"].ko in ran.out
    assert json.loads(ran.out)["clauses"][0]["id"] == "1.1"
