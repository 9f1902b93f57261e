"""Both content modes of the CloudEvents Kafka binding."""

from __future__ import annotations

import json
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtrack.errors import ContractError
from flowtrack.wire.cloudevents import STRUCTURED, structured
from flowtrack.wire.decode import decode_event
from tests.wire import messages


def split(
    message: dict[str, object], content_type: bytes = b"application/json"
) -> tuple[list[tuple[str, bytes]], bytes]:
    """A message in binary mode: headers and value."""
    headers = [(f"ce_{name}", str(value).encode()) for name, value in message.items() if name != "data"]
    return [*headers, ("content-type", content_type)], json.dumps(message["data"]).encode()


@given(seed=st.integers(0, 2**64))
def test_both_modes_say_the_same(seed: int) -> None:
    """An event sent in binary mode is read as the same event sent structured."""
    message = messages.event(Random(seed))
    headers, body = split(message)
    assert decode_event(structured(headers, body)) == decode_event(json.dumps(message).encode())


@pytest.mark.parametrize(
    "headers",
    [
        (),
        (("content-type", b"application/cloudevents+json; charset=UTF-8"),),
        (("Content-Type", b"APPLICATION/CloudEvents+JSON"), ("ce_id", b"other")),
        (("x-request", b"\xff"),),
    ],
)
def test_structured_mode_passes_through(headers: tuple[tuple[str, bytes], ...]) -> None:
    """A structured message stays as it is, whatever headers come beside it."""
    assert structured(headers, b"body") == b"body"
    assert structured(dict(headers), b"body") == b"body"


def test_tombstone_stays_one() -> None:
    """No headers and no value is a tombstone; with attributes in headers it is an event without data."""
    assert structured((), None) is None
    headers, _ = split(messages.event(Random(1)))
    with pytest.raises(ContractError) as refusal:
        decode_event(structured(headers, None))
    assert (refusal.value.code, refusal.value.field) == ("missing_field", "data")


@pytest.mark.parametrize("name", ["specversion", "id", "source", "type"])
def test_missing_attribute(name: str) -> None:
    """A binary-mode message without a required attribute is no CloudEvent."""
    headers, body = split(messages.event(Random(1)))
    with pytest.raises(ContractError) as refusal:
        decode_event(structured([header for header in headers if header[0] != f"ce_{name}"], body))
    assert (refusal.value.code, refusal.value.field) == ("not_cloudevent", name)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ce_id", b"\xffzq-marker"),
        ("ce_zq-marker", b"\xff"),
        ("ce_data", b"zq-marker"),
        ("content-type", b"application/cloudevents+avro"),
        ("content-type", b"application/cloudevents-batch+json"),
    ],
)
def test_headers_that_are_refused(name: str, value: bytes) -> None:
    """Headers that are no UTF-8, take the data's name or name another format are refused without being quoted."""
    headers, body = split(messages.event(Random(1)))
    with pytest.raises(ContractError) as refusal:
        structured({**dict(headers), name: value}, body)
    assert refusal.value.code == "not_cloudevent"
    assert "zq-marker" not in f"{refusal.value} {refusal.value.field}"


@pytest.mark.parametrize("body", [b'{},"subject":"x"', b"", b"{", b'{"a":NaN}', b"\x00\x01avro"])
def test_value_must_be_one_json_value(body: bytes) -> None:
    """The value of a binary-mode message cannot add attributes, and is refused when it is not JSON."""
    headers, _ = split(messages.event(Random(1)))
    with pytest.raises(ContractError) as refusal:
        structured(headers, body)
    assert refusal.value.code == "not_json"


def test_written_content_type_is_read_as_structured() -> None:
    """The content type that goes with what we write leads back to structured mode."""
    assert structured([("content-type", STRUCTURED.encode())], b"{}") == b"{}"
