"""Serve an app on the loopback interface from a thread of its own."""

from __future__ import annotations

import socket
import threading
from types import TracebackType
from typing import Self

import uvicorn
from fastapi import FastAPI

from flowtrack.adapters.http.settings import HOST
from flowtrack.errors import RuntimeStateError

_STOP_S = 5.0
_BACKLOG = 128


class LoopbackServer:
    """An HTTP server in a thread; use it as a context.

    Args:
        app: what it serves.
        port: of the loopback interface; 0 takes any that is free.
    """

    def __init__(self, app: FastAPI, port: int) -> None:
        self._app = app
        self._port = port
        self._socket: socket.socket | None = None
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Where it answers, once started."""
        return f"http://{HOST}:{self._port}"

    def start(self) -> None:
        """Take the port and begin to answer.

        Raises:
            RuntimeStateError: the port is taken.
        """
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((HOST, self._port))
        except OSError as error:
            listening.close()
            raise RuntimeStateError(
                f"port `{self._port}` is in use",
                where=HOST,
                help="stop who uses it, or set FLOWTRACK_HTTP__PORT to another one",
            ) from error
        listening.listen(_BACKLOG)  # from here on, requests wait rather than being refused
        self._port = listening.getsockname()[1]
        self._socket = listening
        config = uvicorn.Config(self._app, lifespan="off", log_config=None, access_log=False, ws="none")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([listening],), name="http", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish what is being answered and give the port back; harmless when not started."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(_STOP_S)
        if self._socket is not None:
            self._socket.close()
        self._server = self._thread = self._socket = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
