"""Reading events and consents: codes and their order, time ranges, sizes and hostile JSON."""

from __future__ import annotations

import json
import traceback
from random import Random
from typing import Any

import pytest

from flowtrack.domain.event import TYPES
from flowtrack.domain.instants import DAY_US, from_us
from flowtrack.domain.names import Basis, Consideration, Kind
from flowtrack.errors import ContractError
from flowtrack.wire.decode import check_time_range, decode_consent, decode_event, kind_of
from flowtrack.wire.encode import encode_event
from tests.wire import messages

SHARE: dict[str, Any] = {
    "specversion": "1.0",
    "id": "share-0001",
    "source": "/services/checkout",
    "type": "flowtrack.share.v1",
    "subject": "3f9d2c41a7b85e06d1f4937c20ab6e58",
    "time": "2026-03-05T09:30:00Z",
    "data": {
        "categories": ["provided.name"],
        "purpose": "service.provide",
        "basis": "processor",
        "recipient": "courier",
        "destination": "KR",
        "channel": {"encrypted": True},
    },
}


def share(**changes: Any) -> bytes:
    """The share event with envelope fields changed; None drops one."""
    return json.dumps({name: value for name, value in {**SHARE, **changes}.items() if value is not None}).encode()


def code(value: bytes | None, **options: Any) -> str:
    """The code that a message is refused with."""
    with pytest.raises(ContractError) as refusal:
        decode_event(value, **options)
    return refusal.value.code


def test_fields_are_typed() -> None:
    """A decoded event holds enum members, aware times and defaults, as the model would."""
    event = decode_event(share())
    assert event.data.basis is Basis.PROCESSOR
    assert event.data.consideration is Consideration.NONE
    assert event.time == from_us(1_772_703_000_000_000)
    assert event.data.channel is not None
    assert event.data.channel.encrypted is True
    assert kind_of(event.type) is Kind.SHARE


def test_unknown_extensions_are_dropped() -> None:
    """Extension attributes of others are accepted and not carried on."""
    event = decode_event(share(partitionkey="x", tracestate="y"))
    assert event == decode_event(share())


@pytest.mark.parametrize(
    "value", [None, b"", b"nothing", b"{", b'{"a":NaN}', b'"\xff"', b"\xef\xbb\xbf{}", b"[" * 10**6]
)
def test_not_json(value: bytes | None) -> None:
    """Nothing, no JSON, NaN, no UTF-8, a byte order mark and nesting without end are all `not_json`."""
    assert code(value) == "not_json"


@pytest.mark.parametrize("odd", ["[" * 300 + "]" * 300, '"\\ud800"', "Infinity", "9" * 5000])
def test_unreadable_extension_is_not_json(odd: str) -> None:
    """JSON that the model cannot read is refused where the fast decoder would only have to skip it."""
    value = share().replace(b"{", b'{"x":%b,' % odd.encode(), 1)
    assert code(value) == "not_json"


def test_too_large_comes_before_parsing() -> None:
    """A message above the limit is refused unread; one at the limit is read."""
    value = share()
    assert code(b"x" * 101, size_max_bytes=100) == "too_large"
    assert decode_event(value, size_max_bytes=len(value)).id == "share-0001"
    assert code(value, size_max_bytes=len(value) - 1) == "too_large"


def test_codes_are_told_in_order() -> None:
    """A message with several faults is refused for the first in the order of the contract; mended, for the next."""
    faults: list[tuple[str, dict[str, Any]]] = [
        ("not_cloudevent", {"specversion": "0.3"}),
        ("unknown_type", {"type": "shop.order.v1"}),
        ("unknown_version", {"type": "flowtrack.share.v9"}),
        ("bad_subject", {"subject": "x"}),
        ("missing_field", {"data": {**SHARE["data"], "recipient": None, "surplus": 1}}),
        ("bad_time", {"time": "yesterday"}),
        ("bad_field", {"data": {**SHARE["data"], "surplus": 1}}),
    ]
    for number, (expected, _) in enumerate(faults):
        changes: dict[str, Any] = {}
        for _, change in reversed(faults[number:]):
            changes.update(change)
        assert code(share(**changes)) == expected


def test_last_of_two_values_counts() -> None:
    """Of a name that occurs twice the last value counts, whatever the first was."""
    for first in (b'"other"', b"17", b'"share-0001"'):
        assert decode_event(share().replace(b"{", b'{"id":%b,' % first, 1)).id == "share-0001"


@pytest.mark.parametrize("number", [10**30, 2**64, 2**63])
def test_a_number_beyond_all_bounds_is_a_bad_field(number: int) -> None:
    """An integer beyond 64 bits is refused by the bound of its field, and never ends a worker."""
    message = messages.consent(Random(1))
    message["data"]["scope"] = {"storage": {"duration": {"max_days": number}}}
    with pytest.raises(ContractError) as caught:
        decode_consent(json.dumps(message).encode())
    assert (caught.value.code, caught.value.field) == ("bad_field", "data.scope.storage.duration.max_days")


def test_fractions_are_rounded_to_the_microsecond() -> None:
    """Nanoseconds, as Go and Java send them, are rounded, with and without foreign extensions."""
    for extensions in ({}, {"partitionkey": "x"}):
        assert decode_event(share(time="2026-03-05T09:30:00.1234567Z", **extensions)).time.microsecond == 123457


def test_time_range() -> None:
    """An event counts from 400 days before its arrival to five minutes after, both included."""
    received = 1_772_703_000_000_000
    for ok in (received, received - 400 * DAY_US, received + 300_000_000):
        check_time_range(ok, received)
    for wrong in (received - 400 * DAY_US - 1, received + 300_000_001):
        with pytest.raises(ContractError) as refusal:
            check_time_range(wrong, received)
        assert refusal.value.code == "time_out_of_range"


def test_kind_of_every_type() -> None:
    """Every type has its kind; another type is refused by code."""
    assert [kind_of(type_) for type_ in TYPES] == list(Kind)
    with pytest.raises(ContractError) as refusal:
        kind_of("flowtrack.share.v2")
    assert refusal.value.code == "unknown_type"


def test_encoding_leaves_defaults_out() -> None:
    """What is written has no nulls, no defaults and no blanks."""
    data = {**SHARE["data"], "consideration": "none", "protection": None, "role": "primary"}
    assert encode_event(decode_event(share(data=data))) == json.dumps(SHARE, separators=(",", ":")).encode()


def everything_told(refusal: BaseException) -> str:
    """All that a refusal says, whatever it hangs on included."""
    said = "".join(traceback.format_exception(refusal))
    current: BaseException | None = refusal
    while current is not None:
        said += f"{current} {current.args} {vars(current)}"
        current = current.__cause__ or current.__context__
    return said


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize("make", [messages.event, messages.consent])
def test_refusals_quote_nothing(seed: int, make: Any) -> None:
    """A marker in any place of a message, as value or as name, never shows in the refusal nor in what caused it."""
    decode = decode_event if make is messages.event else decode_consent
    told: list[tuple[messages.Path, str]] = []
    for path, marked in messages.markers(make(Random(seed)), "zq-marker"):
        try:
            decode(json.dumps(marked).encode())
        except ContractError as refusal:
            told.append((path, everything_told(refusal)))
    assert told
    assert [path for path, text in told if "zq-marker" in text] == []
