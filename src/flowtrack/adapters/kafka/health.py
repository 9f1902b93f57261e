"""A worker's small web view: `/metrics` for Prometheus, `/healthz` and `/readyz` for whoever runs it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import make_wsgi_app

from flowtrack.errors import RuntimeStateError


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401 - the base class's words
        """Say nothing: a probe every second would drown the log."""


class HealthServer:
    """Serves metrics and health from a thread of its own.

    Args:
        port: on all interfaces; 0 takes a free one.
        reason: why the worker is not ready; empty when it is.
    """

    def __init__(self, port: int, reason: Callable[[], str], host: str = "") -> None:
        self._reason = reason
        self._metrics = make_wsgi_app()
        try:
            self._server: WSGIServer = make_server(host, port, self._answer, handler_class=_Quiet)
        except OSError as error:
            raise RuntimeStateError(
                f"cannot listen on port `{port}`: {error.strerror}", where="health", help="choose another port"
            ) from error
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, name="health", daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Stop answering and free the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == "/metrics":
            answer: Iterable[bytes] = self._metrics(environ, start_response)
            return answer
        if path == "/healthz":
            status, text = "200 OK", "alive"
        elif path == "/readyz":
            reason = self._reason()
            status, text = ("503 Service Unavailable", reason) if reason else ("200 OK", "ready")
        else:
            status, text = "404 Not Found", "see /metrics, /healthz, /readyz"
        start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
        return [f"{text}\n".encode()]
