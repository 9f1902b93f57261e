"""What stands around every request: whom it is addressed to, what browsers are told, no error that says too much."""

from __future__ import annotations

from typing import Final

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flowtrack.adapters.http.api.problems import problem
from flowtrack.errors import steps_to

_log = structlog.get_logger(__name__)

_ALWAYS: Final = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",  # with none at all, browsers do not say which page a form comes from
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
_UNLESS_SAID: Final = {
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
}
_BY_TLS: Final = {"strict-transport-security": "max-age=31536000"}


class BrokenOffError(Exception):
    """An answer that had begun cannot be ended: the connection is closed, so that the client sees it."""


class Guard:
    """Around an app.

    Args:
        app: what it guards.
        hosts: names, without port, under which it may be addressed.
        tls: whether it is reached by TLS.
    """

    def __init__(self, app: ASGIApp, *, hosts: frozenset[str], tls: bool) -> None:
        self._app = app
        self._hosts = hosts
        self._always = {**_ALWAYS, **(_BY_TLS if tls else {})}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def guarded(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                headers = MutableHeaders(scope=message)
                headers.update(self._always)
                for name, value in _UNLESS_SAID.items():
                    headers.setdefault(name, value)
            await send(message)

        if _host(Headers(scope=scope).get("host", "")) not in self._hosts:
            help_ = "add its name to FLOWTRACK_API__HOSTS"
            answer = problem(421, "host", detail="this is not addressed under that name", help=help_)
            await answer(scope, receive, guarded)
            return
        try:
            await self._app(scope, receive, guarded)
        except BrokenOffError:
            raise
        except Exception as error:  # noqa: BLE001 - the last place before the server, which would log its text
            _log.error("request failed", error=type(error).__name__, at=steps_to(error))
            if begun:
                raise BrokenOffError from None
            await problem(500, "internal", detail="the question could not be answered")(scope, receive, guarded)


def _host(header: str) -> str:
    """Without the port."""
    name, colon, port = header.rpartition(":")
    return (name if colon and port.isdigit() else header).lower()
