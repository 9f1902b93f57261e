"""Exports: pages of a family, the ledger's rows in bulk, the lineage of a period; their end says that they are whole.

NDJSON and CSV end with a line that counts the rows and carries the SHA-256 of all bytes before it; a Parquet file has
its index at its end.  What breaks off lacks that end, and the connection closes without the last chunk (RFC 9112, 8).
"""

from __future__ import annotations

import io
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack
from enum import StrEnum
from functools import partial
from hashlib import sha256
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from flowtrack.adapters.http.api.desk import Desk
from flowtrack.adapters.http.api.families import (
    PURPOSE_HEADER,
    REFUSALS,
    WHY,
    Current,
    asks,
    parameters_of,
    purpose,
    question_in,
    said_plainly,
)
from flowtrack.adapters.http.api.heads import asks_for_head
from flowtrack.adapters.http.api.limits import Rate
from flowtrack.adapters.http.api.taking import Taken
from flowtrack.audit.accounts import Account
from flowtrack.audit.families import FAMILIES
from flowtrack.audit.family import ROWS_MAX, About, Answer, PagedQuestion, Question
from flowtrack.audit.following import followed_by
from flowtrack.audit.lineage import Lineage, Telling, Vocabulary
from flowtrack.audit.roles import Asker
from flowtrack.audit.row_forms import CsvRows, ParquetRows, RowWriter, columns_of
from flowtrack.audit.streams import FlowRows, Stream, StreamForm, Streams

_MEDIA: Final[dict[StrEnum, str]] = {
    **dict.fromkeys((StreamForm.NDJSON, *Vocabulary), "application/x-ndjson"),
    StreamForm.CSV: "text/csv; charset=utf-8",
    StreamForm.PARQUET: "application/vnd.apache.parquet",
}
_ENDING: Final[dict[StrEnum, str]] = {Vocabulary.OPENLINEAGE: "openlineage.ndjson", Vocabulary.PROV: "prov.ndjson"}
_PAGES: Final = frozenset({"limit", "after"})
_PIECE_CHARACTERS: Final = 1 << 18
_FORM: Final = {"format": (StreamForm, Field(default=StreamForm.NDJSON, description="How rows are written."))}
_TERMS: Final = {"vocabulary": (Vocabulary, Field(default=Vocabulary.OPENLINEAGE, description="In whose terms."))}
_WHOLE: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "Rows; NDJSON and CSV end with a line that counts them.",
        "content": {media.partition(";")[0]: {"schema": {"type": "string"}} for media in _MEDIA.values()},
    }
}
_DOCUMENTED: Final = "May be exported by: {}. Pages are not asked for: all of them come."


