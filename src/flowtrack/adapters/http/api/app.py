"""The auditors' API as an app: /v1 with every family of questions, sessions for browsers, health and metrics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from starlette.concurrency import run_in_threadpool

from flowtrack.adapters.http.api.desk import Desk
from flowtrack.adapters.http.api.exports import Exports
from flowtrack.adapters.http.api.families import add_families
from flowtrack.adapters.http.api.guard import Guard
from flowtrack.adapters.http.api.heads import Heads
from flowtrack.adapters.http.api.identity import BEARER, Identify
from flowtrack.adapters.http.api.limits import Rate
from flowtrack.adapters.http.api.metrics import Measured
from flowtrack.adapters.http.api.problems import Lost, Problem, add_problems
from flowtrack.adapters.http.api.reports import Making, add_reports
from flowtrack.adapters.http.api.settings import ApiSettings
from flowtrack.adapters.http.api.signing_in import add_signing_in
from flowtrack.audit.roles import Role
from flowtrack.audit.streams import Streams
from flowtrack.errors import AccessError

_WATCHERS = frozenset({Role.OPERATOR, Role.AUDITOR})


def build_api(
    settings: ApiSettings,
    desk: Desk,
    identify: Identify,
    *,
    streams: Streams | None = None,
    reports: Making | None = None,
    reason: Callable[[], str] = lambda: "",
    metrics: CollectorRegistry = REGISTRY,
    lost: Lost | None = None,
) -> FastAPI:
    """Make the app; pages are included into it by whoever runs it.

    Args:
        settings: under which names it may be addressed, and whether its metrics are open.
        desk: answers questions.
        identify: tells who asks.
        streams: gives rows in bulk; without it, they cannot be exported.
        reports: makes reports; without it, there are none.
        reason: says why the ledger is not ready; empty when it is.
        metrics: what /metrics shows.
        lost: gives the page for browsers that came to an address that there is not; without it, they get a problem.
    """
    app = FastAPI(
        title="Flowtrack for auditors",
        version="1",
        description="Where personal data went, whether each step was allowed, and by which clause.",
        docs_url=None,  # its pages take their scripts from elsewhere
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,  # to http://, where TLS ends at a proxy: the token would follow in the clear
    )
    add_problems(app, lost)
    app.add_middleware(Guard, hosts=settings.addressed_as, tls=settings.tls)
    app.add_middleware(Measured)
    app.add_middleware(Heads)
    # The two ways to show who asks, for the document; `identify` looks at both.
    router = APIRouter(prefix="/v1", dependencies=[Depends(BEARER), Depends(identify.cookie)])
    add_families(router, desk, identify)
    rate = Rate(settings.exports_per_minute)
    Exports(desk, streams, identify, rate, stall_s=settings.export_stall_s).add(router)
    if reports is not None:
        add_reports(router, desk, reports, identify)
    _add_document(router, app, identify)
    app.include_router(router)
    add_signing_in(app, identify)
    _add_health(app, settings, identify, reason, metrics)
    return app


def document_of(app: FastAPI) -> dict[str, Any]:
    """Give the OpenAPI document of what stands below /v1, with what a problem looks like."""
    if app.openapi_schema is None:
        made = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            routes=app.routes,
        )
        made["paths"] = {path: said for path, said in made["paths"].items() if path.startswith("/v1")}
        problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        made["components"]["schemas"] |= {**problem.pop("$defs"), "Problem": problem}
        app.openapi_schema = made
    return app.openapi_schema


def _add_document(router: APIRouter, app: FastAPI, identify: Identify) -> None:
    @router.get("/openapi.json", include_in_schema=False)
    async def document(request: Request) -> JSONResponse:
        await identify(request)
        return JSONResponse(document_of(app))


def _add_health(
    app: FastAPI,
    settings: ApiSettings,
    identify: Identify,
    reason: Callable[[], str],
    metrics: CollectorRegistry,
) -> None:
    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz", include_in_schema=False)
    async def readyz() -> JSONResponse:
        why = await run_in_threadpool(reason)
        return JSONResponse({"status": "waiting"} if why else {"status": "ok"}, 503 if why else 200)

    @app.get("/metrics", include_in_schema=False)
    async def metrics_(request: Request) -> Response:
        if not settings.metrics_open and not _WATCHERS.intersection((await identify(request)).roles):
            raise AccessError("no role of this account may see metrics", help="it takes operator or auditor")
        return PlainTextResponse(generate_latest(metrics), media_type=CONTENT_TYPE_LATEST)
