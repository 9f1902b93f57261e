"""Looking after the ledger over HTTP, while the sink holds the embedded store: like the rest of the service, version 0.

Every address below /keep asks for the token (`adapters.http.token`), for reading too: what was erased and what is held
is not everybody's to know.
"""

from __future__ import annotations

import secrets
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Header
from fastapi.responses import JSONResponse

from flowtrack.adapters.http.settings import ASKER_HEADER
from flowtrack.audit.copies import BackUp, BackupAnswer, Export, ExportManifest
from flowtrack.audit.erasure import Erase, ErasureAnswer, VacuumAnswer
from flowtrack.audit.holds import Hold, PlacedHold
from flowtrack.audit.keeper import Keeper
from flowtrack.audit.requests import Release, VacuumRequest
from flowtrack.audit.retention import Retain, RetentionAnswer

_FORBIDDEN = 403

Asker = Annotated[str, Header(alias=ASKER_HEADER, max_length=128)]


class _TokenMissingError(Exception):
    """A request without the token, or with another one."""


def add_keeping(app: FastAPI, keeper: Keeper, token: str) -> None:
    """Add what a keeper does to the ledger's service.

    Args:
        app: the service.
        keeper: does it; its methods are called from several threads.
        token: what a request must show as bearer token.
    """

    def allowed(authorization: Annotated[str, Header()] = "") -> None:
        if not secrets.compare_digest(authorization.encode(), f"Bearer {token}".encode()):
            raise _TokenMissingError

    app.add_exception_handler(_TokenMissingError, _refuse)
    router = APIRouter(prefix="/keep", dependencies=[Depends(allowed)])
    _add_erasure(router, keeper)
    _add_holds(router, keeper)
    _add_copies(router, keeper)
    app.include_router(router)


def _add_erasure(router: APIRouter, keeper: Keeper) -> None:
    @router.post("/erase")
    def erase(request: Erase, asker: Asker) -> ErasureAnswer:
        return keeper.erase(request, asker=asker)

    @router.get("/erasures")
    def erasures() -> ErasureAnswer:
        return keeper.erasures()

    @router.post("/vacuum")
    def vacuum(request: VacuumRequest, asker: Asker) -> VacuumAnswer:
        return keeper.vacuum(asker=asker, wait_s=request.wait_s)


def _add_holds(router: APIRouter, keeper: Keeper) -> None:
    @router.post("/hold")
    def hold(request: Hold, asker: Asker) -> PlacedHold:
        return keeper.hold(request, asker=asker)

    @router.post("/release")
    def release(request: Release, asker: Asker) -> PlacedHold:
        return keeper.release(request.hold, request.reason, asker=asker)

    @router.get("/holds")
    def holds() -> list[PlacedHold]:
        return keeper.holds()

    @router.post("/retain")
    def retain(request: Retain, asker: Asker) -> RetentionAnswer:
        return keeper.retain(request, asker=asker)


def _add_copies(router: APIRouter, keeper: Keeper) -> None:
    @router.post("/backup")
    def back_up(request: BackUp, asker: Asker) -> BackupAnswer:
        return keeper.back_up(request, asker=asker)

    @router.post("/export")
    def export(request: Export, asker: Asker) -> ExportManifest:
        return keeper.export(request, asker=asker)


def _refuse(_: object, error: Exception) -> JSONResponse:
    if not isinstance(error, _TokenMissingError):
        raise error
    said = {
        "error": "whoever looks after the ledger shows its token",
        "where": "authorization",
        "help": "use the command `flowtrack ledger`, as the account that runs Flowtrack",
    }
    return JSONResponse(said, _FORBIDDEN)
