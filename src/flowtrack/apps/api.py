"""The process of the auditors' API and pages: `flowtrack api`, and `python -m flowtrack.apps.api` under `up`."""

from __future__ import annotations

import os
import secrets
import socket
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from flowtrack.apps.child import EX_CONFIG, hold_lifeline, report_ready, stop_on_signals
from flowtrack.apps.directory import DEFAULT
from flowtrack.apps.settings import read
from flowtrack.errors import ConfigurationError, FlowtrackError, RuntimeStateError

if TYPE_CHECKING:
    from fastapi import FastAPI, Request, Response

    from flowtrack.adapters.http.api.identity import Identify
    from flowtrack.adapters.http.api.settings import ApiSettings
    from flowtrack.audit.accounts import Account
    from flowtrack.audit.reports.frame import Report
    from flowtrack.audit.reports.ordering import Order
    from flowtrack.audit.roles import Asker

_log = structlog.get_logger(__name__)

_BACKLOG = 256
_END_S = 10
_WATCH_S = 0.5
_SESSION_KEY_BYTES_MIN = 32
_FAILURES_PER_MINUTE = 30
_EX_SOFTWARE = 70


def run(data_dir: Path, *, host: str = "", port: int | None = None) -> int:
    """Answer until SIGTERM or SIGINT, and give the exit status.

    Raises:
        ConfigurationError: a setting is wrong.
        RuntimeStateError: the port is taken.
        StoreError: there is no ledger, or it cannot be opened.
    """
    import uvicorn

    from flowtrack.apps.logs import configure

    configure("api")
    settings = _settings(host, port)
    with _listening(settings) as listening, _app(settings, data_dir) as app:
        config = uvicorn.Config(
            app,
            lifespan="off",
            log_config=None,
            access_log=False,  # addresses and subjects stand in it
            server_header=False,
            ws="none",
            timeout_graceful_shutdown=_END_S,
            ssl_certfile=settings.certificate_file,
            ssl_keyfile=settings.key_file,
            proxy_headers=False,  # who sets such headers is not known here
        )
        stop = stop_on_signals()
        server = uvicorn.Server(config)
        # in a thread, where the server leaves signals alone: a process that was told to end ends well
        thread = threading.Thread(target=server.run, args=([listening],), name="http")
        thread.start()
        address = _address(settings, listening)
        _log.info("answers auditors", at=address)
        report_ready(address)
        while thread.is_alive() and not stop.wait(_WATCH_S):
            pass
        server.should_exit = True
        thread.join()
    return 0 if stop.is_set() else _EX_SOFTWARE


@contextmanager
def _app(settings: ApiSettings, data_dir: Path) -> Iterator[FastAPI]:
    """Put the app together: the ledger that there is, the accounts, and the pages."""
    from flowtrack.adapters.http.api.app import build_api
    from flowtrack.adapters.http.api.desk import Desk
    from flowtrack.adapters.pages.site.frame import Backing
    from flowtrack.adapters.pages.site.lost import not_found
    from flowtrack.adapters.pages.site.router import pages_router
    from flowtrack.apps.api_ledger import ledger_for_many
    from flowtrack.apps.api_reports import making
    from flowtrack.apps.ledger_packs import packs_of

    at_once = settings.questions_max + settings.exports_max
    with ledger_for_many(data_dir, at_once=at_once) as (ledger, reason, whole):
        desk = Desk(
            ledger,
            questions_max=settings.questions_max,
            waiting_max=settings.waiting_max,
            exports_max=settings.exports_max,
            timeout_s=settings.timeout_s,
        )
        try:
            identify = identify_by(settings, data_dir)
            reports = making(whole)

            def report_of(order: Order, asker: Asker) -> Awaitable[Report]:
                return desk.do(partial(reports.make, order, asker))

            def lost(request: Request, status: int) -> Response:
                return not_found(request, status, desk.ask)

            app = build_api(settings, desk, identify, streams=ledger, reports=reports, reason=reason, lost=lost)
            app.include_router(pages_router(Backing(desk.ask, identify, whole, packs_of, report_of, _status_of)))
            yield app
        finally:
            desk.close()


def _status_of(error: FlowtrackError) -> int:
    """The status that the API answers an error with; what is not about the question is written down."""
    from flowtrack.adapters.http.api.problems import problem_of

    return problem_of(error).status_code


