"""The fast decoder, the careful reading and the model give the same answer to any message."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from flowtrack.domain.consent import ConsentRecord
from flowtrack.domain.event import Event
from flowtrack.errors import ContractError
from flowtrack.wire.decode import CONSENTS, EVENTS, decode_consent, decode_event
from flowtrack.wire.derive import decoder_of
from flowtrack.wire.encode import encode
from flowtrack.wire.refusal import REFUSALS, CloudEventReader
from tests.wire import messages

FAMILIES: tuple[tuple[type[BaseModel], Any, CloudEventReader[Any], Callable[[Random], dict[str, Any]]], ...] = (
    (Event, decode_event, EVENTS, messages.event),
    (ConsentRecord, decode_consent, CONSENTS, messages.consent),
)
SEEDS = st.integers(0, 2**64)


def answer(read: Callable[[bytes], Any], value: bytes) -> tuple[str, str] | bytes:
    """What a reader makes of a message: the code and field that it refuses, or the content."""
    try:
        return encode(read(value))
    except ContractError as refusal:
        return refusal.code, refusal.field


def alike(ours: Any, models: Any) -> bool:
    """Equal but for fractions of a second beyond the microsecond, which pydantic cuts off and the decoder rounds."""
    if isinstance(ours, datetime) and isinstance(models, datetime):
        return abs(ours - models) <= timedelta(microseconds=1) and ours.utcoffset() == models.utcoffset()
    if isinstance(ours, list):
        return len(ours) == len(models) and all(map(alike, ours, models))
    if isinstance(ours, msgspec.Struct):
        return all(alike(getattr(ours, name), getattr(models, name)) for name in type(models).model_fields)
    return bool(ours == models) and type(ours) is type(models)


@settings(max_examples=1_000)
@given(seed=SEEDS, family=st.sampled_from(FAMILIES))
def test_same_answer(seed: int, family: tuple[Any, Any, CloudEventReader[Any], Any]) -> None:
    """Whatever happened to a message, the fast way and the careful way accept it alike or refuse it with one code."""
    _, decode, reader, make = family
    random = Random(seed)
    value = messages.spoilt(random, make(random))
    assert answer(decode, value) == answer(reader.read, value)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_same_answer_to_a_hundred_thousand_messages(part: int) -> None:
    """The same over 100,000 messages with fixed seeds, a quarter of them in each part."""
    for seed in range(part, 100_000, 4):
        _, decode, reader, make = FAMILIES[seed // 4 % 2]
        random = Random(seed)
        value = messages.spoilt(random, make(random))
        assert answer(decode, value) == answer(reader.read, value), f"seed {seed}"


@settings(max_examples=1_000)
@given(seed=SEEDS, family=st.sampled_from(FAMILIES))
def test_never_more_lenient_than_the_model(seed: int, family: tuple[Any, Any, Any, Any]) -> None:
    """What the fast decoder accepts, the model accepts in strict mode, with the same content."""
    model, _, _, make = family
    random = Random(seed)
    value = messages.spoilt(random, make(random))
    try:
        fast = decoder_of(model)(value)
    except REFUSALS:
        fast = None
    if fast is not None:
        assert alike(fast, model.model_validate_json(value, strict=True))


@given(seed=SEEDS, family=st.sampled_from(FAMILIES))
def test_right_messages_take_the_fast_way_and_come_back(seed: int, family: tuple[Any, Any, Any, Any]) -> None:
    """Unspoilt messages are accepted by the fast decoder itself, and are the same after writing and reading again."""
    model, decode, _, make = family
    value = encode(model.model_validate_json(msgspec.json.encode(make(Random(seed))), strict=True))
    fast = decoder_of(model)(value)
    assert fast == decode(value)
    assert encode(fast) == value
    assert decode(encode(fast)) == fast


@given(value=st.binary(max_size=200))
def test_any_bytes_have_a_defined_answer(value: bytes) -> None:
    """Bytes that no service would send are refused with a code, never with another exception."""
    for _, decode, _, _ in FAMILIES:
        with pytest.raises(ContractError):
            decode(value)
