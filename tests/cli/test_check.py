"""`flowtrack check`: a file judged without any server, for scripts that go by its exit status."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from flowtrack.domain.decision import Decision

if TYPE_CHECKING:
    from tests.cli.commands import Commands

SCHEMA = json.loads((Path(__file__).parents[2] / "schemas" / "decision.json").read_text(encoding="utf-8"))
SUBJECT = "0" * 31 + "1"
REGISTRY = "services:\n  shop: {controller: platform, regions: [KR, NO]}\n"
MARK = "zqmarker"


def event(**data: Any) -> dict[str, Any]:
    """A use of a name by the shop."""
    return {
        "specversion": "1.0",
        "id": "e-1",
        "source": "/services/shop",
        "type": "flowtrack.use.v1",
        "subject": SUBJECT,
        "time": "2026-03-02T09:00:00Z",
        "data": {"categories": ["provided.name"], "purpose": "service.provide", **data},
    }


TERMS: dict[str, Any] = {
    "specversion": "1.0",
    "id": "c-1",
    "source": "/consents",
    "type": "flowtrack.consent.v1",
    "subject": SUBJECT,
    "time": "2026-03-01T09:00:00Z",
    "data": {"record": "terms", "kind": "terms", "state": "accepted"},
}


def _check(flowtrack: Commands, *events: Any, consents: tuple[Any, ...] = (TERMS,), registry: str = REGISTRY) -> Any:
    return flowtrack.run(
        "check",
        flowtrack.jsonl("events.jsonl", *events),
        "--consents",
        flowtrack.jsonl("consents.jsonl", *consents),
        "--registry",
        flowtrack.file("registry.yaml", registry),
    )


def test_all_permitted_ends_with_0(flowtrack: Commands) -> None:
    """Decisions stand on standard output, a line each, and nothing on standard error."""
    ran = _check(flowtrack, event(), event())
    assert (ran.status, ran.err) == (0, "")
    assert [(each["verdict"], each["offset"]) for each in ran.lines] == [("permit", 0), ("permit", 1)]


def test_what_is_not_applicable_is_no_fault(flowtrack: Commands) -> None:
    """Only what is denied or indeterminate changes the status."""
    assert _check(flowtrack, event(categories=["excluded.search_keyword"])).status == 0
    assert _check(flowtrack).status == 0


@pytest.mark.parametrize(
    ("data", "verdict"),
    [({"purpose": "outside.credit_scoring"}, "deny"), ({"purpose": "unheard.of"}, "indeterminate")],
)
def test_a_denial_or_a_gap_ends_with_1(flowtrack: Commands, data: dict[str, Any], verdict: str) -> None:
    """One event that does not pass is enough, whatever stands around it."""
    ran = _check(flowtrack, event(), event(**data), event())
    assert ran.status == 1
    assert [each["verdict"] for each in ran.lines] == ["permit", verdict, "permit"]


def test_output_keeps_the_contract_of_decisions(flowtrack: Commands) -> None:
    """Each line is a decision as the topic carries it."""
    validator = Draft202012Validator(SCHEMA)
    ran = _check(flowtrack, event(), event(purpose="unheard.of"), event(categories=["provided.name", "automatic.ip"]))
    assert len(ran.lines) == 3
    for line in ran.lines:
        validator.validate(line)
        Decision.model_validate(line)


def test_an_unreadable_line_is_named_and_the_others_are_judged(flowtrack: Commands) -> None:
    """Standard error names file, line and code of each, and quotes nothing; the status is 2 even beside denials."""
    bad = [
        (b"{" + MARK.encode(), "not_json"),
        (json.dumps({**event(), "subject": MARK}).encode(), "bad_subject"),
        (json.dumps({**event(), "time": MARK}).encode(), "bad_time"),
        (json.dumps({**event(), "type": f"flowtrack.{MARK}.v1"}).encode(), "unknown_type"),
        (json.dumps(event(**{MARK: MARK})).encode(), "bad_field"),
        (b'"\xff"', "not_json"),
    ]
    lines = [line for each, _ in bad for line in (event(purpose="outside"), each)]
    ran = _check(flowtrack, *lines)
    assert ran.status == 2
    assert len(ran.lines) == len(bad)
    for number, (told, (_, code)) in enumerate(zip(ran.err.splitlines(), bad, strict=True), start=1):
        assert f"events.jsonl:{2 * number}: {code}: " in told
        assert "help: " in told
    assert MARK not in ran.err + ran.out


def test_an_unreadable_consent_is_named(flowtrack: Commands) -> None:
    """A consent that cannot be read counts for nothing, and the status says so."""
    ran = _check(flowtrack, event(), consents=({**TERMS, "subject": MARK},))
    assert ran.status == 2
    assert "consents.jsonl:1: bad_subject" in ran.err
    assert [each["verdict"] for each in ran.lines] == ["deny"]
    assert MARK not in ran.err


def test_old_events_may_be_judged(flowtrack: Commands) -> None:
    """A file is checked whenever it is read: how long ago its events happened does not matter."""
    old = {**event(), "time": "2021-03-02T09:00:00Z"}
    ran = _check(flowtrack, old, consents=({**TERMS, "time": "2021-03-01T09:00:00Z"},))
    assert ran.status == 0


def test_events_come_from_standard_input_too(flowtrack: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    """`-` is standard input; faults in it are named by line."""
    with flowtrack.jsonl("in.jsonl", event(), b"{").open() as stream:
        monkeypatch.setattr("sys.stdin", stream)
        ran = flowtrack.run("check", "-", "--registry", flowtrack.file("registry.yaml", REGISTRY))
    assert ran.status == 2
    assert [each["verdict"] for each in ran.lines] == ["deny"]
    assert "-:2: not_json" in ran.err


@pytest.mark.parametrize(
    ("registry", "words"),
    [
        ("services: {shop: {controller: platform}\n", "registry.yaml:2"),
        ("a: 2026-13-45\n", "not YAML"),
        ("- shop\n", "no registry"),
        ("services:\n  shop: {controller: zqmarker}\n", "services.shop"),
        ("parties:\n  a: [{type: merchant}, {type: affiliate}]\n", "two validities of `a` overlap"),
    ],
)
def test_a_bad_registry_ends_with_2(flowtrack: Commands, registry: str, words: str) -> None:
    """A registry that cannot be taken judges nothing, and the fault is named without a value."""
    ran = _check(flowtrack, event(), registry=registry)
    assert (ran.status, ran.out) == (2, "")
    assert words in ran.err
    assert "help" in ran.err
    assert MARK not in ran.err
    assert "Traceback" not in ran.err


def test_norway_needs_no_quotes(flowtrack: Commands) -> None:
    """In a registry, too, `NO` is a region."""
    store = {"dataset": "d", "custodian": "platform", "location": "NO", "channel": {"encrypted": True}}
    message = {**event(**store), "type": "flowtrack.store.v1"}
    assert _check(flowtrack, message).status == 0


def test_a_missing_file_ends_with_2(flowtrack: Commands) -> None:
    """A file that is not there is named, with what to do."""
    for words in (("nowhere.jsonl",), (flowtrack.jsonl("e.jsonl"), "--consents", "nowhere.jsonl")):
        ran = flowtrack.run("check", *words)
        assert ran.status == 2
        assert "nowhere.jsonl" in ran.err
        assert "Traceback" not in ran.err


def test_a_pack_of_ones_own_judges(flowtrack: Commands) -> None:
    """`--pack` names a folder; one that is refused judges nothing."""
    from tests.policy.small_pack import files

    registry = flowtrack.file("registry.yaml", REGISTRY)
    events = flowtrack.jsonl("events.jsonl", event(categories=["name"], purpose="service"))
    ran = flowtrack.run("check", events, "--registry", registry, "--pack", flowtrack.pack(files()))
    assert (ran.status, ran.lines[0]["pack"]) == (0, "small@1")
    refused = flowtrack.run("check", events, "--pack", flowtrack.pack(files(more_rules="forbid (")))
    assert (refused.status, refused.out) == (2, "")
    assert "policy/rules.cedar:" in refused.err
