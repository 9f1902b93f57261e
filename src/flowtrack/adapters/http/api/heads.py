"""HEAD: what GET would answer, without the content (RFC 9110, 9.3.2)."""

from __future__ import annotations

from typing import Final

from fastapi import Request
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HEAD: Final = "flowtrack.head"


def asks_for_head(request: Request) -> bool:
    """Say whether only the headers of an answer are wanted: then what is long need not begin."""
    return bool(request.scope.get(_HEAD))


class Heads:
    """Around an app: everything that it answers to GET, it answers to HEAD.

    The app is asked as by GET, so a question is answered, counted and written down likewise; whatever it gives as
    content goes nowhere.

    Args:
        app: answers GET.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        head = scope["method"] == "HEAD"

        async def bare(message: Message) -> None:
            if message["type"] == "http.response.start":
                _allow_head(MutableHeaders(scope=message))
            elif head:
                message = {**message, "body": b""}
            await send(message)

        # the server looks at the method of its own scope to know that no content follows
        asked = {**scope, "method": "GET", _HEAD: True} if head else scope
        await self._app(asked, receive, bare)


def _allow_head(headers: MutableHeaders) -> None:
    """Where an answer lists the methods of an address, HEAD is one of them."""
    allowed = {each.strip() for each in headers.get("allow", "").split(",")}
    if "GET" in allowed:
        headers["allow"] = ", ".join(sorted({*allowed, "HEAD"}))
