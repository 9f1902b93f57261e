"""What the checker writes keeps its contracts: the pydantic models, the JSON Schemas, the partition of the subject."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from jsonschema.protocols import Validator
from pydantic import BaseModel

from flowtrack.domain.decision import ConsentCopy, DeadLetter, Decision, Finding, Marker, SituationDefinition
from flowtrack.domain.names import Verdict, worst
from flowtrack.policy.situation import from_attributes, situation_id
from flowtrack.tracking.records import Output, Topic
from flowtrack.tracking.rulebook import Rulebook
from flowtrack.wire.decisions import decode_tracked
from flowtrack.wire.partition import partition_of
from tests.policy import world
from tests.tracking.checking import check, checker, records, rulebook
from tests.wire import messages

SCHEMAS = Path(__file__).parents[2] / "schemas"
RULES = rulebook()
MODELS: dict[str, tuple[str, type[BaseModel]]] = {
    "decision": ("decision.json", Decision),
    "situation": ("situation.json", SituationDefinition),
    "consent": ("consent-copy.json", ConsentCopy),
    "marker": ("marker.json", Marker),
    "finding": ("finding.json", Finding),
    "dead_letter": ("dead-letter.json", DeadLetter),
}


@pytest.fixture(scope="module")
def validators() -> dict[str, Validator]:
    """A validator of each written kind."""
    return {
        name: Draft202012Validator(
            json.loads((SCHEMAS / file).read_text(encoding="utf-8")),
            format_checker=Draft202012Validator.FORMAT_CHECKER,
        )
        for name, (file, _) in MODELS.items()
    }


def _outputs(seed: int) -> list[Output]:
    random = Random(seed)
    made = [world.consent(random, number) for number in range(8)] + [world.event(random, number) for number in range(8)]
    made += [messages.event(random), messages.consent(random), {"type": "flowtrack.use.v1"}]
    random.shuffle(made)
    return checker(rules=RULES).process([record._replace(partition=0) for record in records(made)])


@given(seed=st.integers(0, 2**32))
def test_every_output_keeps_its_contract(seed: int, validators: dict[str, Validator]) -> None:
    """Each record validates against its model in strict mode and against its schema, and says its type."""
    for output in _outputs(seed):
        message = json.loads(output.value or b"")
        kind = "dead_letter" if output.topic == Topic.DEADLETTERS else message["type"]
        validators[kind].validate(message)
        MODELS[kind][1].model_validate_json(output.value or b"")
        if output.topic == Topic.DECISIONS:
            assert decode_tracked(output.value or b"").type == kind
        assert output.partition == 0


def test_an_output_stands_on_its_subjects_partition_and_key() -> None:
    """Decisions, findings, copies and markers are keyed by their subject, on the partition that they came from."""
    random = Random(5)
    subjects = [f"{number:08x}{'0' * 24}" for number in range(4)]
    made = [world.event(random, number, subject=subjects[number % 4]) for number in range(12)]
    made += [world.consent(random, number, subject=subjects[number % 4]) for number in range(12)]
    batch = [each._replace(partition=partition_of(made[n]["subject"], 4)) for n, each in enumerate(records(made))]
    seen = set()
    for output in checker(partitions=4, rules=RULES).process(batch):
        message = json.loads(output.value or b"")
        subject = message.get("subject")
        if subject:
            assert output.key == subject.encode()
            assert output.partition == partition_of(subject, 4)
            seen.add((output.topic, message["type"]))
    assert {kind for _, kind in seen} == {"decision", "consent", "marker", "finding"}


@given(st.integers(0, 2**32))
def test_every_situation_is_defined_before_it_is_cited(seed: int) -> None:
    """A worker defines each situation once, before the first decision that cites it; its number follows from it."""
    defined: dict[tuple[str, str], Any] = {}
    for output in _outputs(seed):
        message = json.loads(output.value or b"")
        if output.topic != Topic.DECISIONS:
            continue
        if message["type"] == "situation":
            assert (message["pack"], message["situation"]) not in defined
            assert situation_id(from_attributes(message["attributes"])) == message["situation"]
            defined[message["pack"], message["situation"]] = message
        elif message["type"] == "decision":
            for each in message["categories"]:
                known = defined[message["pack"], each["situation"]]
                assert {name: each[name] for name in ("verdict", "rules", "clauses", "reasons", "gaps")} == {
                    name: known[name] for name in ("verdict", "rules", "clauses", "reasons", "gaps")
                }


@given(st.integers(0, 2**32))
def test_a_finding_is_written_for_what_somebody_must_know(seed: int) -> None:
    """Exactly the events that are denied or indeterminate, or carry a severity, and the dead, have findings."""
    random = Random(seed)
    found = check(records([*(world.event(random, number) for number in range(12))]), rules=RULES)
    told = {(each["event_id"], each["what"]) for each in found.findings if each["what"] != "dead_letter"}
    expected = set()
    for each in found.decisions:
        verdicts = [Verdict(category["verdict"]) for category in each["categories"]]
        assert each["verdict"] == worst(verdicts)
        if each["verdict"] == "deny":
            expected.add((each["event_id"], "denied"))
        elif each["verdict"] == "indeterminate":
            expected.add((each["event_id"], "indeterminate"))
        elif any(category["severity"] for category in each["categories"]):
            expected.add((each["event_id"], "notice"))
    assert told == expected


def test_an_incident_is_told_whatever_it_reached() -> None:
    """An incident is not judged, is kept, and raises one critical finding of clause 6.5."""
    subject = "0" * 32
    incident = {
        "specversion": "1.0",
        "id": "i-1",
        "source": "/services/shop",
        "type": "flowtrack.incident.v1",
        "subject": subject,
        "time": world.iso(5),
        "data": {"interval": {"from": world.iso(1), "to": world.iso(2)}, "service": "shop"},
    }
    found = check(records([incident]), rules=RULES)
    assert [(each["verdict"], each["categories"][0]["category"]) for each in found.decisions] == [
        ("not_applicable", "personal")
    ]
    assert [(each["what"], each["severity"], each["clauses"]) for each in found.findings] == [
        ("incident", "critical", ["6.5"])
    ]


def test_without_a_pack_everything_is_indeterminate_and_told() -> None:
    """A worker whose packs have not arrived lets nothing pass, and its answers keep their contract too."""
    outputs = checker(rules=Rulebook()).process(records([world.event(Random(2))]))
    assert [json.loads(each.value or b"").get("verdict") for each in outputs if each.topic == Topic.DECISIONS] == [
        "indeterminate"
    ]
    assert [json.loads(each.value or b"")["gaps"] for each in outputs if each.topic == Topic.FINDINGS] == [
        ["no_policy_in_force"]
    ]
    for each in outputs:
        MODELS[json.loads(each.value or b"")["type"]][1].model_validate_json(each.value or b"")


def test_counts_are_of_what_was_committed() -> None:
    """Verdicts of a batch count once, when it is committed; an undone batch counts nothing."""
    made = checker(rules=RULES)
    batch = records([world.event(Random(2)), world.event(Random(3))])
    made.process(batch)
    made.aborted()
    assert sum(made.verdict_counts.values()) == 0
    made.process(batch)
    made.committed()
    assert sum(made.verdict_counts.values()) == 2
