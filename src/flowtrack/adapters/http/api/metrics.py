"""What the API tells Prometheus about requests: by family and status, never by who asked or whom it was about."""

from __future__ import annotations

import time
from typing import Final

from prometheus_client import Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

REQUESTS = Counter(
    "flowtrack_api_requests_total",
    "Requests answered, by what was asked (a family of questions, or a page) and HTTP status.",
    ("family", "status"),
)
SECONDS = Histogram(
    "flowtrack_api_seconds",
    "From a request to the end of its answer.",
    ("family",),
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30),
)
CUT = Counter(
    "flowtrack_api_answers_cut_total", "Answers that say that rows are left out; most go on in pages.", ("family",)
)

_NOWHERE: Final = "none"
_BROKEN: Final = "broken"


class Measured:
    """Around an app: counts requests and how long they took.

    The label is the name of the route, which is ours: an address that nobody serves is `none`, so that nobody can make
    up labels.

    Args:
        app: what is measured.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, began_s = _BROKEN, time.monotonic()

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except BaseException:
            status = _BROKEN  # an answer that had begun cannot be ended
            raise
        finally:
            family = getattr(scope.get("route"), "name", _NOWHERE)
            REQUESTS.labels(family, status).inc()
            SECONDS.labels(family).observe(time.monotonic() - began_s)
