"""schemas/ says what the models say."""

from __future__ import annotations

import json
from pathlib import Path

from jsonschema import Draft202012Validator

from flowtrack.apps.api_document import document
from flowtrack.wire.schemas import generate


def test_schemas_are_in_step_with_the_models(root: Path) -> None:
    """Each file in schemas/ is what the models generate now, none is missing and none is left over."""
    generated = generate()
    generated["openapi.json"] = document()
    written = {path.name: json.loads(path.read_text(encoding="utf-8")) for path in (root / "schemas").glob("*.json")}
    assert sorted(written) == sorted(generated), "run `make schemas`"
    stale = [name for name, schema in generated.items() if written[name] != json.loads(json.dumps(schema))]
    assert not stale, f"run `make schemas`: {stale}"


def test_schemas_are_json_schema_2020_12() -> None:
    """Each generated JSON Schema names the dialect 2020-12 and is valid in it."""
    schemas = {name: schema for name, schema in generate().items() if "asyncapi" not in schema}
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)
    dialects = {name: schema.get("$schema") for name, schema in schemas.items()}
    assert set(dialects.values()) == {"https://json-schema.org/draft/2020-12/schema"}, dialects
