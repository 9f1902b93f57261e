"""What the workers write, read again; and the twins that stand for the models."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest
from jsonschema import Draft7Validator
from pydantic import BaseModel, Field

from flowtrack.domain.decision import Decision, Marker
from flowtrack.domain.event import Event, EventData, missing_field
from flowtrack.domain.names import Kind, Reason
from flowtrack.errors import ContractError
from flowtrack.tracking.records import Topic
from flowtrack.wire.asyncapi import CHANNELS
from flowtrack.wire.decisions import decode_registry, decode_tracked
from flowtrack.wire.derive import decoder_of, struct_of
from flowtrack.wire.encode import encode
from flowtrack.wire.schemas import generate

EXAMPLES = Path(__file__).parents[2] / "schemas" / "examples"
TRACKED = sorted(
    path for name in ("decision", "situation", "marker", "consent-copy") for path in (EXAMPLES / name).glob("*.json")
)


@pytest.mark.parametrize("path", TRACKED, ids=lambda path: path.stem)
def test_tracked_records_come_back(path: Path) -> None:
    """A record of the decisions topic is told apart by `type`, and the same after writing and reading again."""
    tracked = decode_tracked(path.read_bytes())
    assert tracked.type == json.loads(path.read_bytes())["type"]
    assert decode_tracked(encode(tracked)) == tracked


def test_model_and_twin_are_written_alike() -> None:
    """A decision made as a model and one read as its twin give the same bytes."""
    value = (EXAMPLES / "decision" / "share.json").read_bytes()
    model = Decision.model_validate_json(value)
    assert decode_tracked(encode(model)) == decode_tracked(encode(decode_tracked(value)))
    assert json.loads(encode(model)) == json.loads(encode(decode_tracked(value)))
    decision = decode_tracked(encode(model))
    assert decision.type == "decision"
    assert decision.categories[1].reasons == [Reason.EXCESSIVE]


def test_null_that_is_no_default_is_written() -> None:
    """A marker of the registry says that it has no subject: the field is required, and null is a value of it."""
    value = (EXAMPLES / "marker" / "registry.json").read_bytes()
    assert b'"subject":null' in encode(Marker.model_validate_json(value))
    assert b'"subject":null' in encode(decode_tracked(value))


@pytest.mark.parametrize("value", [b"{}", b"[]", b'{"type":7}', b'{"type":"zq-marker"}', b'{"type":["decision"]}'])
def test_unknown_record_is_refused(value: bytes) -> None:
    """A record of no known type is refused by code, and not quoted."""
    with pytest.raises(ContractError) as refusal:
        decode_tracked(value)
    assert refusal.value.code == "unknown_type"
    assert "zq-marker" not in str(refusal.value)


def test_registry_reads_both_names_of_a_start() -> None:
    """In a registry `from` and `since` mean the same, as in its YAML."""
    one, other = (
        decode_registry(b'{"sessions":{"s":{"%b":"2026-01-01T00:00:00Z"}}}' % name) for name in (b"from", b"since")
    )
    assert one == other


def test_twin_has_the_models_shape() -> None:
    """A twin has the model's attributes in its order, is frozen, and serves functions written for the model."""
    twin = struct_of(Event)
    assert list(twin.__struct_fields__) == list(Event.model_fields)
    assert twin is struct_of(Event)
    data = decoder_of(EventData)(b'{"categories":["a"]}')
    assert missing_field(Kind.USE, data) == "purpose"
    with pytest.raises(AttributeError):
        data.purpose = "service"  # type: ignore[misc]  # frozen: that it fails is what is tested


def test_twin_of_a_constraint_without_counterpart_is_refused() -> None:
    """A constraint that the fast decoder could not hold stops its making: it must never be the more lenient one."""

    class Odd(BaseModel):
        number: Annotated[int, Field(allow_inf_nan=False)] = 1

    with pytest.raises(TypeError, match=r"`Odd\.number`"):
        struct_of(Odd)


def test_asyncapi_names_the_topics() -> None:
    """The AsyncAPI document has a channel for every topic, and no other, each with what it carries."""
    assert {f"flowtrack.{name}" for name in CHANNELS} == {topic.value for topic in Topic}
    assert all(channel["messages"] for channel in generate()["asyncapi.json"]["channels"].values())


def test_asyncapi_fits_its_published_schema() -> None:
    """The document is what AsyncAPI 3.0.0 says that one is, and each schema that it refers to is there."""
    published = json.loads((Path(__file__).parent / "published" / "asyncapi-3.0.0.json").read_text(encoding="utf-8"))
    documents = generate()
    document = documents["asyncapi.json"]
    assert sorted(error.json_path for error in Draft7Validator(published).iter_errors(document)) == []
    broken = {**document, "channels": {"events": {"address": 1}}}
    assert not Draft7Validator(published).is_valid(broken)
    text = json.dumps(document)
    assert {*re.findall(r'"\$ref": "\./([^"]+)"', text)} <= set(documents)


def test_twins_are_not_tracked_by_the_collector() -> None:
    """Millions of decoded events cost the garbage collector nothing."""
    config: Any = struct_of(Event).__struct_config__
    assert isinstance(config, msgspec.structs.StructConfig)
    assert config.gc is False
