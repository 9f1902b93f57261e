"""Rows of a page as a file: of families whose answer comes whole; the API streams those that come in pages."""

from __future__ import annotations

import io
from typing import Final

from fastapi.responses import Response

from flowtrack.adapters.pages.site.visit import Visit
from flowtrack.audit.families import family_of
from flowtrack.audit.row_forms import CsvRows, columns_of
from flowtrack.errors import QuestionError

_TYPES: Final = {"csv": "text/csv; charset=utf-8", "ndjson": "application/x-ndjson"}
_OF_THE_PAGE: Final = frozenset({"family", "format", "lang"})


async def export(visit: Visit) -> Response:
    """Give the rows of the answer to a question."""
    family = family_of(visit.said.get("family", ""))
    form = visit.said.get("format", "")
    if form not in _TYPES:
        raise QuestionError("there is no such form", where="format", help=f"ask for one of {', '.join(_TYPES)}")
    answer = await visit.ask(visit.question(family, *(name for name in visit.said if name not in _OF_THE_PAGE)))
    if form == "csv":
        file = io.StringIO()
        CsvRows(file, columns_of(family.answer)).write(answer.rows)
        text = file.getvalue()
    else:
        text = "".join(f"{row.model_dump_json()}\n" for row in answer.rows)
    name = f"flowtrack-{family.family}-{answer.about.id[:8]}.{form}"
    headers = {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}
    return Response(text, media_type=_TYPES[form], headers=headers)
