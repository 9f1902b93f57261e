"""Cursors: where a page ended, and of which question, so that no other question goes on from there."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final, TypeVar

from pydantic import Field, StrictInt, StrictStr, TypeAdapter

from flowtrack.audit.family import Answer, PagedQuestion, identity_of
from flowtrack.domain.instants import from_us, instant_us
from flowtrack.domain.model import SUBJECT_PATTERN
from flowtrack.errors import QuestionError

A = TypeVar("A", bound=Answer)
Key = list[StrictStr | StrictInt]
"""Of the last row given: what rows are ordered by."""
Kind = type[str] | range | re.Pattern[str]
"""Of one part of a key: any text, whole numbers of a range, or a text that matches."""
WHOLE: Final = range(-(1 << 63), 1 << 63)
COUNT: Final = range(1 << 63)
SMALL: Final = range(1 << 16)
SUBJECT: Final = re.compile(SUBJECT_PATTERN)
FLOW: Final[Sequence[Kind]] = (WHOLE, str, SMALL, COUNT, str, SMALL)
"""A flow's place: instant in microseconds, epoch, partition, offset, category, revision."""

_PINNED_MAX_US = 1 << 57  # some year 6500
_content = TypeAdapter(tuple[str, Annotated[int, Field(ge=0, le=_PINNED_MAX_US)] | None, Key])
_HELP = "give the cursor of the answer before, with the same question; or leave it out to begin anew"


def cursor_of(question: PagedQuestion[A], key: Key) -> str:
    """Make the cursor behind a row.

    Args:
        question: with `known_at` pinned.
        key: of the last row that the page gives.
    """
    pinned = None if question.known_at is None else instant_us(question.known_at)
    text = json.dumps([_question_id(question), pinned, key], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def key_of(question: PagedQuestion[A], kinds: Sequence[Kind]) -> Key | None:
    """Give the key behind which a page begins; None for the first page.

    Args:
        question: as it was asked.
        kinds: of the key's parts: a cursor comes from outside, and may have been changed there.

    Raises:
        QuestionError: it is no cursor, or that of another question.
    """
    if not question.after:
        return None
    key = _read(question)[1]
    if len(key) != len(kinds) or not all(map(_is, key, kinds)):
        raise QuestionError("the cursor is not right", where="after", help=_HELP)
    return key


def _is(part: str | int, kind: Kind) -> bool:
    if isinstance(kind, range):
        return isinstance(part, int) and part in kind
    return isinstance(part, str) and (isinstance(kind, type) or kind.fullmatch(part) is not None)


def pinned_at(question: PagedQuestion[A]) -> datetime | None:
    """Give what the pages before took as known; None for the first page.

    Raises:
        QuestionError: it is no cursor, or that of another question, be it only by what it takes as known.
    """
    pinned = _read(question)[0] if question.after else None
    if pinned is not None and question.known_at is not None and instant_us(question.known_at) != pinned:
        raise QuestionError("the cursor belongs to another question", where="after", help=_HELP)
    return None if pinned is None else from_us(pinned)


def pinned_anew(question: PagedQuestion[A], cursor: str) -> str:
    """Give a cursor behind the same row, of the same question with another `known_at` pinned.

    Args:
        question: with its `known_at`.
        cursor: of the question with the other one.

    Raises:
        QuestionError: it is no cursor, or that of another question.
    """
    return cursor_of(question, _read(question.model_copy(update={"after": cursor}))[1])


def _question_id(question: PagedQuestion[A]) -> str:
    """Of all but its page and its transaction time, which the cursor carries itself."""
    return identity_of(question.model_copy(update={"known_at": None, "limit": 1}))


def _read(question: PagedQuestion[A]) -> tuple[int | None, Key]:
    text = question.after
    try:
        content = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        identity, pinned, key = _content.validate_json(content)
    except ValueError:
        raise QuestionError("the cursor is not right", where="after", help=_HELP) from None
    if identity != _question_id(question):
        raise QuestionError("the cursor belongs to another question", where="after", help=_HELP)
    return pinned, key
