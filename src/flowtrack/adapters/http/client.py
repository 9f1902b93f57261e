"""The ledger of another process on this machine (`audit.ledger.Ledger`), asked over HTTP."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Final, Self, TypeVar, cast

import httpx
from pydantic import BaseModel, TypeAdapter

from flowtrack.adapters.http.many import LineageAsked, RowsAsked
from flowtrack.adapters.http.settings import ABOUT_HEADER, ROWS_HEADER
from flowtrack.audit.answers import (
    BooksAnswer,
    DeadLetterAnswer,
    Document,
)
from flowtrack.audit.families import FamilyAsked
from flowtrack.audit.family import About, Answer, Question
from flowtrack.audit.groups import (
    OrphansAnswer,
    ShapesAnswer,
    SituationsAnswer,
    TouchedAnswer,
)
from flowtrack.audit.lineage import Lineage, Vocabulary
from flowtrack.audit.questions import (
    Books,
    DeadLetterList,
    Orphans,
    Shapes,
    Situations,
    Touched,
)
from flowtrack.audit.roles import Asker
from flowtrack.audit.streams import FlowRows, Stream, StreamForm
from flowtrack.domain.consent import ConsentRecord
from flowtrack.errors import QuestionError, StoreError, StoreMemoryError, StoreUnavailableError

A = TypeVar("A", bound=BaseModel)
Given = TypeVar("Given", bound=Answer)

_TIMEOUT_S = 60.0  # counting a large ledger takes a while
_KINDS: Final[Mapping[str, type[StoreError]]] = {
    each.__name__: each for each in (StoreUnavailableError, StoreMemoryError)
}
_PIECE_BYTES = 1 << 20
_LONG_TIMEOUT_S = 600.0  # a hundred million rows grouped anew
_documents = TypeAdapter(list[Document])


class LedgerClient:
    """Asks the process that holds the store.

    Args:
        url: where it answers, e.g. `http://127.0.0.1:8470`.
        transport: for tests, an app instead of a connection.
    """

    def __init__(self, url: str, *, transport: httpx.BaseTransport | None = None) -> None:
        self._http = httpx.Client(base_url=url, timeout=_TIMEOUT_S, transport=transport, trust_env=False)

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def ask(self, question: Question[Given], *, asker: Asker) -> Given:
        """Answer a question of any family; the process that answers writes down who asked about whom."""
        asked = FamilyAsked(asker=asker, question=question.model_dump(mode="json", exclude_none=True))
        return cast("Given", self._post(f"/ask/{question.family}", asked, question.answer))

    @contextmanager
    def flows(self, question: FlowRows, form: StreamForm, *, asker: Asker) -> Iterator[Stream]:
        """Give the ledger's rows in bulk (`audit.streams.Streams`)."""
        asked = RowsAsked(asker=asker, question=question)
        try:
            with self._http.stream(
                "POST",
                f"/flows/{form}",
                content=asked.model_dump_json(exclude_none=True),
                headers={"content-type": "application/json"},
                timeout=_LONG_TIMEOUT_S,
            ) as response:
                if response.is_error:
                    response.read()
                    raise refused(response)
                about = About.model_validate_json(response.headers[ABOUT_HEADER])
                yield Stream(about, int(response.headers[ROWS_HEADER]), self._pieces(response))
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error

    def lineage_begins(self, question: Lineage, vocabulary: Vocabulary, *, asker: Asker) -> None:
        """Let the process that holds the store write down who exports the lineage of a period."""
        self._posted(f"/lineage/{vocabulary}", LineageAsked(asker=asker, question=question))

    def _pieces(self, response: httpx.Response) -> Iterator[bytes]:
        try:
            yield from response.iter_raw(_PIECE_BYTES)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error

    def situations_met(self, question: Situations) -> SituationsAnswer:
        """Give the situations of a period, and how often each was met where."""
        return self._post("/situations", question, SituationsAnswer)

    def shapes_met(self, question: Shapes) -> ShapesAnswer:
        """Group the flows of some packs by all that resolving them anew looks at."""
        return self._post("/shapes", question, ShapesAnswer)

    def touched(self, question: Touched) -> TouchedAnswer:
        """Count whom and what some of these groups touch."""
        return self._post("/touched", question, TouchedAnswer)

    def orphans(self, question: Orphans) -> OrphansAnswer:
        """Give what the ledger refers to and does not have."""
        return self._post("/orphans", question, OrphansAnswer)

    def books(self, question: Books) -> BooksAnswer:
        """Give what the ledger holds of each source partition."""
        return self._ask("/books", question, BooksAnswer)

    def dead_letters(self, question: DeadLetterList) -> DeadLetterAnswer:
        """Give the messages that could not be taken."""
        return self._ask("/deadletters", question, DeadLetterAnswer)

    def consents_all(self) -> Iterator[ConsentRecord]:
        """Give every consent record once.

        Raises:
            StoreError: the process does not answer, or broke off before the last record.
        """
        ended = False
        try:
            with self._http.stream("GET", "/consents") as response:
                if response.is_error:
                    response.read()
                    raise refused(response)
                for line in response.iter_lines():
                    ended = not line
                    if line:
                        yield ConsentRecord.model_validate_json(line)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error
        if not ended:
            raise StoreError("the consents broke off", where=str(self._http.base_url), help="ask again")

    def documents(self) -> list[Document]:
        """Give the packs and registry documents in their latest version."""
        return _documents.validate_json(self._get("/documents", {}).content)

    def ready(self) -> str:
        """Say why the process is not ready; empty when it is.

        Raises:
            StoreError: it does not answer at all.
        """
        try:
            response = self._http.get("/readyz")
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error
        return str(response.json().get("reason", ""))

    def _ask(self, path: str, question: BaseModel, answer: type[A]) -> A:
        parameters = question.model_dump(mode="json", exclude_none=True)
        return answer.model_validate_json(self._get(path, parameters).content)

    def _post(self, path: str, question: BaseModel, answer: type[A]) -> A:
        """Ask what is too long for an address, or takes as long as there are rows."""
        return answer.model_validate_json(self._posted(path, question).content)

    def _posted(self, path: str, question: BaseModel) -> httpx.Response:
        try:
            response = self._http.post(
                path,
                content=question.model_dump_json(exclude_none=True),
                headers={"content-type": "application/json"},
                timeout=_LONG_TIMEOUT_S,
            )
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error
        return _taken(response)

    def _get(self, path: str, parameters: dict[str, str | int]) -> httpx.Response:
        try:
            response = self._http.get(path, params=parameters)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error
        return _taken(response)

    def _unreachable(self, error: httpx.HTTPError) -> StoreError:
        return unreachable(str(self._http.base_url), error)


def unreachable(url: str, error: httpx.HTTPError) -> StoreError:
    """Say that nobody answers there."""
    return StoreUnavailableError(
        f"the ledger does not answer: `{type(error).__name__}`",
        where=url,
        help="check that `flowtrack up` or the sink runs, and FLOWTRACK_HTTP__PORT",
    )


def _taken(response: httpx.Response) -> httpx.Response:
    if response.is_error:
        raise refused(response)
    return response


def refused(response: httpx.Response) -> StoreError | QuestionError:
    """Give what the service said was wrong."""
    try:
        said = response.json()
        bad = response.status_code == httpx.codes.BAD_REQUEST
        kind = QuestionError if bad else _KINDS.get(str(said.get("kind")), StoreError)
        return kind(str(said["error"]), where=str(said["where"]), help=str(said["help"]))
    except (ValueError, KeyError, TypeError):
        return StoreError(
            f"the ledger answered with status `{response.status_code}`",
            where=str(response.request.url.host),
            help="check that the port is Flowtrack's",
        )
