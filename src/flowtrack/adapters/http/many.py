"""The part of the ledger's service that many use at once: questions of all families, and rows in bulk."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Protocol

from fastapi import FastAPI
from fastapi.responses import Response, StreamingResponse

from flowtrack.adapters.http.settings import ABOUT_HEADER, ROWS_HEADER
from flowtrack.audit.families import FamilyAsked, question_of
from flowtrack.audit.ledger import Asks
from flowtrack.audit.lineage import Lineage, Vocabulary
from flowtrack.audit.roles import Asker
from flowtrack.audit.streams import FlowRows, StreamForm, Streams
from flowtrack.domain.model import Contract


class Many(Asks, Streams, Protocol):
    """Answers several questions at once, and gives rows in bulk."""


class RowsAsked(Contract):
    """A question for rows in bulk, on its way to another process."""

    asker: Asker
    question: FlowRows


class LineageAsked(Contract):
    """That somebody exports the lineage of a period, on its way to another process."""

    asker: Asker
    question: Lineage


def add_families(app: FastAPI, ledger: Asks) -> None:
    """Add questions of all families: who asks, and what."""

    @app.post("/ask/{family}")
    def ask(family: str, asked: FamilyAsked) -> Response:
        answer = ledger.ask(question_of(family, asked.question), asker=asked.asker)
        return Response(answer.model_dump_json(), media_type="application/json")


def add_streams(app: FastAPI, streams: Streams) -> None:
    """Add rows in bulk; what breaks off ends without the last chunk, which every client takes for an error."""

    @app.post("/flows/{form}")
    def flows(form: StreamForm, asked: RowsAsked) -> Response:
        stack = ExitStack()
        stream = stack.enter_context(streams.flows(asked.question, form, asker=asked.asker))

        def body() -> Iterator[bytes]:
            with stack:
                yield from stream.chunks

        headers = {ABOUT_HEADER: stream.about.model_dump_json(), ROWS_HEADER: str(stream.rows)}
        return StreamingResponse(body(), media_type="application/octet-stream", headers=headers)

    @app.post("/lineage/{vocabulary}", status_code=204)
    def lineage(vocabulary: Vocabulary, asked: LineageAsked) -> None:
        streams.lineage_begins(asked.question, vocabulary, asker=asked.asker)
