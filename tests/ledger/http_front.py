"""ClickHouse's HTTP interface over the embedded engine, with faults that a test orders.

A real HTTP server in threads of its own: what clickhouse-connect sends to a server is run by chDB, so the HTTP path is
the one of production up to the engine.  Each request has a connection of its own to the engine, hence its own settings,
like a server without sessions (a session's name is taken and ignored).  Several clients, also of other processes, can
share the store: `url` is all that they need.

    with HttpFront(data_dir) as front:
        front.fail(Fault.unanswered(runs=True), inserts("flows"))     # the next one
        with front.hold(inserts("flows", token="old-run:")) as held:  # until told to go on
            ...
            held.reached()
            held.release()
"""

from __future__ import annotations

import base64
import contextlib
import json
import re
import socket
import ssl
import tempfile
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

import chdb
from clickhouse_connect.driver._chdbclient import build_connection_string

from flowtrack.adapters.clickhouse.settings import ClickHouseSettings
from tests.ledger.http_requests import Fault, Matching, Request, packed, taken_apart

HOST = "127.0.0.1"
WAIT_S = 30.0
_SETTING = re.compile(r"\A[a-z_][a-z0-9_]*\Z", re.IGNORECASE)
_CODE = re.compile(r"Code: (\d+)")
_FORMAT = re.compile(r"\bFORMAT\s+(\w+)\s*;?\s*\Z", re.IGNORECASE)
# As the server does it (HTTPHandler, exceptionCodeToHTTPStatus); every other code is 500.
_STATUS = {
    62: 400,
    36: 400,
    27: 400,
    46: 404,
    47: 404,
    50: 404,
    60: 404,
    81: 404,
    115: 404,
    194: 401,
    516: 403,
    497: 403,
}


class Answer(NamedTuple):
    """What goes back to the client."""

    status: int
    headers: dict[str, str]
    body: bytes


class Held:
    """A request that stands still until it is released."""

    def __init__(self) -> None:
        self._reached = threading.Event()
        self._go = threading.Event()
        self._ended = threading.Event()

    def reached(self, timeout_s: float = WAIT_S) -> Request:
        """Wait until a request stands here, and give it."""
        assert self._reached.wait(timeout_s), "no such request came"
        return self.request

    def release(self) -> None:
        """Let it go on, whether its client is still there or not."""
        self._go.set()

    def ended(self, timeout_s: float = WAIT_S) -> None:
        """Wait until the engine has run it."""
        assert self._ended.wait(timeout_s), "the request that was held has not ended"

    def stand(self, request: Request) -> None:
        """Stop here, as the request."""
        self.request = request
        self._reached.set()
        assert self._go.wait(4 * WAIT_S), "nobody released the request"

    def done(self) -> None:
        """Say that the engine has run it."""
        self._ended.set()


class _Order(NamedTuple):
    """What to do with matching requests: so many of them, or all where `times` is negative."""

    matching: Matching
    deed: Fault | Held
    times: list[int]


