"""Signing in and out with a browser: a form takes a token, and gives a session for it."""

from __future__ import annotations

from typing import Annotated, Final
from urllib.parse import urlencode, urlsplit

from fastapi import FastAPI, Form, Request
from fastapi.responses import RedirectResponse, Response

from flowtrack.adapters.http.api.identity import Identify, address_of
from flowtrack.errors import AccessError

_SEE_OTHER = 303
_OWN: Final = frozenset({"", "same-origin", "none"})


def add_signing_in(app: FastAPI, identify: Identify) -> None:
    """Add what the form of the pages posts to.

    Args:
        app: gets POST /session and POST /session/end.
        identify: knows tokens, and makes sessions.
    """

    @app.post("/session", include_in_schema=False)
    async def sign_in(
        request: Request,
        token: Annotated[str, Form(max_length=16_384)],
        then: Annotated[str, Form(max_length=2_048)] = "/",
    ) -> Response:
        _refuse_other_sites(request)
        try:
            account = await identify.account(token.strip(), address_of(request))
        except AccessError:
            if "text/html" not in request.headers.get("accept", ""):
                raise
            again = urlencode({"failed": "1", "then": _within(then)})
            return RedirectResponse(f"/sign-in?{again}", _SEE_OTHER)
        response = RedirectResponse(_within(then), _SEE_OTHER)
        identify.sessions.begin(response, account)
        return response

    @app.post("/session/end", include_in_schema=False)
    async def sign_out(request: Request) -> Response:
        _refuse_other_sites(request)
        response = RedirectResponse("/", _SEE_OTHER)
        identify.sessions.end(response)
        return response


def _refuse_other_sites(request: Request) -> None:
    """A form of another site must not sign anybody in or out."""
    origin = request.headers.get("origin")
    elsewhere = origin is not None and urlsplit(origin).netloc != request.headers.get("host", "")
    if elsewhere or request.headers.get("sec-fetch-site", "") not in _OWN:
        raise AccessError("forms of other sites are not taken", help="sign in on the page of this Flowtrack")


def _within(then: str) -> str:
    """An address of this site, whatever was asked for."""
    parts = urlsplit(then)
    inside = then.startswith("/") and not then.startswith(("//", "/\\")) and not parts.netloc
    return then if inside and then.isprintable() else "/"
