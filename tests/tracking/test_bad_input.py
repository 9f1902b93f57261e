"""Bad input: each kind of it has its defined outcome, and costs its neighbours nothing."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtrack.domain.names import DeadLetterCode, Gap
from flowtrack.tracking.records import Record, Topic
from flowtrack.wire.partition import partition_of
from tests.policy import world
from tests.tracking.checking import (
    check,
    checker,
    consent_record,
    event_record,
    record,
    records,
    told,
    tombstone,
)
from tests.wire import messages

SUBJECT = world.SUBJECTS[0]
GOOD: dict[str, Any] = {
    "specversion": "1.0",
    "id": "good",
    "source": "/services/shop",
    "type": "flowtrack.use.v1",
    "subject": SUBJECT,
    "time": world.iso(3),
    "data": {"categories": ["provided.name"], "purpose": "service.provide"},
    "sequence": "1.7",
}
TERMS: dict[str, Any] = {
    "specversion": "1.0",
    "id": "c-1",
    "source": "/consents",
    "type": "flowtrack.consent.v1",
    "subject": SUBJECT,
    "time": world.iso(1),
    "data": {"record": "terms", "kind": "terms", "state": "accepted"},
}


def changed(message: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """The message with one field set, or taken away (`...`)."""
    made = copy.deepcopy(message)
    *parents, name = path.split(".")
    place = made
    for parent in parents:
        place = place[parent]
    if value is ...:
        del place[name]
    else:
        place[name] = value
    return made


def _away(**gone: float) -> str:
    return (world.instant(world.INSTANTS) + timedelta(**gone)).isoformat()


BAD_EVENTS: list[tuple[str, Any, str]] = [
    ("no JSON", b"{", "not_json"),
    ("no UTF-8", b'{"id": "\xff"}', "not_json"),
    ("nested without end", b"[" * 100_000, "not_json"),
    ("empty", b"", "not_json"),
    ("no value", None, "not_json"),
    ("a list", b"[]", "not_cloudevent"),
    ("a number", b"7", "not_cloudevent"),
    ("no envelope", b"{}", "not_cloudevent"),
    ("another specification", changed(GOOD, "specversion", "0.3"), "not_cloudevent"),
    ("id of another type", changed(GOOD, "id", 7), "not_cloudevent"),
    ("unknown kind", changed(GOOD, "type", "flowtrack.sell.v1"), "unknown_type"),
    ("a consent among events", TERMS, "unknown_type"),
    ("future version", changed(GOOD, "type", "flowtrack.use.v2"), "unknown_version"),
    ("no data", changed(GOOD, "data", ...), "missing_field"),
    ("no subject", changed(GOOD, "subject", ...), "missing_field"),
    ("no purpose", changed(GOOD, "data.purpose", ...), "missing_field"),
    ("share without recipient", changed(GOOD, "type", "flowtrack.share.v1"), "missing_field"),
    ("no categories", changed(GOOD, "data.categories", []), "bad_field"),
    ("65 categories", changed(GOOD, "data.categories", ["provided.name"] * 65), "bad_field"),
    ("purpose of another type", changed(GOOD, "data.purpose", ["service"]), "bad_field"),
    ("unknown field", changed(GOOD, "data.email", "x"), "bad_field"),
    ("unknown basis", changed(GOOD, "data.basis", "because"), "bad_field"),
    ("a source that is no service", changed(GOOD, "source", "/users/7"), "bad_field"),
    ("subject is a name", changed(GOOD, "subject", "alice"), "bad_subject"),
    ("subject in capitals", changed(GOOD, "subject", "A" * 32), "bad_subject"),
    ("subject and a line break", changed(GOOD, "subject", SUBJECT + "\n"), "bad_subject"),
    ("time without zone", changed(GOOD, "time", "2026-03-01T00:00:00"), "bad_time"),
    ("time as number", changed(GOOD, "time", "1772323200"), "bad_time"),
    ("a day that is none", changed(GOOD, "time", "2026-02-30T00:00:00Z"), "bad_time"),
    ("centuries ago", changed(GOOD, "time", "1626-03-01T00:00:00Z"), "time_out_of_range"),
    ("centuries ahead", changed(GOOD, "time", "2926-03-01T00:00:00Z"), "time_out_of_range"),
    ("401 days ago", changed(GOOD, "time", _away(days=-401)), "time_out_of_range"),
    ("six minutes ahead", changed(GOOD, "time", _away(minutes=6)), "time_out_of_range"),
    ("more than 1 MiB", changed(GOOD, "correlationid", "x" * 1_048_577), "too_large"),
]

BAD_CONSENTS: list[tuple[str, Any, str]] = [
    ("no JSON", b"{", "not_json"),
    ("empty", b"", "not_json"),
    ("an event among consents", GOOD, "unknown_type"),
    ("future version", changed(TERMS, "type", "flowtrack.consent.v9"), "unknown_version"),
    ("unknown kind", changed(TERMS, "data.kind", "promise"), "bad_field"),
    ("unknown state", changed(TERMS, "data.state", "maybe"), "bad_field"),
    ("no record", changed(TERMS, "data.record", ...), "missing_field"),
    ("scope of another shape", changed(TERMS, "data.scope", {"purposes": "service"}), "bad_field"),
    ("subject is a name", changed(TERMS, "subject", "alice"), "bad_subject"),
    ("time without zone", changed(TERMS, "time", "2026-03-01T00:00:00"), "bad_time"),
    ("another century", changed(TERMS, "time", "1926-03-01T00:00:00Z"), "time_out_of_range"),
    ("the next but one", changed(TERMS, "time", "2226-03-01T00:00:00Z"), "time_out_of_range"),
    ("expiry in another century", changed(TERMS, "data.expires", "9999-12-31T00:00:00Z"), "time_out_of_range"),
    ("more than 1 MiB", changed(TERMS, "id", "x" * 1_048_577), "too_large"),
]


def _ids(table: list[tuple[str, Any, str]]) -> list[str]:
    return [name for name, _, _ in table]


@pytest.mark.parametrize(("_name", "message", "code"), BAD_EVENTS, ids=_ids(BAD_EVENTS))
def test_a_bad_event_is_a_dead_letter_and_its_neighbours_are_judged(_name: str, message: Any, code: str) -> None:
    """A dead letter with the code and the place, a finding for the alerter, and everything around it decided."""
    batch = [
        consent_record(0, TERMS),
        event_record(0, GOOD),
        event_record(1, message),
        event_record(2, changed(GOOD, "sequence", "1.8")),
    ]
    found = check(batch)
    _assert_dead(found, Topic.EVENTS, 1, code)
    assert [(each["offset"], each["verdict"]) for each in found.decisions] == [(0, "permit"), (2, "permit")]


@pytest.mark.parametrize(("_name", "message", "code"), BAD_CONSENTS, ids=_ids(BAD_CONSENTS))
def test_a_bad_consent_is_a_dead_letter_and_its_neighbours_are_applied(_name: str, message: Any, code: str) -> None:
    """A consent record that cannot be read changes nothing; the next one counts."""
    found = check([consent_record(0, message), consent_record(1, TERMS), event_record(0, GOOD)])
    _assert_dead(found, Topic.CONSENTS, 0, code)
    assert [each["verdict"] for each in found.decisions] == ["permit"]
    assert [each["offset"] for each in found.consents] == [1]


def _assert_dead(found: Any, topic: Topic, offset: int, code: str) -> None:
    assert [(each["topic"], each["offset"], each["code"]) for each in found.dead] == [(topic, offset, code)]
    dead = [each for each in found.findings if each["what"] == "dead_letter"]
    assert [(each["reasons"], each["offset"], each["subject"]) for each in dead] == [([code], offset, "")]
    assert found.dead[0]["detail"]


def test_every_code_of_a_message_that_cannot_be_read_is_met() -> None:
    """Each dead-letter code that reading gives stands in the tables above or has a test below."""
    met = {code for _, _, code in (*BAD_EVENTS, *BAD_CONSENTS)}
    below = {"wrong_partition", "quarantined", "records_lost", "bad_signature"}  # the last is the SDK's and packs'
    assert met | below == set(DeadLetterCode)


def test_a_record_on_the_wrong_partition_is_a_dead_letter() -> None:
    """An event, a consent and a tombstone on a partition that is not their subject's are refused."""
    other = "00000001" + "0" * 24
    wrong = 1 - partition_of(other, 2)
    made = checker(partitions=2)
    batch = [
        consent_record(0, changed(TERMS, "subject", other), partition=wrong),
        event_record(0, changed(GOOD, "subject", other), partition=wrong),
        tombstone(1, changed(TERMS, "subject", other))._replace(partition=wrong),
    ]
    found = told(made.process(batch))
    assert [each["code"] for each in found.dead] == ["wrong_partition"] * 3
    assert not found.decisions
    assert not found.consents


