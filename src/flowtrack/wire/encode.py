"""Writing contracts: compact JSON, without what is left at its default."""

from __future__ import annotations

import msgspec
from pydantic import BaseModel

from flowtrack.domain.consent import ConsentRecord
from flowtrack.domain.event import Event

_twin = msgspec.json.Encoder().encode


def encode(contract: BaseModel | msgspec.Struct) -> bytes:
    """A model, or its structural twin, as compact JSON in UTF-8; both give what the model's decoder reads back."""
    if isinstance(contract, msgspec.Struct):
        return _twin(contract)
    return contract.__pydantic_serializer__.to_json(contract, by_alias=True, exclude_defaults=True)


def encode_event(event: Event) -> bytes:
    """An event as a structured-mode CloudEvent (CloudEvents JSON format 1.0.2)."""
    return encode(event)


def encode_consent(record: ConsentRecord) -> bytes:
    """A consent record as a structured-mode CloudEvent."""
    return encode(record)
