"""The examples in schemas/examples: what is right, and what is refused with which code."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel

from flowtrack.domain.consent import ConsentRecord, UsagePolicy
from flowtrack.domain.decision import (
    Alert,
    Amendment,
    ConsentCopy,
    DeadLetter,
    Decision,
    Finding,
    Marker,
    SituationDefinition,
)
from flowtrack.domain.event import Event
from flowtrack.domain.registry import RegistryDocument
from flowtrack.errors import ContractError
from flowtrack.policy.source import PackDocument
from flowtrack.wire.decisions import (
    decode_alert,
    decode_amendment,
    decode_dead_letter,
    decode_finding,
    decode_registry,
    decode_tracked,
    reader_of,
)
from flowtrack.wire.decode import decode_consent, decode_event
from flowtrack.wire.encode import encode
from flowtrack.wire.schemas import generate

FOLDER = Path(__file__).parents[2] / "schemas" / "examples"
SCHEMAS = {name.removesuffix(".json"): schema for name, schema in generate().items() if name != "asyncapi.json"}
READERS: dict[str, tuple[type[BaseModel], Callable[[bytes], Any]]] = {
    "consent.v1": (ConsentRecord, decode_consent),
    "usage-policy": (UsagePolicy, reader_of(UsagePolicy)),
    "registry": (RegistryDocument, decode_registry),
    "pack": (PackDocument, reader_of(PackDocument)),
    "decision": (Decision, decode_tracked),
    "situation": (SituationDefinition, decode_tracked),
    "marker": (Marker, decode_tracked),
    "consent-copy": (ConsentCopy, decode_tracked),
    "amendment": (Amendment, decode_amendment),
    "finding": (Finding, decode_finding),
    "alert": (Alert, decode_alert),
    "dead-letter": (DeadLetter, decode_dead_letter),
    **{name: (Event, decode_event) for name in SCHEMAS if name.startswith("event.")},
}
VALID = sorted(FOLDER.glob("*/*.json"))
INVALID = sorted(FOLDER.glob("*/invalid/*.json"))
TIME_ONLY = {"bad_time"}  # JSON Schema's `format` is an annotation: times are checked by the decoder alone


def name_of(path: Path) -> str:
    """What a test of an example is called."""
    return str(path.relative_to(FOLDER))


def test_every_schema_has_an_example() -> None:
    """Each contract has at least one valid example and one that is refused."""
    assert {path.parent.name for path in VALID} == set(SCHEMAS)
    assert {path.parent.parent.name for path in INVALID} == set(SCHEMAS)


@pytest.mark.parametrize("path", VALID, ids=name_of)
def test_valid_example(path: Path) -> None:
    """A valid example satisfies its JSON Schema, the model and the decoder; decoder and model read the same."""
    value = path.read_bytes()
    model, read = READERS[path.parent.name]
    Draft202012Validator(SCHEMAS[path.parent.name]).validate(json.loads(value))
    as_model = model.model_validate_json(value, strict=True)
    decoded = read(value)
    assert model.model_validate_json(encode(decoded)) == as_model


@pytest.mark.parametrize("path", INVALID, ids=name_of)
def test_invalid_example(path: Path) -> None:
    """An invalid example is refused with the code in its file name, and names a field wherever one is at fault."""
    _, read = READERS[path.parent.parent.name]
    code = path.name.partition("--")[0]
    with pytest.raises(ContractError) as refusal:
        read(path.read_bytes())
    assert refusal.value.code == code
    assert refusal.value.help
    if code in {"missing_field", "bad_time", "bad_subject"}:
        assert refusal.value.field


@pytest.mark.parametrize("path", [path for path in INVALID if not path.name.startswith("not_json")], ids=name_of)
def test_schema_refuses_what_the_decoder_refuses(path: Path) -> None:
    """JSON Schema refuses the invalid examples too, but for times, whose `format` it does not check."""
    schema = SCHEMAS[path.parent.parent.name]
    valid = Draft202012Validator(schema).is_valid(json.loads(path.read_bytes()))
    assert valid == (path.name.partition("--")[0] in TIME_ONLY and path.stem != "bad_time--seconds-since-1970")