@pytest.mark.parametrize("key", [None, b"", SUBJECT.encode(), b"a:b:c", f"{SUBJECT}:terms:c-2".encode(), b"\xff"])
def test_a_consent_under_a_foreign_key_is_a_dead_letter(key: bytes | None) -> None:
    """Under a key that is not its own, compaction would take other records away, or this one: it is refused."""
    found = check([consent_record(0, TERMS, key=key), event_record(0, GOOD)])
    assert [(each["code"], each["field"]) for each in found.dead] == [("bad_field", "key")]
    assert [each["verdict"] for each in found.decisions] == ["deny"]


@pytest.mark.parametrize(
    ("key", "code"),
    [
        (b"", "bad_field"),
        (b"alice:terms:c-1", "bad_subject"),
        (SUBJECT.encode(), "bad_field"),
        (f"{SUBJECT}::".encode(), "bad_field"),
        (b"\xff:\xff:\xff", "bad_subject"),
    ],
)
def test_a_tombstone_under_a_key_that_is_none_is_a_dead_letter(key: bytes, code: str) -> None:
    """What cannot say whose record it erases erases none."""
    batch = [consent_record(0, TERMS), consent_record(1, TERMS, key=key)._replace(value=None), event_record(0, GOOD)]
    found = check(batch)
    assert [each["code"] for each in found.dead] == [code]
    assert [each["verdict"] for each in found.decisions] == ["permit"]


