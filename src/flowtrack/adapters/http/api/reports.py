"""Reports over HTTP: a route for each that can be ordered, as JSON or as a document in Korean or English."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, Final, Literal, NamedTuple

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from pydantic import BaseModel, Field, ValidationError

from flowtrack.adapters.http.api.desk import Desk
from flowtrack.adapters.http.api.families import (
    PURPOSE_HEADER,
    REFUSALS,
    WHY,
    Current,
    asks,
    parameters_of,
    purpose,
    said_plainly,
)
from flowtrack.audit.accounts import Account
from flowtrack.audit.reports.frame import Report
from flowtrack.audit.reports.ordering import Order, OrderField, fields_of
from flowtrack.audit.reports.orders import ORDERS, order_of
from flowtrack.audit.roles import Asker
from flowtrack.domain.model import Contract
from flowtrack.errors import QuestionError

_HTML: Final = "text/html; charset=utf-8"
_MORE: Final[dict[str, Any]] = {
    "format": (Literal["json", "html"], Field(default="json", description="The report's value, or a document of it.")),
    "lang": (Literal["ko", "en"], Field(default="en", description="Language of the document; the value holds both.")),
}
_HEADERS: Final = {
    "cache-control": "private, no-store",
    # a document carries its style with it, and nothing else is loaded or run
    "content-security-policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
}
_GIVEN: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The report.",
        "content": {
            "application/json": {"schema": {"type": "object", "required": ["head"]}},
            "text/html": {"schema": {"type": "string"}},
        },
    }
}


class Making(NamedTuple):
    """How reports are made."""

    make: Callable[[Order, Asker], Report]
    """From the ledger; it is called from several threads."""
    render: Callable[[Report, str], str]
    """As a document in `ko` or `en`."""

    def document(self, order: Order, asker: Asker, language: str) -> str:
        """Make a report as a document.

        Raises:
            QuestionError: the order is not right.
            StoreError: the ledger does not answer.
        """
        return self.render(self.make(order, asker), language)


class ListedReport(Contract):
    """A report, as the list of them names it."""

    report: str
    about: str
    """What it tells, in a sentence."""
    roles: list[str]
    """Who may have it."""
    fields: list[OrderField]
    """What an order of it says."""
    allowed: bool
    """Whether this account may have it."""


class ListedReports(Contract):
    """What can be ordered."""

    reports: list[ListedReport]


def add_reports(router: APIRouter, desk: Desk, making: Making, current: Current) -> None:
    """Add a route for each report, and their list.

    Args:
        router: below /v1.
        desk: bounds how many are made at once, and how long each takes, as it does for questions.
        making: makes them.
        current: tells who asks.
    """
    router.add_api_route(
        "/reports",
        _listing(current),
        methods=["GET"],
        response_model=ListedReports,
        responses=REFUSALS,
        name="reports",
        operation_id="reports",
    )
    for name, order in ORDERS.items():
        router.add_api_route(
            f"/reports/{name}",
            _answering(order, desk, making, current),
            methods=["GET"],
            response_class=Response,
            responses={**REFUSALS, **_GIVEN},
            name=f"report {name}",
            operation_id=f"report-{name}",
            summary=asks(order),
            description=f"May be ordered by: {', '.join(sorted(order.roles))}.",
        )


def order_in(order: type[Order], parameters: BaseModel) -> Order:
    """Give the order that parameters make.

    Raises:
        QuestionError: they do not fit together.
    """
    said = parameters.model_fields_set & set(order.model_fields)
    try:
        return order_of(order.report.name, {name: getattr(parameters, name) for name in said})
    except ValidationError as error:
        faults = error.errors(include_input=False, include_url=False)
        wrong = {".".join(map(str, fault["loc"])) for fault in faults}
        raise QuestionError(
            "the fields of the order are not right, or do not fit together",
            where=", ".join(sorted(wrong - {""})),
            help="see /v1/openapi.json for what it takes",
        ) from None


def _listing(current: Current) -> Callable[..., Any]:
    async def reports(account: Account) -> ListedReports:
        """What can be ordered, and whether this account may."""
        return ListedReports(reports=[_listed(order, account) for order in ORDERS.values()])

    reports.__annotations__["account"] = Annotated[Account, Depends(current)]
    return reports


def _listed(order: type[Order], account: Account) -> ListedReport:
    return ListedReport(
        report=order.report.name,
        about=asks(order),
        roles=sorted(order.roles),
        fields=fields_of(order),
        allowed=account.role_among(order.roles) is not None,
    )


def _answering(order: type[Order], desk: Desk, making: Making, current: Current) -> Callable[..., Any]:
    """Make the function of a report's route; its annotations are those of the order."""

    async def answer(request: Request, asked: BaseModel, account: Account, why: str | None = None) -> Response:
        said_plainly(request, asked)
        ordered = order_in(order, asked)
        asker = ordered.asker(account, purpose(asked, why))
        form, language = (str(getattr(asked, name)) for name in _MORE)
        text = await desk.do(partial(_written, making, ordered, asker, form, language))
        return Response(text, media_type=_HTML if form == "html" else "application/json", headers=_HEADERS)

    answer.__annotations__ |= {
        "request": Request,
        "asked": Annotated[parameters_of(order, more=_MORE), Query()],
        "account": Annotated[Account, Depends(current)],
        "why": Annotated[str | None, Header(alias=PURPOSE_HEADER, description=WHY)],
        "return": Response,
    }
    return answer


def _written(making: Making, order: Order, asker: Asker, form: str, language: str) -> str:
    return making.document(order, asker, language) if form == "html" else making.make(order, asker).model_dump_json()
