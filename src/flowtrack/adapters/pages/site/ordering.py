"""The page of reports: a form for each that whoever looks may have, which opens the document."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from fastapi.responses import Response
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool

from flowtrack.adapters.pages.rendering import Language
from flowtrack.adapters.pages.reports.render import render
from flowtrack.adapters.pages.site.frame import Backing
from flowtrack.adapters.pages.site.refusals import wrong_of
from flowtrack.adapters.pages.site.visit import Visit, with_zone
from flowtrack.audit.reports.ordering import Order, OrderField, Purpose, faults_of, fields_of
from flowtrack.audit.reports.orders import ORDERS, order_of
from flowtrack.errors import AccessError, QuestionError

_FIELDS_MAX: Final = 32
_BAD: Final = 400
_HEADERS: Final = {
    # a document carries its style with it; nothing else is loaded or run
    "content-security-policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "cache-control": "no-store",
    "vary": "cookie",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
}


class Blank(NamedTuple):
    """A form of one report."""

    name: str
    fields: list[OrderField]
    on: frozenset[str]
    """Of its flags, those that are on unless somebody takes them off."""
    purpose: Purpose
    """Whether it takes saying why."""


class Reports:
    """Shows forms, and the documents that they order.

    Args:
        backing: makes documents.
    """

    def __init__(self, backing: Backing) -> None:
        self._backing = backing

    async def show(self, visit: Visit) -> Response:
        """Show the forms of the reports that whoever looks may have."""
        return _forms(visit, {}, None)

    async def make(self, visit: Visit) -> Response:
        """Make the report that a form orders; what a form says stands in no address, since it may name a person."""
        form = await visit.request.form(max_files=0, max_fields=_FIELDS_MAX)
        said = {name: text.strip() for name, text in form.items() if isinstance(text, str) and text.strip()}
        try:
            return await self._made(visit, said)
        except QuestionError as error:
            return _forms(visit, said, error)

    async def _made(self, visit: Visit, said: Mapping[str, str]) -> Response:
        if visit.account is None:
            raise AccessError("who asks is not known", known=False)
        order = _order(said)
        language = said.get("lang", "")
        if language not in set(Language):
            raise QuestionError("there is no such language", where="lang", help=f"choose one of {', '.join(Language)}")
        report = await self._backing.report_of(order, order.asker(visit.account, said.get("why", "")))
        name = f"flowtrack-{report.name}-{datetime.now(UTC):%Y-%m-%d}"
        if said.get("form") == "json":
            headers = {**_HEADERS, "content-disposition": f'attachment; filename="{name}.json"'}
            text = await run_in_threadpool(lambda: report.model_dump_json(indent=2))
            return Response(f"{text}\n", media_type="application/json", headers=headers)
        headers = {**_HEADERS, "content-disposition": f'inline; filename="{name}.html"'}
        text = await run_in_threadpool(render, report, language)
        return Response(text, media_type="text/html; charset=utf-8", headers=headers)


def _forms(visit: Visit, said: Mapping[str, str], error: QuestionError | None) -> Response:
    """Show the forms; where one was refused, what is wrong with it above it, and in it what was typed."""
    account = visit.account
    blanks = [_blank(order) for order in ORDERS.values() if account and account.role_among(order.roles)]
    return visit.show(
        "reports.html",
        status=200 if error is None else _BAD,
        blanks=blanks,
        languages=list(Language),
        said=said,
        refused=error is not None,
        wrong=[] if error is None else wrong_of(visit.words, error, "ordering"),
    )


def _blank(order: type[Order]) -> Blank:
    fields = fields_of(order)
    on = {each.name for each in fields if each.kind == "flag" and order.model_fields[each.name].default is True}
    return Blank(order.report.name, fields, frozenset(on), order.takes_purpose)


def _order(said: Mapping[str, str]) -> Order:
    """Give the order that a form makes.

    Raises:
        QuestionError: there is no such report, or a field is not right; names the field.
    """
    name = said.get("report", "")
    if name not in ORDERS:
        raise QuestionError("there is no such report", where="report", help="choose one of the page of reports")
    given: dict[str, Any] = {
        each.name: with_zone(said[each.name]) if each.kind == "instant" else said[each.name]
        for each in fields_of(ORDERS[name])
        if each.name in said
    }
    try:
        return order_of(name, given)
    except ValidationError as error:
        wrong, lacks = faults_of(error)
        needed = f"it takes {lacks}; " if lacks else ""
        raise QuestionError(
            "the order is not right" if wrong else "the order is not whole, or its fields do not fit together",
            where=", ".join(wrong),
            help=f"{needed}instants are in UTC, subjects have 32 hex digits, a month is 2026-03",
            fields=wrong,
        ) from None