def test_a_tombstone_erases_one_record() -> None:
    """After a tombstone the record is as if it had never been; one for an unknown record changes nothing."""
    later = changed(changed(TERMS, "id", "c-2"), "data.record", "usage")
    later = changed(changed(later, "data.kind", "usage"), "data.state", "using")
    gone = changed(TERMS, "id", "c-9")
    one = check([consent_record(0, TERMS), tombstone(1, gone), tombstone(2, TERMS), event_record(0, GOOD)])
    two = check([consent_record(0, TERMS), consent_record(1, later), tombstone(2, TERMS), event_record(0, GOOD)])
    assert [each["verdict"] for each in (*one.decisions, *two.decisions)] == ["deny", "permit"]
    assert not one.dead


@pytest.mark.parametrize(
    ("change", "gap"),
    [
        (("source", "/services/unheard-of"), Gap.UNKNOWN_SERVICE),
        (("data.categories", ["unheard.of"]), Gap.UNKNOWN_CATEGORY),
        (("data.purpose", "unheard.of"), Gap.UNKNOWN_PURPOSE),
        (("data.combined_with", ["unheard-of"]), Gap.UNKNOWN_SERVICE),
    ],
)
def test_a_name_that_nobody_knows_is_a_gap(change: tuple[str, Any], gap: Gap) -> None:
    """A well-formed event with an unknown name is kept, indeterminate, and told to the alerter with the gap."""
    message = changed(GOOD, *change)
    if gap is Gap.UNKNOWN_SERVICE and change[0] != "source":
        message = changed(message, "data.purpose", "personalisation")
    found = check([consent_record(0, TERMS), event_record(0, message)])
    assert [each["verdict"] for each in found.decisions] == ["indeterminate"]
    assert [(each["what"], each["gaps"]) for each in found.findings] == [("indeterminate", [gap])]
    assert not found.dead


@pytest.mark.parametrize(
    ("recipient", "place", "gap"), [("unheard-of", "KR", "unknown_party"), ("paycorp", "XQ", "unknown_region")]
)
def test_an_unknown_recipient_or_place_is_a_gap(recipient: str, place: str, gap: str) -> None:
    """A share to somebody, or to somewhere, that nobody knows is indeterminate."""
    data = {"recipient": recipient, "destination": place, "basis": "affiliate", "channel": {"encrypted": True}}
    share = changed(changed(GOOD, "type", "flowtrack.share.v1"), "data", {**GOOD["data"], **data})
    found = check([consent_record(0, TERMS), event_record(0, share)])
    assert [each["verdict"] for each in found.decisions] == ["indeterminate"]
    assert gap in found.decisions[0]["categories"][0]["gaps"]


def test_duplicates_are_kept_and_the_second_is_suspect() -> None:
    """A repeat is decided like the first; whether it counts the sink decides, by the flag."""
    batch = [event_record(0, changed(GOOD, "sequence", "1.6")), event_record(1, GOOD), event_record(2, GOOD)]
    found = check(batch)
    assert [(each["event_id"], each["suspect"]) for each in found.decisions] == [
        ("good", True),  # a producer that nobody has met may have sent this before
        ("good", False),
        ("good", True),
    ]


@pytest.mark.parametrize("sequence", [None, "", "7", "1.", ".", "1.x", "1.-7", "1.²", "x" * 64])
def test_an_event_without_a_usable_number_is_suspect(sequence: str | None) -> None:
    """Nothing can be told from such a number, so the sink must look; the event is decided all the same."""
    first, second = changed(GOOD, "sequence", "1.1"), changed(GOOD, "sequence", sequence)
    found = check([event_record(0, first), event_record(1, second), event_record(2, second)])
    assert [each["suspect"] for each in found.decisions] == [True, True, True]


