"""A visit to a page: who looks, in which language, at what; and how it asks, links on and is shown."""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable, Container, Iterable, Mapping
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any, Final, Protocol, TypeVar, get_origin
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse, Response
from pydantic import TypeAdapter, ValidationError

from flowtrack.adapters.pages.pictures.svg import Picture
from flowtrack.adapters.pages.rendering import Language, Words, language_of, render, words
from flowtrack.adapters.pages.site.pictures import as_file
from flowtrack.audit.accounts import Account
from flowtrack.audit.annotations import bare
from flowtrack.audit.families import FAMILIES, question_of
from flowtrack.audit.family import Answer, PagedQuestion, Question
from flowtrack.audit.questions import Instant
from flowtrack.audit.roles import WHY_MAX, Asker
from flowtrack.errors import AccessError, QuestionError

A = TypeVar("A", bound=Answer)
Q = TypeVar("Q", bound=Question[Any])

CARRIED: Final = ("lang", "since", "until", "as_of", "known_at")
"""What every link takes along: the language and the times."""
INSTANTS: Final = frozenset({"since", "until", "as_of", "known_at"})
PURPOSE_COOKIE: Final = "flowtrack_purpose"
NAVIGATION: Final = (
    "overview",
    "subject",
    "recipient",
    "service",
    "violations",
    "alerts",
    "policy",
    "what-if",
    "blast",
    "origin",
    "reports",
    "audit-log",
)
PAGE_HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "cache-control": "no-store",
    "vary": "cookie, accept-language",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
}
_DIGITS_MAX: Final = 9
_WHOLE: Final = frozenset({"lang", "after", "first", "last", "picture", "form"})
"""Of an address, what keeps nothing out of a view."""
_BOUND: Final = {
    "subject": ("subject",),
    "recipient": ("recipient",),
    "service": ("service",),
    "blast": ("start", "name"),
    "withdrawal": ("subject", "record"),
    "alerts": ("identity",),
    "clause": ("clause", "pack"),
    "policy": ("pack",),
    "what-if": ("pack",),
}
"""What a view is about, by page: without it there is none."""
_instant: Final[TypeAdapter[datetime]] = TypeAdapter(Instant)


class Ask(Protocol):
    """Answers questions of all families."""

    def __call__(self, question: Question[A], asker: Asker) -> Awaitable[A]:
        """Answer a question."""
        ...


AccountOf = Callable[[Request], Awaitable[Account]]
"""Tells who sent a request; raises AccessError where that is not known."""


