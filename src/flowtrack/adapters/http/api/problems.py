"""Errors as problem details (RFC 9457): what was wrong in words of ours, never what was asked nor a foreign text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from http import HTTPStatus
from typing import Any, Final

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from flowtrack.adapters.http.api.desk import BusyError, SlowError
from flowtrack.adapters.http.api.limits import TooManyError
from flowtrack.adapters.http.api.oidc import ProviderError
from flowtrack.audit.families import FAMILIES
from flowtrack.audit.hints import did_you_mean
from flowtrack.domain.model import Contract
from flowtrack.errors import AccessError, FlowtrackError, QuestionError, StoreError, StoreMemoryError

PROBLEM_JSON: Final = "application/problem+json"
_RETRY_S = 2
_FAMILIES_AT: Final = "/v1/"
_LOST: Final = {404: "address", 405: "method"}
_HTML: Final = "text/html"
_WHERE: Final = frozenset({"query", "header", "path", "body", "cookie"})

Lost = Callable[[Request, int], Response]
"""Gives the page that says that an address is not there, for a request and a status."""

_log = structlog.get_logger(__name__)


class FieldProblem(Contract):
    """A parameter that is not right."""

    field: str
    detail: str


class Problem(Contract):
    """What went wrong, as RFC 9457 has it."""

    type: str
    """`urn:flowtrack:problem:` and what kind it is."""
    title: str
    status: int
    detail: str = ""
    help: str = ""
    """What to do."""
    fields: list[FieldProblem] = Field(default=[])
    """Which parameters are meant, and what is wrong with each."""


def problem(
    status: int,
    kind: str,
    *,
    detail: str = "",
    help: str = "",  # noqa: A002 - the word users read
    fields: list[FieldProblem] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Make an answer of a problem."""
    said = Problem(
        type=f"urn:flowtrack:problem:{kind}",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        help=help,
        fields=fields or [],
    )
    given = {"cache-control": "no-store", **(headers or {})}
    return JSONResponse(said.model_dump(exclude_defaults=True), status, given, PROBLEM_JSON)


def add_problems(app: FastAPI, lost: Lost | None = None) -> None:
    """Let every error of an app be answered by a problem.

    Args:
        app: the one.
        lost: gives the page for a browser that came to an address, or by a method, that there is not.
    """
    app.add_exception_handler(FlowtrackError, _ours)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, partial(_of_the_framework, lost))


def problem_of(error: FlowtrackError) -> JSONResponse:
    """Make an answer of one of our errors; what is not about the question stays in the log."""
    if isinstance(error, QuestionError):
        fields = [FieldProblem(field=error.where, detail=error.what)] if error.where else []
        return problem(400, "question", detail=error.what, help=error.help, fields=fields)
    if isinstance(error, AccessError):
        if error.known:
            return problem(403, "role", detail=error.what, help=error.help)
        challenge = {"www-authenticate": 'Bearer realm="flowtrack"'}
        return problem(401, "token", detail=error.what, help=error.help, headers=challenge)
    if isinstance(error, TooManyError):
        after = {"retry-after": str(error.retry_after_s)}
        return problem(429, "rate", detail=error.what, help=error.help, headers=after)
    if isinstance(error, BusyError):
        return problem(503, "busy", detail=error.what, help=error.help, headers={"retry-after": str(_RETRY_S)})
    if isinstance(error, SlowError):
        return problem(504, "slow", detail=error.what, help=error.help)
    if isinstance(error, ProviderError):
        _log.error("tokens cannot be checked", error=error.what, where=error.where, help=error.help)
        return problem(503, "provider", detail="tokens cannot be checked now", headers={"retry-after": str(_RETRY_S)})
    _log.error("cannot answer", error=error.what, where=error.where, help=error.help)
    if isinstance(error, StoreMemoryError):
        help_ = "ask for a shorter period or fewer categories, or have the ledger's engine given more memory"
        return problem(503, "memory", detail="the answer takes more memory than the ledger may use", help=help_)
    if isinstance(error, StoreError):
        help_ = "ask again in a moment"
        after = {"retry-after": str(_RETRY_S)}
        return problem(503, "ledger", detail="the ledger does not answer now", help=help_, headers=after)
    return problem(500, "internal", detail="the question could not be answered", help="look into the log of the API")


async def _ours(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, FlowtrackError):
        raise error
    return problem_of(error)


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        raise error
    fields = [_field(fault) for fault in error.errors()]
    return problem(422, "parameters", detail="parameters are not right", help="see /v1/openapi.json", fields=fields)


def _field(fault: Mapping[str, Any]) -> FieldProblem:
    """Name a parameter that is ours; the name of any other is the client's own text, which is not repeated."""
    if fault["type"] == "extra_forbidden":
        return FieldProblem(field="", detail="there is no such parameter")
    name = ".".join(str(part) for part in fault["loc"] if part not in _WHERE)
    said = "is not right" if fault["type"] == "value_error" else str(fault["msg"])
    return FieldProblem(field=name, detail=said)


async def _of_the_framework(lost: Lost | None, request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    kind = _LOST.get(error.status_code, "request")
    headers = {**(error.headers or {}), "vary": "accept, accept-language"} if kind != "request" else error.headers
    if lost is not None and kind != "request" and _wants_a_page(request):
        page = await run_in_threadpool(lost, request, error.status_code)
        page.headers.update(headers or {})
        return page
    help_ = _meant(request.url.path) if error.status_code == HTTPStatus.NOT_FOUND else ""
    return problem(error.status_code, kind, help=help_, headers=headers)


def _wants_a_page(request: Request) -> bool:
    """Whether a browser asks: it names HTML first, where programs name nothing, anything, or JSON."""
    return request.headers.get("accept", "").partition(",")[0].partition(";")[0].strip().lower() == _HTML


def _meant(path: str) -> str:
    """Ask whether the address of a family was meant; empty where none is close."""
    family = path.removeprefix(_FAMILIES_AT).partition("/")[0]
    return did_you_mean(family, FAMILIES) if path.startswith(_FAMILIES_AT) else ""