def test_numbers_of_different_producers_do_not_meet() -> None:
    """Each service, and each epoch of one, counts for itself."""
    sources = ["/services/shop", "/services/wallet"]
    sent = [(source, f"{epoch}.{number}") for number in (1, 2) for source in sources for epoch in ("1", "2")]
    batch = [
        event_record(at, changed(changed(GOOD, "source", source), "sequence", sequence))
        for at, (source, sequence) in enumerate(sent)
    ]
    assert [each["suspect"] for each in check(batch).decisions] == [True] * 4 + [False] * 4


def _binary(message: dict[str, Any], offset: int, **headers: bytes) -> Record:
    attributes = {name: value for name, value in message.items() if name != "data"}
    found = {f"ce_{name}": str(value).encode() for name, value in attributes.items()} | headers
    made = (consent_record if "record" in message["data"] else event_record)(offset, message)
    given = {"content-type": b"application/json", **found}
    return made._replace(value=json.dumps(message["data"]).encode(), headers=tuple(given.items()))


def test_binary_mode_is_read_like_structured_mode() -> None:
    """The same event and consent in either content mode give the same decision."""
    structured = check([consent_record(0, TERMS), event_record(0, GOOD)])
    binary = check([_binary(TERMS, 0), _binary(GOOD, 0)])
    assert binary.decisions == structured.decisions
    assert [each["verdict"] for each in binary.decisions] == ["permit"]


@pytest.mark.parametrize(
    ("record_", "code"),
    [
        (_binary(GOOD, 0)._replace(value=None), "missing_field"),
        (_binary(GOOD, 0)._replace(value=b"{"), "not_json"),
        (_binary(GOOD, 0, ce_subject=b"alice"), "bad_subject"),
        (_binary(GOOD, 0, ce_subject=b"\xff"), "not_cloudevent"),
        (_binary(GOOD, 0)._replace(value=b'{}, "subject": "x"'), "not_json"),
        (_binary(GOOD, 0, **{"content-type": b"application/cloudevents+avro"}), "not_cloudevent"),
    ],
)
def test_bad_binary_mode_is_a_dead_letter(record_: Record, code: str) -> None:
    """Headers and value are checked like everything else."""
    found = check([record_])
    assert [each["code"] for each in found.dead] == [code]
    assert not found.decisions


def test_a_quarantined_record_is_a_dead_letter() -> None:
    """What makes the checker itself fail is put aside with its place, and without what it held."""
    found = told(checker().quarantine(event_record(5, GOOD), ValueError("zq-marker")))
    _assert_dead(found, Topic.EVENTS, 5, "quarantined")
    assert "zq-marker" not in json.dumps(found)


@given(st.integers(0, 2**32))
def test_whatever_arrives_is_answered_once(seed: int) -> None:
    """Every record of a batch of spoilt messages gives one decision or one dead letter, and none breaks the batch."""
    random = Random(seed)
    make: tuple[tuple[Callable[[Random], Any], Topic], ...] = (
        (messages.event, Topic.EVENTS),
        (messages.consent, Topic.CONSENTS),
        (world.event, Topic.EVENTS),
        (world.consent, Topic.CONSENTS),
    )
    batch = []
    for offset in range(12):
        source, topic = random.choice(make)
        message = source(random)
        spoilt = messages.spoilt(random, message)
        key = consent_record(0, message).key if topic is Topic.CONSENTS else b""
        batch.append(record(topic, offset, spoilt, key=key, partition=0))
    found = check(batch)
    answered = [(Topic.EVENTS, each["offset"]) for each in found.decisions]
    answered += [(Topic.CONSENTS, each["offset"]) for each in found.consents]
    answered += [(each["topic"], each["offset"]) for each in found.dead]
    assert sorted(answered) == sorted((each.topic, each.offset) for each in batch)
    assert len([each for each in found.findings if each["what"] == "dead_letter"]) == len(found.dead)


def test_what_could_not_be_read_before_is_passed_over_when_a_partition_is_taken_over() -> None:
    """The dead letters of a replayed history were written when it was first met."""
    history = [consent_record(offset, message) for offset, (_, message, _) in enumerate(BAD_CONSENTS)]
    history.append(consent_record(len(history), TERMS))
    found = told(checker(history=history).process([event_record(0, GOOD)]))
    assert [each["verdict"] for each in found.decisions] == ["permit"]
    assert not found.dead


def test_the_range_of_time_is_closed() -> None:
    """400 days before its arrival and five minutes after it an event still counts."""
    edges = [changed(GOOD, "time", _away(**gone)) for gone in ({"days": -400}, {"minutes": 5})]
    assert not check(records(edges)).dead
