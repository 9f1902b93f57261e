"""Nothing personal travels: a marker planted anywhere in a message comes out only where names are meant to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
import structlog

from flowtrack.domain.event import Event
from flowtrack.domain.names import Kind
from flowtrack.tracking.records import Output, Record, Topic
from flowtrack.wire.keys import consent_key
from tests.policy import world
from tests.tracking.checking import checker, consent_record, event_record, rulebook
from tests.wire import messages

MARK = "zqmarker"
RULES = rulebook()

MEANT_FOR_NAMES = {
    "decision": {
        *("event_id", "source", "service", "purpose", "recipient", "location", "dataset", "correlationid"),
        *("category", "consent", "facts", "particulars"),
    },
    "finding": {"event_id", "service", "purpose", "recipient", "categories"},
    "consent": {"event_id", "source", "data"},
    "marker": {"event_id", "data"},
    "situation": set(),
    "dead_letter": set(),
}
"""Fields of each output that carry names or opaque ids of their producer; everywhere else nothing of a message is."""


@pytest.fixture(autouse=True)
def logs() -> Iterator[list[Any]]:
    """Everything that is logged."""
    with structlog.testing.capture_logs() as captured:
        yield captured


def _leaks(outputs: list[Output], mark: str = MARK) -> list[str]:
    """Where the marker stands although nothing of a message should."""
    found = []
    for output in outputs:
        message = json.loads(output.value or b"{}")
        kind = "dead_letter" if output.topic == Topic.DEADLETTERS else message["type"]
        meant = MEANT_FOR_NAMES[kind] if message.get("what") != "dead_letter" else set()
        found += [f"{kind}.{path}" for path in _places(message, mark) if not set(path.split(".")) & meant]
        if mark in (output.key or b"").decode():
            found.append(f"{kind} key")
    return found


def _places(value: Any, mark: str, path: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            if mark in name:
                yield path
            yield from _places(inner, mark, f"{path}.{name}".strip("."))
    elif isinstance(value, list):
        for inner in value:
            yield from _places(inner, mark, path)
    elif mark in str(value):
        yield path


def _planted(seed: int) -> Iterator[Record]:
    """Messages of every kind, right and wrong, each with a marker at one place."""
    random = Random(seed)
    for kind in Kind:
        message = _full(world.event(random, kind=kind) if kind in world.KINDS else messages.event(random))
        for _, marked in messages.markers(message, MARK):
            yield event_record(0, marked, partition=0)
    for _ in range(4):
        message = world.consent(random)
        message["data"] |= {"notice": {"version": "v", "language": "ko", "hash": "h"}, "method": "form"}
        own = consent_record(0, message).key
        for _, marked in messages.markers(message, MARK):
            yield consent_record(0, marked, partition=0)
            yield consent_record(0, marked, partition=0, key=own)
            yield consent_record(0, marked, partition=0, key=f"{MARK}:{MARK}:{MARK}".encode())


def _full(message: dict[str, Any]) -> dict[str, Any]:
    """The event with every optional field that names something."""
    data: dict[str, Any] = {
        "actor": {"type": "staff", "id": "a", "role": "r", "agreement": "g", "session": "s", "task": "t"}
    }
    data |= {"derived_from": ["d"], "channel": {"encrypted": False, "protocol": "p"}, "reference": "order-1"}
    envelope = {"traceparent": "t", "correlationid": "c", "causationid": "c", "sequence": "1.1", "extension": "x"}
    return {**message, **envelope, "data": {**message["data"], **data}}


@pytest.mark.parametrize("seed", range(3))
def test_nothing_of_a_message_comes_out_where_no_name_is_meant(seed: int, logs: list[Any]) -> None:
    """Not in findings, dead letters, keys or logs; in decisions and copies only in fields for names and opaque ids."""
    outputs: list[Output] = []
    made = checker(rules=RULES)
    planted = list(_planted(seed))
    for record in planted:
        outputs += made.process([record])
        outputs += made.quarantine(record, ValueError(MARK))
    assert len(planted) > 300
    assert {json.loads(each.value or b"").get("code") for each in outputs} > {"bad_field", "bad_subject", "quarantined"}
    assert not _leaks(outputs)
    assert MARK not in repr(logs)


@pytest.mark.parametrize("seed", range(3))
def test_dead_letters_quote_nothing(seed: int) -> None:
    """Whatever breaks a message, its dead letter and its finding tell place, code and contract, not a word of it."""
    random = Random(seed)
    made = checker(rules=RULES)
    for _ in range(150):
        message = random.choice((messages.event, messages.consent))(random)
        paths = list(messages.markers(message, MARK))
        spoilt = messages.spoilt(random, random.choice(paths)[1])
        topic = random.choice((Topic.EVENTS, Topic.CONSENTS))
        outputs = made.process([Record(topic, 0, 0, 0, MARK.encode(), spoilt, ((f"x-{MARK}", MARK.encode()),))])
        assert not [
            each for each in outputs if each.topic == Topic.DEADLETTERS and MARK.encode() in (each.value or b"")
        ]
        assert not _leaks(outputs)


def test_values_in_headers_stay_there() -> None:
    """Binary mode's refusals quote no header: neither value nor a name of the message's own."""
    message = world.event(Random(1))
    attributes = {f"ce_{name}": str(value) for name, value in message.items() if name != "data"}
    for name in (*attributes, f"ce_{MARK}", "content-type"):
        for value in (MARK.encode(), MARK.encode() + b"\xff"):
            headers = {key: text.encode() for key, text in attributes.items()} | {name: value}
            record = event_record(0, message)._replace(
                value=json.dumps(message["data"]).encode(), headers=tuple(headers.items())
            )
            assert not _leaks(checker(rules=RULES).process([record]))


def test_only_a_decision_keeps_what_is_an_events_own() -> None:
    """Session, reference, task and ancestors are kept to judge the event anew: in the decision, and nowhere else."""
    message = _full(world.event(Random(2), kind=Kind.USE))
    for name in ("id", "agreement", "session", "task"):
        message["data"]["actor"][name] = MARK + name
    message["data"] |= {"reference": MARK, "derived_from": [MARK]}
    message |= {"traceparent": MARK, "causationid": MARK}
    Event.model_validate(message)
    outputs = checker(rules=RULES).process([event_record(0, message)])
    told = [json.loads(each.value or b"") for each in outputs]
    particulars = [each.pop("particulars") for each in told if each["type"] == "decision"]
    assert [set(each) for each in particulars] == [
        {"reference", "derived_from", *(f"actor_{name}" for name in ("id", "agreement", "session", "task"))}
    ]
    assert not list(_places(told, MARK))


def test_a_consents_key_is_told_in_no_refusal() -> None:
    """A tombstone whose key cannot be taken is refused without it."""
    for key in (f"{MARK}:a:b", f"{'0' * 32}:{MARK}", consent_key("f" * 32, MARK, MARK)):
        record = Record(Topic.CONSENTS, 0, 0, 0, key.encode(), None)
        assert not _leaks(checker(partitions=4, rules=RULES).process([record]))