class Exports:
    """Makes exports.

    Args:
        desk: answers pages, and bounds how many exports there are at once.
        streams: gives rows in bulk; without it there are none.
        current: tells who asks.
        rate: of exports, by account.
        stall_s: a client may take so long for each piece.
    """

    def __init__(self, desk: Desk, streams: Streams | None, current: Current, rate: Rate, *, stall_s: float) -> None:
        self._desk = desk
        self._streams = streams
        self._current = current
        self._rate = rate
        self._stall_s = stall_s

    def add(self, router: APIRouter) -> None:
        """Add a route for the rows in bulk and for lineage, and one for each family."""
        if self._streams is not None:
            self._add(router, FlowRows, self._bulk(self._streams), _FORM)
            self._add(router, Lineage, self._lineage(self._streams), _TERMS)
        for family in FAMILIES.values():
            self._add(router, family, self._pages, _FORM)

    def _add(self, router: APIRouter, family: type[Question[Any]], giving: Giving, form: Mapping[str, Any]) -> None:
        router.add_api_route(
            f"/{family.family}/export",
            self._exporting(family, giving, form),
            methods=["GET"],
            response_class=Response,
            responses={**REFUSALS, **_WHOLE},
            name=f"export {family.family}",
            operation_id=f"export-{family.family}",
            summary=f"Export: {asks(family)}",
            description=_DOCUMENTED.format(", ".join(sorted(family.roles))),
        )

    def _exporting(self, family: type[Question[Any]], giving: Giving, forms: Mapping[str, Any]) -> Callable[..., Any]:
        (parameter,) = forms

        async def export(request: Request, asked: BaseModel, account: Account, why: str | None = None) -> Response:
            self._rate.count(account.key)
            said_plainly(request, asked)
            question = question_in(family, asked)
            form: StrEnum = getattr(asked, parameter)
            asker = account.asker(question, purpose(asked, why))
            headers = {
                "content-disposition": f'attachment; filename="{family.family}.{_ENDING.get(form, form)}"',
                "cache-control": "private, no-store",
            }
            if asks_for_head(request):  # takes no place, and begins nothing
                return StreamingResponse((), media_type=_MEDIA[form], headers=headers)
            about, pieces = await giving(question, form, asker)
            told = {**headers, **_how_complete(about)}
            return Taken(pieces, stall_s=self._stall_s, media_type=_MEDIA[form], headers=told)

        export.__annotations__ |= {
            "request": Request,
            "asked": Annotated[parameters_of(family, leave_out=_PAGES, more=forms), Query()],
            "account": Annotated[Account, Depends(self._current)],
            "why": Annotated[str | None, Header(alias=PURPOSE_HEADER, description=WHY)],
            "return": Response,
        }
        return export

    async def _pages(self, question: Question[Any], form: StreamForm, asker: Asker) -> Begun:
        """All pages of a family; the first is asked for before the answer begins, so that a refusal is one."""
        if isinstance(question, PagedQuestion):
            question = question.model_copy(update={"limit": ROWS_MAX})
        stack = ExitStack()
        stack.enter_context(self._desk.exporting())
        try:
            first = await self._desk.ask(question, asker)
        except BaseException:
            stack.close()
            raise
        return first.about, self._following(stack, question, form, asker, first)

    async def _following(
        self, stack: ExitStack, question: Question[Any], form: StreamForm, asker: Asker, page: Answer
    ) -> AsyncGenerator[bytes, None]:
        written, count, whole = Written(form, type(page)), 0, page.about
        with stack:
            while True:
                count += len(page.rows)
                yield await run_in_threadpool(written.page, page)
                after = page.about.completeness.after
                if not after:
                    break
                page = await self._desk.ask(question.model_copy(update={"after": after}), asker)
                whole = followed_by(whole, page.about)
            yield written.end(whole, count)

    def _bulk(self, streams: Streams) -> Giving:
        async def giving(question: FlowRows, form: StreamForm, asker: Asker) -> Begun:
            stack = ExitStack()
            stack.enter_context(self._desk.exporting())
            try:
                opened = streams.flows(question, form, asker=asker)
                stream = await run_in_threadpool(stack.enter_context, opened)
            except BaseException:
                stack.close()
                raise
            return stream.about, following(stack, stream, form)

        return giving

    def _lineage(self, streams: Streams) -> Giving:
        async def giving(question: Lineage, vocabulary: Vocabulary, asker: Asker) -> Begun:
            telling, stack = Telling(question, vocabulary), ExitStack()
            stack.enter_context(self._desk.exporting())
            try:
                await run_in_threadpool(partial(streams.lineage_begins, question, vocabulary, asker=asker))
                lines = await self._told(telling, asker)
            except BaseException:
                stack.close()
                raise
            return telling.about, self._telling(stack, telling, asker, lines)

        return giving

    async def _told(self, telling: Telling, asker: Asker) -> Iterator[str]:
        """Ask what comes next, in the place of one question."""
        if telling.question is None:
            return iter(())
        return telling.take(await self._desk.ask(telling.question, asker))

    async def _telling(
        self, stack: ExitStack, telling: Telling, asker: Asker, lines: Iterator[str]
    ) -> AsyncGenerator[bytes, None]:
        digest, count = sha256(), 0
        with stack:
            while True:
                while piece := await run_in_threadpool(_piece_of, lines):
                    digest.update(piece)
                    count += piece.count(b"\n")
                    yield piece
                if telling.question is None:
                    break
                lines = await self._told(telling, asker)
            if telling.about is not None:
                yield end_of(StreamForm.NDJSON, telling.about, count, digest.hexdigest())


