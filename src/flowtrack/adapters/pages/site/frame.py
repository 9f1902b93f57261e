"""What stands around every page: who looks, errors as pages, and forms that nobody else may send."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from typing import Final, Literal, NamedTuple, TypeVar
from urllib.parse import urlsplit

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from flowtrack.adapters.pages.site.refusals import refusal_of
from flowtrack.adapters.pages.site.visit import PAGE_HEADERS, AccountOf, Ask, PurposeMissingError, Visit
from flowtrack.audit.ledger import Ledger
from flowtrack.audit.reports.frame import Report
from flowtrack.audit.reports.ordering import Order
from flowtrack.audit.roles import Asker, Role
from flowtrack.errors import AccessError, FlowtrackError, QuestionError, StoreUnavailableError, steps_to
from flowtrack.policy.pack import Pack

_UNKNOWN, _FORBIDDEN, _BAD, _AWAY, _BROKEN = 401, 403, 400, 503, 500
_OWN: Final = frozenset({"", "same-origin", "none"})

_PLAIN: Final = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Flowtrack</title>
<h1>This page could not be made · 페이지를 만들 수 없습니다</h1>
<p>The log of the API says where. · 원인은 API의 로그에 있습니다.</p><p><a href="/">Flowtrack</a></p></html>"""

_log = structlog.get_logger(__name__)

T = TypeVar("T")
Handler = Callable[[Visit], Awaitable[Response]]
Method = Literal["GET", "POST"]
StatusOf = Callable[[FlowtrackError], int]
ReportOf = Callable[[Order, Asker], Awaitable[Report]]


def status_of(error: FlowtrackError) -> int:
    """Give the status of the page that tells of an error."""
    if isinstance(error, QuestionError):
        return _BAD
    if isinstance(error, AccessError):
        return _FORBIDDEN if error.known else _UNKNOWN
    return _AWAY if isinstance(error, StoreUnavailableError) else _BROKEN


class Backing(NamedTuple):
    """What the pages stand on.

    `ask` answers questions of all families; `account_of` tells who looks; `whole` opens the ledger for what is no
    question of a family; `packs_of` gives the packs that judged, by label; `report_of` makes a
    report; `status_of` the status of an error.
    """

    ask: Ask
    account_of: AccountOf
    whole: Callable[[], AbstractContextManager[Ledger]]
    packs_of: Callable[[Ledger], Mapping[str, Pack]]
    report_of: ReportOf
    status_of: StatusOf = status_of

    async def with_ledger(self, work: Callable[[Ledger], T]) -> T:
        """Do something with the whole ledger, beside the pages."""

        def done() -> T:
            with self.whole() as ledger:
                return work(ledger)

        return await run_in_threadpool(done)


class Frame(NamedTuple):
    """Adds pages to a router."""

    router: APIRouter
    backing: Backing

    def add(self, page: str, handler: Handler, method: Method = "GET", *, for_all: bool = False) -> None:
        """Add a page.

        Args:
            page: its name, which is its path; `overview` stands at the root.
            handler: gives it.
            method: `POST` takes a form, of this site only.
            for_all: also for whoever is not known.
        """

        async def answer(request: Request) -> Response:
            return await self._answered(request, page, handler, for_all=for_all)

        path = "/" if page == "overview" else f"/{page}"
        self.router.add_api_route(path, answer, methods=[method], name=f"{method} {page}", response_model=None)

    async def _answered(self, request: Request, page: str, handler: Handler, *, for_all: bool) -> Response:
        """Give a page, or the page that says why not."""
        visit = Visit(request, page, None, self.backing.ask)
        try:
            if request.method == "POST":
                _refuse_other_sites(request)
            if not for_all:
                visit = Visit(request, page, await self.backing.account_of(request), self.backing.ask)
            return await handler(visit)
        except PurposeMissingError as missing:
            return visit.show("purpose.html", subject=missing.subject, then=visit.again(), wrong=())
        except HTTPException:  # of the reader of forms
            return self._refused(visit, QuestionError("the form is not right", help="use the page of this Flowtrack"))
        except FlowtrackError as error:
            return self._refused(visit, error)
        except Exception as error:  # noqa: BLE001 - whatever it is, whoever looks gets a page; its text is written nowhere
            _log.error("page failed", page=page, error=type(error).__name__, at=steps_to(error))
            return self._broken(visit)

    def _broken(self, visit: Visit) -> Response:
        """Say that a page could not be made; where even that page cannot, in a few words without any template."""
        try:
            return visit.show("refused.html", status=_BROKEN, refusal=None, code=_BROKEN)
        except Exception as error:  # noqa: BLE001 - (likewise)
            _log.error("page failed", page="refused", error=type(error).__name__, at=steps_to(error))
            return HTMLResponse(_PLAIN, _BROKEN, PAGE_HEADERS)

    def _refused(self, visit: Visit, error: FlowtrackError) -> Response:
        status = self.backing.status_of(error)
        if status == _UNKNOWN:
            return visit.show("sign-in.html", status=status, then=visit.again())
        return visit.show("refused.html", status=status, refusal=refusal_of(visit, error), code=status)


def needs(visit: Visit, roles: frozenset[Role]) -> None:
    """Let only some roles go on.

    Raises:
        AccessError: whoever looks has none of them.
    """
    if visit.account is None or not roles.intersection(visit.account.roles):
        raise AccessError(
            "no role of this account may see this", help=f"it takes {', '.join(sorted(roles))}", roles=roles
        )


def within(then: str) -> str:
    """Give an address of this site, whatever was asked for."""
    parts = urlsplit(then)
    inside = then.startswith("/") and not then.startswith(("//", "/\\")) and not parts.netloc
    return then if inside and then.isprintable() else "/"


def _refuse_other_sites(request: Request) -> None:
    origin = request.headers.get("origin")
    elsewhere = origin is not None and urlsplit(origin).netloc != request.headers.get("host", "")
    if elsewhere or request.headers.get("sec-fetch-site", "") not in _OWN:
        raise AccessError("forms of other sites are not taken", help="use the page of this Flowtrack")