class Visit:
    """One request for a page.

    Args:
        request: as it came.
        page: name of the page: its path without the slash, `overview` for the first.
        account: who looks; None on the pages that anybody may see.
        ask: answers questions.
    """

    def __init__(self, request: Request, page: str, account: Account | None, ask: Ask) -> None:
        self.request = request
        self.page = page
        self.account = account
        self._ask = ask
        self.said: dict[str, str] = {name: text for name, text in request.query_params.items() if text.strip()}
        self.language = language_of(self.said.get("lang"), request.headers.get("accept-language", ""))
        self.words: Words = words(self.language)

    # ---------------------------------------------------------------------------------------------------- what it asks

    def question(self, family: type[Q], *names: str, **fixed: object) -> Q:
        """Make a question from what the address says.

        Args:
            family: of the question; its times and period are read from the address too.
            names: of the fields that are read from the address.
            fixed: fields that the page itself sets.

        Raises:
            QuestionError: something in the address is not right; names the parameter.
        """
        fields: dict[str, object] = {}
        for name in (*INSTANTS, *names):
            if name in self.said and name in family.model_fields:
                fields[name] = with_zone(self.said[name]) if name in INSTANTS else self._given(family, name)
        made = question_of(family.family, {**fields, **fixed})
        if not isinstance(made, family):
            raise TypeError(family.family)
        return made

    def _given(self, family: type[Question[Any]], name: str) -> str | list[str]:
        if get_origin(bare(family.model_fields[name].annotation)) is list:
            return [text.strip() for text in self.request.query_params.getlist(name) if text.strip()]
        return self.said[name].strip()

    async def ask(self, question: Question[A]) -> A:
        """Ask as whoever looks, for the purpose that was given for this subject, or last for lists that name some.

        Raises:
            AccessError: no role of the account may ask this.
            PurposeMissingError: the question is about subjects, and why is not known yet.
            QuestionError: the question is not right.
            StoreError: the ledger cannot answer.
        """
        if self.account is None:
            raise AccessError("who asks is not known", known=False)
        why = ""
        if question.needs_purpose:
            why = self.purpose_before if question.whom is None else self.purpose_for(question.whom)
            if not why and self.may(type(question).family):
                raise PurposeMissingError(question.whom or "")
        return await self._ask(question, self.account.asker(question, why))

    def may(self, family: str) -> bool:
        """Say whether whoever looks may ask questions of a family."""
        return self.account is not None and family in FAMILIES and self.account.role_for(FAMILIES[family]) is not None

    def may_list(self, family: type[Question[Any]]) -> bool:
        """Say whether a page may show samples whose rows name subjects: a role that may, and a purpose was said."""
        return self.may(family.family) and bool(self.purpose_before)

    def purpose_for(self, subject: str) -> str:
        """Give why this browser's user asks about a subject; empty where it has not been said."""
        whom, why = self._purpose()
        return why if whom == subject else ""

    @property
    def purpose_before(self) -> str:
        """The purpose that was said last, to begin with."""
        return self._purpose()[1]

    def _purpose(self) -> tuple[str, str]:
        try:
            # What stands in a cookie comes from outside: it may nest without end, or be no text at all.
            whom, why = json.loads(base64.urlsafe_b64decode(self.request.cookies.get(PURPOSE_COOKIE, "")))
            str(why).encode()
        except (ValueError, TypeError, RecursionError):
            return "", ""
        if not isinstance(whom, str) or not isinstance(why, str):
            return "", ""
        return whom, why[:WHY_MAX].strip()

    # -------------------------------------------------------------------------------------------------- where it leads

    def to(self, page: str, /, **state: object) -> str:
        """Give the address of a page that takes the language and the times along.

        Args:
            page: its name.
            state: what it shows; None and empty take a parameter away.
        """
        carried: dict[str, object] = {name: self.said[name] for name in CARRIED if name in self.said}
        return address(page, {**carried, **state})

    def again(self, **state: object) -> str:
        """Give the address of this view, with something changed."""
        return address(self.page, {**self.said, **state})

    @property
    def path(self) -> str:
        """Where forms of this page lead."""
        return address(self.page, {})

    @property
    def plain(self) -> str:
        """The address of this page without any state but the language."""
        return address(self.page, {"lang": self.said.get("lang")})

    def kept(self, *names: str) -> dict[str, str]:
        """Give what the address says of some of its parameters, for links to a view of the same."""
        return {name: self.said[name] for name in names if name in self.said}

    @property
    def narrowed(self) -> bool:
        """Whether the address keeps something out: a filter, a period, or what was known then."""
        return bool(set(self.said) - _WHOLE - set(_BOUND.get(self.page, ())))

    @property
    def widened(self) -> str:
        """The address of this page without what keeps something out."""
        kept = {"lang", *_BOUND.get(self.page, ())}
        return address(self.page, {name: text for name, text in self.said.items() if name in kept})

    def export(self, answer: Answer, form: str) -> str:
        """Give the address of all rows of an answer's question as a file, as known at the same instant.

        Rows that come in pages are streamed by the API; those of other families come as this page's answer.
        """
        family = answer.about.family
        if issubclass(FAMILIES[family], PagedQuestion):
            asked = {name: value for name, value in answer.about.question.items() if name not in {"after", "limit"}}
            why = self.purpose_before if FAMILIES[family].names_subjects else None
            return address(f"v1/{family}/export", {**asked, "format": form, "why": why})
        return address("export", {"family": family, "format": form, **answer.about.question})

    def instant(self, name: str) -> datetime | None:
        """Give an instant that the address says.

        Raises:
            QuestionError: it is none.
        """
        if name not in self.said:
            return None
        try:
            return _instant.validate_python(with_zone(self.said[name]))
        except ValidationError:
            raise QuestionError(
                "an instant is not right", where=name, help="write it as 2026-03-02T09:00, in UTC"
            ) from None

    def earlier(self, names: Container[str]) -> dict[str, datetime]:
        """Give the instants that keep a view from being of now, by what they are.

        Args:
            names: of those that the view takes.

        Raises:
            QuestionError: one is none.
        """
        said = {name: self.instant(name) for name in ("as_of", "known_at") if name in names}
        return {name: at for name, at in said.items() if at is not None and at < datetime.now(UTC)}

    def whole_number(self, name: str, otherwise: int, *, most: int) -> int:
        """Give a whole number that the address says, from zero on.

        Raises:
            QuestionError: it is none, or too large.
        """
        text = self.said.get(name, str(otherwise)).strip()
        if not text.isascii() or not text.isdigit() or len(text) > _DIGITS_MAX or int(text) > most:
            raise QuestionError("a number is not right", where=name, help=f"write a whole number from 0 to {most}")
        return int(text)

    @staticmethod
    def near(name: str, known: Iterable[str]) -> str:
        """Give the known name that one was probably meant to be; empty where none is near."""
        return next(iter(get_close_matches(name, list(known), n=1)), "")

    # ---------------------------------------------------------------------------------------------------- how it shows

    def show(self, template: str, *, status: int = 200, **values: object) -> Response:
        """Fill in a template of the site, or give one of its pictures as a file where the address asks for that.

        Raises:
            QuestionError: there is no such picture on the page.
        """
        pictures = [each for each in values.values() if isinstance(each, Picture)]
        if "picture" in self.said and pictures:
            return as_file(pictures, self.said["picture"], self.said.get("form", "svg"))
        told = {
            "visit": self,
            "navigation": NAVIGATION,
            "other": next(each for each in Language if each is not self.language),
        }
        text = render(f"site/{template}", self.language, **told, **values)
        return HTMLResponse(text, status, PAGE_HEADERS)

    def typed(self, name: str) -> str:
        """Give what stands in a field of a form: an instant as browsers edit it."""
        text = self.said.get(name, "")
        if name not in INSTANTS or not text:
            return text
        at = self.instant(name)
        return "" if at is None else f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}"