def identify_by(settings: ApiSettings, data_dir: Path) -> Identify:
    """Put together who is known: static tokens, those of an OpenID provider, sessions.

    Raises:
        ConfigurationError: the key of sessions cannot be read, or is too short.
    """
    from flowtrack.adapters.http.api.identity import Identify, Tokens
    from flowtrack.adapters.http.api.limits import Rate
    from flowtrack.adapters.http.api.oidc import KEY_PREFIX, Provider
    from flowtrack.adapters.http.api.sessions import Sessions
    from flowtrack.adapters.http.api.tokens import TokenBook
    from flowtrack.apps.api_tokens import tokens_file

    now: Callable[[], datetime] = partial(datetime.now, UTC)
    book = TokenBook(tokens_file(settings, data_dir), clock=now)

    def still(account: Account) -> Account | None:
        return account if account.key.startswith(KEY_PREFIX) else book.account_of(account.key)

    sessions = Sessions(
        _session_key(settings.session_key_file),
        clock=now,
        lasts=timedelta(seconds=settings.session_s),
        secure=settings.tls or settings.plain_http,  # behind a proxy, browsers come by TLS
        still=still,
    )
    known: tuple[Tokens, ...] = (book,) if settings.oidc_issuer is None else (book, Provider(settings))
    return Identify(known, sessions, rate=Rate(settings.rate_per_minute), failures=Rate(_FAILURES_PER_MINUTE))


def _settings(host: str, port: int | None) -> ApiSettings:
    """What the environment says, and over it what the command says.

    Raises:
        ConfigurationError: they do not fit together.
    """
    from pydantic import ValidationError

    from flowtrack.adapters.http.api.settings import ApiSettings

    settings = read(ApiSettings)
    said = {name: value for name, value in (("host", host or None), ("port", port)) if value is not None}
    if not said:
        return settings
    try:
        return ApiSettings(**{**settings.model_dump(exclude_unset=True), **said})
    except ValidationError as error:
        message = error.errors(include_input=False, include_url=False)[0]["msg"]
        raise ConfigurationError(
            message.removeprefix("Value error, "),
            where="--host",
            help="leave --host out, or set FLOWTRACK_API__CERTIFICATE_FILE and FLOWTRACK_API__KEY_FILE",
        ) from None


def _session_key(path: Path | None) -> bytes:
    if path is None:
        return secrets.token_bytes(_SESSION_KEY_BYTES_MIN)
    try:
        key = path.read_bytes().strip()
    except OSError as error:
        raise ConfigurationError(
            f"the key of sessions cannot be read: {error.strerror}",
            where="FLOWTRACK_API__SESSION_KEY_FILE",
            help="name a file that this account can read",
        ) from error
    if len(key) < _SESSION_KEY_BYTES_MIN:
        raise ConfigurationError(
            f"the key of sessions has {len(key)} bytes",
            where="FLOWTRACK_API__SESSION_KEY_FILE",
            help=f"use {_SESSION_KEY_BYTES_MIN} random bytes or more",
        )
    return key


@contextmanager
def _listening(settings: ApiSettings) -> Iterator[socket.socket]:
    """Take the port.

    Raises:
        RuntimeStateError: it is taken, or there is no such interface.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((settings.host, settings.port))
        except OSError as error:
            raise RuntimeStateError(
                f"cannot listen on port `{settings.port}`: {error.strerror}",
                where=settings.host,
                help="stop who uses it, or set FLOWTRACK_API__PORT to another one",
            ) from error
        if sys.platform == "linux":
            # A connection that nobody reads from any more is dropped, too: closing it would wait for what it has.
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(settings.export_stall_s * 1_000))
        listening.listen(_BACKLOG)
        yield listening


def _address(settings: ApiSettings, listening: socket.socket) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"{'https' if settings.tls else 'http'}://{host}:{listening.getsockname()[1]}"


def main() -> int:
    """Answer under a supervisor: end with it, and let it know by the exit status whether to start this again."""
    hold_lifeline()
    try:
        return run(Path(os.environ.get("FLOWTRACK_DATA_DIR", DEFAULT)))
    except FlowtrackError as error:
        _log.error("the API cannot run", error=error.what, where=error.where, help=error.help)
        return EX_CONFIG if isinstance(error, ConfigurationError) else _EX_SOFTWARE


if __name__ == "__main__":
    raise SystemExit(main())
