"""JSON Schema 2020-12 of every contract, generated from the models: `python -m flowtrack.wire.schemas [DIR]`.

The models stay the definition.  What they cannot say and `decode_event` asks for is added here: which fields a kind of
event needs, and that a source begins with `/services/`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

from pydantic import AliasChoices, BaseModel

from flowtrack.domain.consent import ConsentRecord, UsagePolicy
from flowtrack.domain.decision import (
    AlertRecord,
    Amendment,
    ConsentCopy,
    DeadLetter,
    Decision,
    Finding,
    Marker,
    SituationDefinition,
)
from flowtrack.domain.event import REQUIRED, SERVICE_SOURCE, TYPES, Event
from flowtrack.domain.names import Kind, Method
from flowtrack.domain.registry import RegistryDocument
from flowtrack.policy.source import PackDocument
from flowtrack.wire.asyncapi import document as asyncapi
from flowtrack.wire.derive import json_name, models_in
from flowtrack.wire.openlineage import facet_schemas

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

MODELS: Final[dict[str, tuple[type[BaseModel], str]]] = {
    "consent.v1": (ConsentRecord, "Consent record"),
    "usage-policy": (UsagePolicy, "Usage policy"),
    "registry": (RegistryDocument, "Registry document"),
    "pack": (PackDocument, "Policy pack"),
    "decision": (Decision, "Decision"),
    "situation": (SituationDefinition, "Situation"),
    "marker": (Marker, "Marker of late knowledge"),
    "consent-copy": (ConsentCopy, "Consent record as applied"),
    "amendment": (Amendment, "What judging anew changed"),
    "finding": (Finding, "Finding"),
    "alert": (AlertRecord, "Alert"),
    "dead-letter": (DeadLetter, "Dead letter"),
}
"""Name of the schema to its model and title; events have one schema for each kind beside these."""

Schema = dict[str, Any]


def generate() -> dict[str, Schema]:
    """File name to document: a JSON Schema for each contract, and `asyncapi.json` over them."""
    documents = {f"event.{kind.value}.v1.json": _event_schema(type_, kind) for type_, kind in TYPES.items()}
    for name, (model, title) in MODELS.items():
        documents[f"{name}.json"] = _schema(model, name, title)
    documents["asyncapi.json"] = asyncapi(sorted(documents))
    return documents


def write(folder: Path) -> None:
    """Write every document into the folder, in an order that makes differences readable."""
    facets = {f"openlineage/{name}": schema for name, schema in facet_schemas().items()}
    for name, document in {**generate(), **facets}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False)
        (folder / name).write_text(f"{text}\n", encoding="utf-8")


def _schema(model: type[BaseModel], name: str, title: str) -> Schema:
    schema = model.model_json_schema(by_alias=True, mode="validation")
    definitions = schema.get("$defs", {})
    for inner in _reached(model):
        _admit_aliases(definitions.get(inner.__name__, schema), inner)
    return {**schema, "$schema": DIALECT, "$id": f"urn:flowtrack:schema:{name}", "title": title}


def _reached(model: type[BaseModel]) -> set[type[BaseModel]]:
    """The model and every model in its fields."""
    direct = {inner for info in model.model_fields.values() for inner in models_in(info.annotation)}
    return {model}.union(*(_reached(inner) for inner in direct))


def _admit_aliases(schema: Schema, model: type[BaseModel]) -> None:
    """Add the other names that a field is read by, one of them at a time."""
    for name, info in model.model_fields.items():
        if isinstance(info.validation_alias, AliasChoices):
            written = json_name(name, info)
            for other in map(str, info.validation_alias.choices):
                if other != written:
                    schema["properties"][other] = {
                        **schema["properties"][written],
                        "title": other.capitalize(),
                        "description": f"Another name of `{written}`.",
                    }
                    schema["not"] = {"required": [written, other]}


def _event_schema(type_: str, kind: Kind) -> Schema:
    """The schema of one kind of event: the model's, its type fixed, and with what the kind needs."""
    schema = _schema(Event, f"event.{kind.value}.v1", f"{kind.value.capitalize()} event")
    schema["properties"]["type"] = {"const": type_, "type": "string", "title": "Type"}
    schema["properties"]["source"]["pattern"] = f"^{SERVICE_SOURCE}"
    data = schema["$defs"]["EventData"]
    for name in REQUIRED[kind]:
        data["properties"][name] = _never_null(data["properties"][name])
    if REQUIRED[kind]:
        data["required"] = list(REQUIRED[kind])
    if kind is Kind.COLLECT:
        data["if"] = {"properties": {"method": {"const": Method.RECEIVED.value}}, "required": ["method"]}
        data["then"] = _given("received_from")
    if kind is Kind.INCIDENT:
        data["anyOf"] = [_given(name) for name in ("service", "dataset", "party")]
    return schema


def _given(name: str) -> Schema:
    return {"properties": {name: {"not": {"type": "null"}}}, "required": [name]}


def _never_null(schema: Schema) -> Schema:
    """The schema of an optional field without null as a value or as its default."""
    rest = {key: value for key, value in schema.items() if key not in {"anyOf", "default"}}
    (one,) = (form for form in schema["anyOf"] if form != {"type": "null"})
    return {**rest, **one}


if __name__ == "__main__":
    write(Path(sys.argv[1] if len(sys.argv) > 1 else "schemas"))
