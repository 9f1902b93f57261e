"""The ledger over HTTP, for this machine: an internal interface, version 0, which may change with any release.

Only one process can hold the embedded store, so while the sink runs, everybody else asks it here.  The service
listens on the loopback interface only, and answers only requests that were addressed to it, so that no web page can
reach it through a name of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from starlette.middleware.trustedhost import TrustedHostMiddleware

from flowtrack.adapters.http.many import Many, add_families, add_streams
from flowtrack.adapters.http.settings import HOST
from flowtrack.audit.answers import (
    BooksAnswer,
    DeadLetterAnswer,
    Document,
)
from flowtrack.audit.groups import (
    OrphansAnswer,
    ShapesAnswer,
    SituationsAnswer,
    TouchedAnswer,
)
from flowtrack.audit.ledger import Ledger
from flowtrack.audit.questions import (
    Books,
    DeadLetterList,
    Orphans,
    Shapes,
    Situations,
    Touched,
)
from flowtrack.errors import FlowtrackError, QuestionError

_BAD_QUESTION = 400
_UNAVAILABLE = 503
_UNPROCESSABLE = 422


def build_app(
    ledger: Ledger,
    *,
    many: Many | None = None,
    reason: Callable[[], str] = lambda: "",
    metrics: CollectorRegistry = REGISTRY,
) -> FastAPI:
    """Make the service.

    Args:
        ledger: answers the questions; its methods are called from several threads.
        many: answers questions of all families several at once, and gives rows in bulk; without it, `ledger` answers.
        reason: says why the process is not ready; empty when it is.
        metrics: what /metrics shows.
    """
    app = FastAPI(title="Flowtrack ledger", version="0", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"])
    app.add_exception_handler(FlowtrackError, _refuse)
    app.add_exception_handler(RequestValidationError, _refuse_question)
    _add_health(app, reason, metrics)
    _add_questions(app, ledger)
    add_families(app, many or ledger)
    if many is not None:
        add_streams(app, many)
    _add_groups(app, ledger)
    _add_copies(app, ledger)
    return app


def _add_health(app: FastAPI, reason: Callable[[], str], metrics: CollectorRegistry) -> None:
    @app.get("/healthz")
    def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz")
    def readyz() -> JSONResponse:
        why = reason()
        return JSONResponse({"status": "waiting", "reason": why} if why else {"status": "ok"}, 503 if why else 200)

    @app.get("/metrics")
    def metrics_() -> Response:
        return PlainTextResponse(generate_latest(metrics), media_type=CONTENT_TYPE_LATEST)


def _add_questions(app: FastAPI, ledger: Ledger) -> None:
    @app.get("/books")
    def books(holes_max: Annotated[int, Query(ge=0, le=100_000)] = 100) -> BooksAnswer:
        return ledger.books(Books(holes_max=holes_max))

    @app.get("/deadletters")
    def dead_letters(limit: Annotated[int, Query(ge=1, le=100_000)] = 50) -> DeadLetterAnswer:
        return ledger.dead_letters(DeadLetterList(limit=limit))


def _add_groups(app: FastAPI, ledger: Ledger) -> None:
    """Questions that come as a document: some are too long for an address."""

    @app.post("/situations")
    def situations(question: Situations) -> SituationsAnswer:
        return ledger.situations_met(question)

    @app.post("/shapes")
    def shapes(question: Shapes) -> ShapesAnswer:
        return ledger.shapes_met(question)

    @app.post("/touched")
    def touched(question: Touched) -> TouchedAnswer:
        return ledger.touched(question)

    @app.post("/orphans")
    def orphans(question: Orphans) -> OrphansAnswer:
        return ledger.orphans(question)


def _add_copies(app: FastAPI, ledger: Ledger) -> None:
    @app.get("/consents")
    def consents() -> StreamingResponse:
        def lines() -> Iterator[bytes]:
            for record in ledger.consents_all():
                yield record.model_dump_json(exclude_none=True).encode() + b"\n"
            yield b"\n"  # the end, without which a reader knows that it has not got all

        return StreamingResponse(lines(), media_type="application/x-ndjson")

    @app.get("/documents")
    def documents() -> list[Document]:
        return ledger.documents()


def _refuse(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, FlowtrackError):
        raise error
    status = _BAD_QUESTION if isinstance(error, QuestionError) else _UNAVAILABLE
    said = {"error": error.what, "kind": type(error).__name__, "where": error.where, "help": error.help}
    return JSONResponse(said, status)


def _refuse_question(_: Request, error: Exception) -> JSONResponse:
    """Name the parameter at fault, never its value."""
    if not isinstance(error, RequestValidationError):
        raise error
    names = sorted({".".join(str(part) for part in fault["loc"][1:]) for fault in error.errors()})
    what = f"the question is not right in `{', '.join(names)}`"
    return JSONResponse(
        {"error": what, "where": "", "help": "subjects are 32 hex digits, instants ISO 8601 with zone"}, _UNPROCESSABLE
    )
