"""The OpenAPI document: what it says holds, for whatever a client sends."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from flowtrack.apps.api_document import document
from flowtrack.audit.roles import Role
from tests.api.conftest import Api

EXAMPLES = 8
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="session")
def described(shared: Api) -> schemathesis.schemas.BaseSchema:
    """The document of an API over a ledger in memory, asked in this process."""
    headers = {"authorization": f"Bearer {shared.token(*Role)}"}
    return schemathesis.openapi.from_asgi("/v1/openapi.json", shared.app, headers=headers)


@pytest.mark.parametrize("path", document()["paths"])
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(data=st.data())
def test_whatever_is_sent_gets_an_answer_or_a_problem(
    path: str, data: st.DataObject, shared: Api, described: Any
) -> None:
    """No parameter breaks it: each answer has a status, a type and a shape that the document names."""
    for mode in GenerationMode:
        case = data.draw(described[path]["GET"].as_strategy(generation_mode=mode))
        headers = {"authorization": f"Bearer {token_of(shared)}"}
        response = case.call_and_validate(headers=headers, checks=CHECKS)
        assert response.status_code < 500


@cache
def token_of(api: Api) -> str:
    """A token of every role."""
    return api.token(*Role)


def test_it_says_how_one_signs_in() -> None:
    """Every address takes a token or a session, and says what its problems look like."""
    described = document()
    assert described["openapi"].startswith("3.1")
    for path, methods in described["paths"].items():
        assert methods["get"]["security"] == [{"HTTPBearer": []}, {"APIKeyCookie": []}], path
        refusals = {status for status in methods["get"]["responses"] if status >= "4"}
        assert {"400", "401", "403", "422", "429", "500", "503", "504"} <= refusals, path