def _piece_of(lines: Iterator[str]) -> bytes:
    """Give the next lines as bytes, a few hundred kilobytes at a time; nothing behind the last."""
    taken, size = [], 0
    for line in lines:
        taken.append(line + "\n")
        size += len(line)
        if size > _PIECE_CHARACTERS:
            break
    return "".join(taken).encode()


Begun = tuple[About | None, AsyncGenerator[bytes, None]]
"""An export: what it says of itself at its beginning, and its pieces."""
Giving = Callable[[Any, Any, Asker], Awaitable[Begun]]
"""Begins an export."""


def _how_complete(about: About | None) -> dict[str, str]:
    """Headers for what has no place for it in its form, such as Parquet: how far the ledger had come."""
    if about is None:
        return {}
    come, lag = about.completeness.complete_up_to, about.completeness.lag_records
    told = {"flowtrack-complete-up-to": "" if come is None else come.isoformat()}
    return told if lag is None else {**told, "flowtrack-lag-records": str(lag)}


async def following(stack: ExitStack, stream: Stream, form: StreamForm) -> AsyncGenerator[bytes, None]:
    """Hand pieces on, and the end."""
    digest = sha256()
    with stack:
        while True:
            chunk: bytes | None = await run_in_threadpool(next, stream.chunks, None)
            if chunk is None:
                break
            digest.update(chunk)
            yield chunk
        yield end_of(form, stream.about, stream.rows, digest.hexdigest())


class Written:
    """Rows of pages as bytes, a page at a time.

    Args:
        form: how.
        answer: of which family.
    """

    def __init__(self, form: StreamForm, answer: type[Answer]) -> None:
        self._form = form
        self._digest = sha256()
        self._bytes = _Drained()
        self._text = io.TextIOWrapper(self._bytes, encoding="utf-8", newline="", write_through=True)
        self._writer: RowWriter | None = None
        if form is StreamForm.CSV:
            self._writer = CsvRows(self._text, columns_of(answer))
        elif form is StreamForm.PARQUET:
            self._writer = ParquetRows(self._bytes, columns_of(answer))

    def page(self, page: Answer) -> bytes:
        """Give a page's rows."""
        if self._writer is None:
            given = b"".join(row.model_dump_json().encode() + b"\n" for row in page.rows)
        else:
            self._writer.write(list(page.rows))
            given = self._bytes.drain()
        self._digest.update(given)
        return given

    def end(self, about: About, rows: int) -> bytes:
        """Give what says that this is all."""
        if isinstance(self._writer, ParquetRows):
            self._writer.close()
            return self._bytes.drain()
        return end_of(self._form, about, rows, self._digest.hexdigest())


def end_of(form: StreamForm, about: About, rows: int, digest: str) -> bytes:
    """Give the last line of an export; Parquet has none.

    Args:
        form: how rows are written.
        about: of the last page.
        rows: how many there were.
        digest: SHA-256 of all bytes before, in hex digits.
    """
    if form is StreamForm.PARQUET:
        return b""
    if form is StreamForm.CSV:
        come = "".join(f",{name.removeprefix('flowtrack-')}={value}" for name, value in _how_complete(about).items())
        return f"#end,rows={rows},sha256={digest}{come}\r\n".encode()
    told = {"rows": rows, "sha256": digest, "about": about.model_dump(mode="json")}
    return json.dumps({"end": told}, ensure_ascii=False).encode() + b"\n"


class _Drained(io.BytesIO):
    """What is written into it, handed on; its position goes on counting, since an index at the end needs it."""

    def __init__(self) -> None:
        super().__init__()
        self._given = 0

    def tell(self) -> int:
        return self._given + super().tell()

    def drain(self) -> bytes:
        given = self.getvalue()
        self._given += len(given)
        self.seek(0)
        self.truncate()
        return given