class HttpFront:
    """The server; use it as a context.

    Args:
        data_dir: of the embedded engine; in a process that has it open already, the same.
        users: names and passwords that may come in.
        tls: makes it HTTPS.
    """

    def __init__(
        self, data_dir: Path, *, users: Mapping[str, str] | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        settings = ClickHouseSettings(data_dir=data_dir)
        self._engine = build_connection_string(str(data_dir), settings.engine_options())
        self._users = dict(users or {"default": ""})
        self._tls = tls
        self._orders: list[_Order] = []
        self._lock = threading.Lock()
        self._port = 0
        self._server: _Server | None = None
        self._leaving = threading.Event()
        self._opened: Any = None
        self.seen: list[Request] = []
        """Every request whose user was let in, in the order of their arrival."""

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"{'https' if self._tls else 'http'}://{HOST}:{self._port}"

    def __enter__(self) -> Self:
        self._opened = chdb.connect(self._engine)  # keeps the engine open between requests
        self._timezone = self._opened.query("SELECT timezone()", "TabSeparatedRaw").bytes().decode().strip()
        self.back()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leaving.set()
        for order in self._orders:
            if isinstance(order.deed, Held):
                order.deed.release()
        self.away()
        self._opened.close()

    # --------------------------------------------------------------------------------------------- what a test orders

    def fail(self, fault: Fault, matching: Matching = lambda _: True, *, times: int = 1) -> None:
        """Let a fault happen to the next requests that match; negative `times`: to all until `mend`."""
        with self._lock:
            self._orders.append(_Order(matching, fault, [times]))

    def admit(self, user: str, password: str) -> None:
        """Let a user in with this password from now on."""
        self._users[user] = password

    def mend(self) -> None:
        """Forget every fault that was ordered."""
        with self._lock:
            self._orders = [order for order in self._orders if isinstance(order.deed, Held)]

    @contextlib.contextmanager
    def hold(self, matching: Matching) -> Iterator[Held]:
        """Hold the next request that matches before the engine sees it, at the longest until the block ends."""
        held = Held()
        with self._lock:
            self._orders.append(_Order(matching, held, [1]))
        try:
            yield held
        finally:
            held.release()

    def away(self) -> None:
        """Close the port and every connection: clients are refused until `back`."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()
            server.cut()

    def back(self) -> None:
        """Answer, at the same port as before."""
        self._server = _Server(self, (HOST, self._port), self._tls)
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), name="http front", daemon=True).start()

    # ----------------------------------------------------------------------------------------------- what a client sees

    def serve(self, request: Request) -> tuple[Answer | None, Fault]:
        """Run a request, or do to it what was ordered; no answer where the client is to get none."""
        if self._users.get(request.user) != request.password:
            return _refusal(516, "AUTHENTICATION_FAILED", f"{request.user}: Authentication failed"), Fault()
        deed = self._deed(request)
        if isinstance(deed, Held):
            deed.stand(request)
            answer = self._run(request)
            deed.done()
            return answer, Fault()
        if deed is None:
            return self._run(request), Fault()
        ran = self._run(request) if deed.runs else None
        if deed.delay_s:
            self._leaving.wait(deed.delay_s)
        if deed.status:
            return Answer(deed.status, dict(deed.headers), deed.body), deed
        return ran, deed

    def stall(self) -> None:
        """Wait until the front is left: the client's time runs out before."""
        self._leaving.wait(WAIT_S)

    def _deed(self, request: Request) -> Fault | Held | None:
        with self._lock:
            self.seen.append(request)
            for order in self._orders:
                if order.times[0] and order.matching(request):
                    order.times[0] -= 1
                    return order.deed
        return None

    def _run(self, request: Request) -> Answer:
        connection = chdb.connect(self._engine)
        try:
            if request.transport.get("database"):
                connection.query(f"USE `{request.transport['database']}`", "TabSeparated")
            for name, value in request.settings.items():
                _set(connection, name, value)
            return self._answer(request, _executed(connection, request))
        except RuntimeError as error:
            text = str(error)
            code = int(found[1]) if (found := _CODE.search(text)) else 1001
            body = f"{text[text.find('Code: ') :]} (version {chdb.__version__})\n".encode()
            return Answer(_STATUS.get(code, 500), {"X-ClickHouse-Exception-Code": str(code)}, body)
        finally:
            connection.close()

    def _answer(self, request: Request, result: Any) -> Answer:
        written = bool(request.into)
        summary = {
            "read_rows": str(result.rows_read()),
            "read_bytes": str(result.bytes_read()),
            "written_rows": str(result.rows_read() if written else 0),
            "written_bytes": str(result.bytes_read() if written else 0),
            "elapsed_ns": str(int(result.elapsed() * 1e9)),
        }
        headers = {
            "X-ClickHouse-Summary": json.dumps(summary),
            "X-ClickHouse-Timezone": self._timezone,
            "X-ClickHouse-Query-Id": request.transport.get("query_id", ""),
        }
        body = bytes(result.bytes() or b"")
        if request.reads:
            match = _FORMAT.search(request.statement)
            headers["X-ClickHouse-Format"] = match[1] if match else _default_format(request)
        if request.transport.get("enable_http_compression") == "1":
            body, encoding = packed(body, request.accept)
            headers |= {"Content-Encoding": encoding} if encoding else {}
        return Answer(200, headers, body)


class _Server(ThreadingHTTPServer):
    """The sockets."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, front: HttpFront, address: tuple[str, int], tls: ssl.SSLContext | None) -> None:
        self.front = front
        self.connections: set[socket.socket] = set()
        self.lock = threading.Lock()
        super().__init__(address, _Handler)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def cut(self) -> None:
        """End every connection that is open."""
        with self.lock:
            connections = list(self.connections)
        for connection in connections:
            with contextlib.suppress(OSError):  # it ended by itself
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that left is what is tested here: nothing is printed."""


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def setup(self) -> None:
        """Remember the connection, so that it can be cut."""
        super().setup()
        with self.server.lock:
            self.server.connections.add(self.connection)

    def finish(self) -> None:
        """Forget it."""
        with self.server.lock:
            self.server.connections.discard(self.connection)
        with contextlib.suppress(OSError, ValueError):  # cut, or left by the client: nothing to flush
            super().finish()

    def do_GET(self) -> None:
        """A read, or whether anybody is there."""
        if urlsplit(self.path).path == "/ping":
            self._send(Answer(200, {}, b"Ok.\n"), Fault())
            return
        self.do_POST()

    def do_POST(self) -> None:
        """A statement."""
        body = self._body()
        user, password = self._credentials()
        request = taken_apart(urlsplit(self.path).query, dict(self.headers.items()), body, user, password)
        answer, fault = self.server.front.serve(request)
        if fault.answer == "none":
            self.server.front.stall()
        if answer is None or fault.answer in {"none", "dropped"}:
            self._drop()
        else:
            self._send(answer, fault)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's
        """Say nothing."""

    def _send(self, answer: Answer, fault: Fault) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if fault.answer == "half":
            self.wfile.write(answer.body[: len(answer.body) // 2])
            self.wfile.flush()
            self._drop()
        else:
            self.wfile.write(answer.body)

    def _drop(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):  # the client was quicker
            self.connection.shutdown(socket.SHUT_RDWR)

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _credentials(self) -> tuple[str, str]:
        kind, _, given = self.headers.get("Authorization", "").partition(" ")
        if kind == "Basic":
            user, _, password = base64.b64decode(given).decode().partition(":")
            return user, password
        return self.headers.get("X-ClickHouse-User", "default"), self.headers.get("X-ClickHouse-Key", "")


def _refusal(code: int, name: str, text: str) -> Answer:
    body = f"Code: {code}. DB::Exception: {text}. ({name}) (version {chdb.__version__})\n".encode()
    return Answer(_STATUS[code], {"X-ClickHouse-Exception-Code": str(code)}, body)


def _set(connection: Any, name: str, value: str) -> None:
    """Set a setting for the statement that follows; the engine refuses one that it does not know, as a server does."""
    assert _SETTING.match(name), name
    quoted = value.replace("\\", "\\\\").replace("'", "\\'")
    connection.query(f"SET {name} = '{quoted}'", "TabSeparated")


def _executed(connection: Any, request: Request) -> Any:
    """Run the statement; the data of an insert comes from a file, since the engine takes none behind the text."""
    if not request.into:
        return connection.query(request.statement, _default_format(request), params=request.parameters)
    with tempfile.NamedTemporaryFile(suffix=".data") as file:
        file.write(request.data or b"")
        file.flush()
        return connection.query(request.reading(file.name), "TabSeparated", params=request.parameters)


def _default_format(request: Request) -> str:
    return request.transport.get("default_format", "TabSeparated")
