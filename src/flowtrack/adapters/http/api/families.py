"""A route for each family of questions, made from the list of them: a new family appears by itself."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from hashlib import blake2b
from typing import Annotated, Any, Final, NamedTuple
from urllib.parse import unquote_to_bytes

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from pydantic import BaseModel, Field, ValidationError, create_model

from flowtrack.adapters.http.api.desk import Desk
from flowtrack.adapters.http.api.metrics import CUT
from flowtrack.adapters.http.api.problems import PROBLEM_JSON
from flowtrack.audit.accounts import Account
from flowtrack.audit.families import FAMILIES
from flowtrack.audit.family import Answer, Question
from flowtrack.audit.roles import WHY_MAX
from flowtrack.domain.instants import instant_us
from flowtrack.domain.model import Contract
from flowtrack.errors import QuestionError

PURPOSE_HEADER: Final = "Flowtrack-Purpose"
Current = Callable[[Request], Coroutine[Any, Any, Account]]
"""Gives the account that a request comes from, or raises AccessError."""

_PRIVATE: Final = "private, no-cache"  # a browser may keep it for itself, and asks whether it still holds
WHY: Final = "Why it is asked, e.g. the number of a case; the log of questions keeps it."
_PROBLEMS: Final[dict[int, str]] = {
    400: "The question is not right, or its purpose is missing.",
    401: "Who asks is not known.",
    403: "No role of the account may ask this.",
    421: "It is not addressed under that name.",
    422: "Parameters are not right.",
    429: "Too many requests.",
    500: "The question could not be answered.",
    503: "The ledger does not answer now, or too many questions are there.",
    504: "The answer takes too long.",
}
REFUSALS: Final[dict[int | str, dict[str, Any]]] = {
    status: {"description": text, "content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    for status, text in _PROBLEMS.items()
}


class Listed(Contract):
    """A family of questions, as the list of them names it."""

    family: str
    asks: str
    """What it asks, in a sentence."""
    roles: list[str]
    """Who may ask it."""
    subject: bool
    """Whether it is about one subject."""
    purpose: bool
    """Whether it shows subjects, and needs a purpose."""
    pages: bool
    """Whether its rows come in pages."""
    allowed: bool
    """Whether this account may ask it."""


class Families(Contract):
    """What can be asked."""

    families: list[Listed]


def add_families(router: APIRouter, desk: Desk, current: Current) -> None:
    """Add a route for each family, and their list.

    Args:
        router: below /v1.
        desk: answers.
        current: tells who asks.
    """
    router.add_api_route(
        "",
        _listing(current),
        methods=["GET"],
        response_model=Families,
        responses=REFUSALS,
        name="families",
        operation_id="families",
    )
    for name, family in FAMILIES.items():
        router.add_api_route(
            f"/{name}",
            _answering(family, desk, current),
            methods=["GET"],
            response_model=family.answer,
            responses={**REFUSALS, 304: {"description": "The answer has not changed."}},
            name=name,
            operation_id=name,
            summary=asks(family),
            description=f"May be asked by: {', '.join(sorted(family.roles))}.",
        )


def asks(family: type[Contract]) -> str:
    """What a family asks, or a report tells: the first line of what it says of itself."""
    return (family.__doc__ or family.__name__).strip().splitlines()[0]


def parameters_of(
    family: type[BaseModel], *, leave_out: frozenset[str] = frozenset(), more: Mapping[str, Any] = {}
) -> type[BaseModel]:
    """Give the query parameters of a family or of an order: its fields, why it is asked, and more.

    Args:
        family: whose fields are parameters.
        leave_out: of its fields.
        more: further parameters, as pydantic's `create_model` takes them.
    """
    fields: dict[str, Any] = {
        name: (field.annotation, field) for name, field in family.model_fields.items() if name not in leave_out
    }
    why = (str, Field(default="", max_length=WHY_MAX, description=WHY))
    name = f"{family.__name__}{''.join(more).title()}Asked"
    return create_model(name, __base__=Contract, __doc__=family.__doc__, **fields, why=why, **dict(more))


def said_plainly(request: Request, parameters: BaseModel) -> None:
    """Refuse an address that says something else than was understood.

    Args:
        request: as it came.
        parameters: as they were read from it: of what is said twice only the last, and of bytes that are no text a
            sign for them.

    Raises:
        QuestionError: a parameter that is no list stands twice, or the address is not UTF-8.
    """
    try:
        unquote_to_bytes(request.url.query).decode()
    except UnicodeDecodeError:
        raise QuestionError("the address is not UTF-8", help="encode parameters as UTF-8") from None
    times = Counter(name for name, _ in request.query_params.multi_items())
    twice = sorted(name for name, value in parameters if times[name] > 1 and not isinstance(value, list | tuple))
    if twice:
        raise QuestionError("a parameter stands twice", where=", ".join(twice), help="say each of them once")


def question_in(family: type[Question[Any]], parameters: BaseModel) -> Question[Any]:
    """Give the question that parameters make.

    Raises:
        QuestionError: they do not fit together.
    """
    said = parameters.model_fields_set & set(family.model_fields)
    try:
        return family.model_validate({name: getattr(parameters, name) for name in said})
    except ValidationError as error:
        wrong = {".".join(map(str, fault["loc"])) for fault in error.errors(include_input=False, include_url=False)}
        raise QuestionError(
            "the fields of the question do not fit together",
            where=", ".join(sorted(wrong - {""})),
            help="see /v1/openapi.json for what it takes",
        ) from None


def purpose(parameters: BaseModel, header: str | None) -> str:
    """Give why a question is asked: of the header, else of the parameters.

    Raises:
        QuestionError: the header is too long.
    """
    if header is None:
        return str(getattr(parameters, "why", ""))
    try:
        said = header.encode("latin-1").decode()  # what is sent are bytes, and most clients send UTF-8
    except UnicodeError:
        said = header
    if len(said) > WHY_MAX:
        raise QuestionError("the purpose is too long", where="why", help=f"use {WHY_MAX} characters at most")
    return said


class Written(NamedTuple):
    """An answer as it is sent."""

    body: bytes
    etag: str
    """The same for the same question at the same state of the ledger, with the same rows.

    How far the ledger lags is left out: it changes without any row.
    """


def written(answer: Answer) -> Written:
    """Write an answer: what its tag is made of, and what is sent, are one text."""
    complete = answer.about.completeness.complete_up_to
    rows = answer.model_dump_json(exclude={"about"}).encode()
    digest = blake2b(rows, digest_size=12)
    digest.update(f"{answer.about.id}:{'' if complete is None else instant_us(complete)}".encode())
    etag = f'W/"{base64.urlsafe_b64encode(digest.digest()).decode()}"'
    return Written(b'{"about":' + answer.about.model_dump_json().encode() + b"," + rows[1:], etag)


def _is_among(tag: str, listed: str) -> bool:
    """Compare weakly, as RFC 9110, section 13.1.2, has it for If-None-Match; `*` is any."""
    weak = {each.strip().removeprefix("W/") for each in listed.split(",")}
    return bool(weak & {"*", tag.removeprefix("W/")})


def _listing(current: Current) -> Callable[..., Any]:
    async def families(account: Annotated[Account, Depends(current)]) -> Families:
        """What can be asked, and whether this account may."""
        return Families(families=[_listed(family, account) for family in FAMILIES.values()])

    families.__annotations__["account"] = Annotated[Account, Depends(current)]
    return families


def _listed(family: type[Question[Any]], account: Account) -> Listed:
    about_one = "subject" in family.model_fields and family.model_fields["subject"].is_required()
    return Listed(
        family=family.family,
        asks=asks(family),
        roles=sorted(family.roles),
        subject=about_one,
        purpose=family.names_subjects or about_one,
        pages="after" in family.model_fields,
        allowed=account.role_for(family) is not None,
    )


def _answering(family: type[Question[Any]], desk: Desk, current: Current) -> Callable[..., Any]:
    """Make the function of a family's route; its annotations are those of the family."""

    async def answer(
        request: Request, asked: BaseModel, account: Account, why: str | None = None, unless: str | None = None
    ) -> Response:
        said_plainly(request, asked)
        question = question_in(family, asked)
        given = await desk.ask(question, account.asker(question, purpose(asked, why)))
        if given.about.completeness.truncated:
            CUT.labels(family.family).inc()
        body, etag = written(given)
        headers = {"etag": etag, "cache-control": _PRIVATE, "vary": "authorization, cookie"}
        if given.about.completeness.after:
            following = request.url.include_query_params(after=given.about.completeness.after)
            headers["link"] = f'<{following.path}?{following.query}>; rel="next"'
        if unless is not None and _is_among(etag, unless):
            return Response(status_code=304, headers=headers)
        return Response(body, media_type="application/json", headers=headers)

    answer.__annotations__ |= {
        "request": Request,
        "asked": Annotated[parameters_of(family), Query()],
        "account": Annotated[Account, Depends(current)],
        "why": Annotated[str | None, Header(alias=PURPOSE_HEADER, description=WHY)],
        "unless": Annotated[str | None, Header(alias="If-None-Match")],
        "return": Response,
    }
    return answer
