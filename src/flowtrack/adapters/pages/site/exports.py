"""Rows of a page as a file: of families whose answer comes whole; the API streams those that come in pages."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Final

from fastapi.responses import Response
from pydantic import BaseModel

from flowtrack.adapters.pages.site.visit import Visit
from flowtrack.audit.families import family_of
from flowtrack.audit.row_forms import CsvRows, columns_of
from flowtrack.errors import QuestionError

_TYPES: Final = {"csv": "text/csv; charset=utf-8", "json": "application/json", "ndjson": "application/x-ndjson"}
_OF_THE_PAGE: Final = frozenset({"family", "format", "lang"})


async def export(visit: Visit) -> Response:
    """Give the rows of the answer to a question."""
    family = family_of(visit.said.get("family", ""))
    form = form_of(visit, ("csv", "ndjson"))
    answer = await visit.ask(visit.question(family, *(name for name in visit.said if name not in _OF_THE_PAGE)))
    if form == "csv":
        text = in_rows(answer.rows, columns_of(family.answer))
    else:
        text = "".join(f"{row.model_dump_json()}\n" for row in answer.rows)
    return attached(text, f"flowtrack-{family.family}-{answer.about.id[:8]}", form)


def form_of(visit: Visit, forms: Sequence[str]) -> str:
    """Give the form that an address asks for.

    Raises:
        QuestionError: it is none of those that there are.
    """
    form = visit.said.get("format", "")
    if form not in forms:
        raise QuestionError("there is no such form", where="format", help=f"ask for one of {', '.join(forms)}")
    return form


def in_rows(rows: Sequence[BaseModel], columns: dict[str, object]) -> str:
    """Give rows as CSV, under a head line."""
    file = io.StringIO()
    CsvRows(file, columns).write(rows)
    return file.getvalue()


def attached(text: str, name: str, form: str) -> Response:
    """Give a text as a file that a browser keeps."""
    headers = {"content-disposition": f'attachment; filename="{name}.{form}"', "cache-control": "no-store"}
    return Response(text, media_type=_TYPES[form], headers=headers)