class PurposeMissingError(Exception):
    """A view is about a subject, and why it is looked at has not been said.

    Args:
        subject: whom it is about.
    """

    def __init__(self, subject: str) -> None:
        super().__init__()
        self.subject = subject


def address(page: str, state: Mapping[str, object]) -> str:
    """Write the address of a page; what is None or empty is left out."""
    path = "/" if page == "overview" else f"/{page}"
    said = {name: _said(value) for name, value in state.items() if value is not None and value not in ("", [], ())}
    return f"{path}?{urlencode(said, doseq=True)}" if said else path


def with_zone(text: str) -> str:
    """Take an instant without a zone, as browsers give it, to be in UTC."""
    text = text.strip()
    if len(text) == len("2026-03-02"):
        text += "T00:00"
    return f"{text}Z" if "T" in text and not text.endswith(("Z", "z")) and not _has_zone(text) else text


def _has_zone(text: str) -> bool:
    clock = text.partition("T")[2]
    return "+" in clock or "-" in clock


def _said(value: object) -> str | list[str]:
    if isinstance(value, list | tuple):
        return [str(each) for each in value]
    return value.isoformat() if isinstance(value, datetime) else str(value)


def purpose_cookie(subject: str, why: str) -> str:
    """Write the purpose for a subject as the browser keeps it."""
    return base64.urlsafe_b64encode(json.dumps([subject, why]).encode()).decode()
