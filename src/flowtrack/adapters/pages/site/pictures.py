"""A picture of a page as a file: drawn as SVG that stands by itself, or its numbers as CSV."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from typing import Final

from fastapi.responses import Response

from flowtrack.adapters.pages.pictures.svg import Picture, element, escaped
from flowtrack.adapters.pages.rendering import stylesheet
from flowtrack.errors import QuestionError

_TYPES: Final = {"svg": "image/svg+xml", "csv": "text/csv; charset=utf-8"}
_LINK: Final = re.compile(r"<a [^>]*>")
_ATTACHED: Final = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
_OWN: Final = """svg { background: var(--paper); font-family: system-ui, "Noto Sans KR", sans-serif; }"""


def as_file(pictures: Iterable[Picture], name: str, form: str) -> Response:
    """Give one of a page's pictures as a file.

    Raises:
        QuestionError: there is no such picture, or no such form.
    """
    found = next((each for each in pictures if each.name == name), None)
    if found is None:
        raise QuestionError("there is no such picture", where="picture", help="take one of the links of the page")
    if form not in _TYPES:
        raise QuestionError("there is no such form", where="form", help=f"ask for one of {', '.join(_TYPES)}")
    text = alone(found) if form == "svg" else in_columns(found)
    attached = {**_ATTACHED, "content-disposition": f'attachment; filename="flowtrack-{found.name}.{form}"'}
    return Response(text, media_type=_TYPES[form], headers=attached)


def alone(picture: Picture) -> str:
    """Give a drawing that needs no page: with its styles, and without links, which would lead nowhere."""
    style = element("style", {}, escaped(f"{stylesheet()}\n{_OWN}"))
    begin = picture.svg.index(">") + 1
    drawn = picture.svg[:begin] + style + picture.svg[begin:]
    return _LINK.sub("<g>", drawn).replace("</a>", "</g>")


def in_columns(picture: Picture) -> str:
    """Give the table beside a picture as CSV (RFC 4180)."""
    file = io.StringIO()
    write = csv.writer(file).writerow
    write(picture.columns)
    for row in picture.rows:
        write(row)
    return file.getvalue()
