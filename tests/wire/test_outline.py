"""Reading an event without its data, by what was decoded before, takes and refuses what decoding takes and refuses."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowtrack.domain.event import Event
from flowtrack.errors import ContractError
from flowtrack.wire.decode import decode_event, outline_of, without_derived
from flowtrack.wire.encode import encode
from tests.wire import messages

ENVELOPE = ("id", "source", "type", "subject", "time", "correlationid", "sequence")
IDS: tuple[list[str], ...] = (
    ["a"],
    ["0123456789abcdef" * 2],
    ["a", "b,}]"],
    ['"'],
    ["\\"],
    ["한국"],
    [""],
    ["x" * 256],
    ["x" * 257],
    [],
)


class Reader:
    """Whoever remembers data: what was decoded once, by its key."""

    def __init__(self) -> None:
        self.known: dict[tuple[str, str, bytes], Event] = {}
        self.hits = 0

    def check(self, value: bytes) -> None:
        """Hold what is known of a message against decoding it."""
        try:
            event = decode_event(value)
        except ContractError:
            event = None
        found = outline_of(value)
        if found is None:
            return
        outline, subject, key = found
        same = self.known.get(key)
        if same is not None:
            self.hits += 1
            assert event is not None
            assert event.data == same.data
            self._check_envelope(outline, subject, event)
        self._check_cut(key, event)
        if event is not None:
            self.known[key] = event

    def _check_envelope(self, outline: Any, subject: bytes, event: Event) -> None:
        assert subject.hex() == event.subject
        for name in ENVELOPE:
            assert getattr(outline, name) == getattr(event, name)

    def _check_cut(self, key: tuple[str, str, bytes], event: Event | None) -> None:
        cut = without_derived(key[2])
        if cut is None:
            return
        same = self.known.get((*key[:2], cut[0]))
        if same is not None and same.data.derived_from is None:
            self.hits += 1
            assert event is not None
            assert event.data.derived_from == json.loads(cut[1])
            assert _without(event) == _without(same)
        if event is not None:
            rest = {**json.loads(encode(event)), "data": json.loads(cut[0])}
            alone = decode_event(json.dumps(rest).encode())
            self.known[key[0], key[1], cut[0]] = alone


def _without(event: Event) -> Any:
    data = json.loads(encode(event))["data"]
    data.pop("derived_from", None)
    return data


def _varied(random: Random, message: dict[str, Any]) -> bytes:
    """The message as it comes again: of another origin, spoilt, written closely, with a name twice; or as it was."""
    data = message.get("data")
    if isinstance(data, dict) and random.random() < 0.6:
        where = list(data.items())
        where.insert(random.randint(0, len(where)), ("derived_from", random.choice(IDS)))
        message = {**message, "data": dict(where)}
        if random.random() < 0.2 and isinstance(data.get("channel"), dict):
            message["data"]["channel"] = {**data["channel"], "derived_from": ["a"]}
    value = messages.spoilt(random, message) if random.random() < 0.5 else json.dumps(message).encode()
    if random.random() < 0.7:
        value = value.replace(b'", "', b'","').replace(b'": ', b'":').replace(b', "', b',"')
    if random.random() < 0.3:
        twice = random.choice((b'"data":{"a":"\xff"},', b'"d\\u0061ta":1,', b'"data" :{},', b'"derived_from":["z"],'))
        at = value.find(random.choice((b'"id"', b'"data"', b'"purpose"', b'"categories"')))
        value = value[:at] + twice + value[at:] if at >= 0 else value
    return value


@settings(max_examples=300)
@given(st.integers(0, 2**64))
def test_known_data_need_not_be_read_again(seed: int) -> None:
    """Where data was decoded before, its event is taken, is what its outline says, and has equal data."""
    random, reader = Random(seed), Reader()
    shapes = [messages.event(random) for _ in range(3)]
    for _ in range(40):
        shape = random.choice(shapes)
        reader.check(_varied(random, {**shape, "id": f"e{random.random()}"}))


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_a_hundred_thousand_messages_by_what_was_known(part: int) -> None:
    """The same over 100,000 messages with fixed seeds, of which thousands are known already."""
    random, reader = Random(part), Reader()
    for _ in range(50):
        shapes = [messages.event(random) for _ in range(20)]
        for _ in range(500):
            reader.check(_varied(random, random.choice(shapes)))
    assert reader.hits > 1_000


def test_a_subject_is_checked_by_its_bytes() -> None:
    """What is no pseudonym has no outline, so that decoding says why."""
    message = {**messages.event(Random(1)), "subject": "0123456789abcdef" * 2}
    assert outline_of(json.dumps(message, ensure_ascii=False).encode()) is not None
    for subject in ("0123456789ABCDEF" * 2, "01 " * 10 + "01", "0" * 31, "0" * 33, "0" * 32 + "\n", "g" * 32, "é" * 32):
        value = json.dumps({**message, "subject": subject}, ensure_ascii=False).encode()
        assert outline_of(value) is None
        with pytest.raises(ContractError):
            decode_event(value)


@pytest.mark.parametrize(
    ("data", "cut"),
    [
        (b'{"a":1,"derived_from":["x","y"]}', (b'{"a":1}', b'["x","y"]')),
        (b'{"a":1,"derived_from":["x"],"b":[1]}', (b'{"a":1,"b":[1]}', b'["x"]')),
        (b'{"a":{"b":1,"derived_from":["x"]}}', None),
        (b'{"a":1,"derived_from":["x"],"b":{}}', None),
        (b'{"a":1,"derived_from":[""]}', None),
        (b'{"a":1,"derived_from":[]}', None),
        (b'{"a":1,"derived_from":["x", "y"]}', None),
        (b'{"derived_from":["x"]}', None),
        (b'{"derived_from":[""],"a":1,"derived_from":["x"]}', None),
    ],
)
def test_origins_are_cut_out_where_that_is_sure(data: bytes, cut: tuple[bytes, bytes] | None) -> None:
    """Only a member of the data itself, in plain characters and written closely, is cut out."""
    assert without_derived(data) == cut
