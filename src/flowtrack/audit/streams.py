"""The ledger's rows in bulk: for whoever counts for themselves, in constant memory however many they are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from enum import StrEnum
from typing import ClassVar, NamedTuple, Protocol

from flowtrack.audit.family import About, Answer, Question
from flowtrack.audit.lineage import Lineage, Vocabulary
from flowtrack.audit.roles import EXAMINERS, Asker, Role


class StreamForm(StrEnum):
    """How rows are written."""

    NDJSON = "ndjson"
    CSV = "csv"
    PARQUET = "parquet"


class FlowRows(Question[Answer]):
    """Which rows does the ledger hold?

    As they were recorded: an amended decision is there with sign -1, what took its place with sign 1, so that sums of
    `sign` count what stands.  `pack` and `situation` are the key of what was judged (`flowtrack ledger export
    judgements`).
    """

    family: ClassVar[str] = "flows"
    answer: ClassVar[type[Answer]] = Answer
    roles: ClassVar[frozenset[Role]] = EXAMINERS

    subjects: bool = False
    """Whether pseudonyms are in it: whoever gets the rows can follow people through them. It takes a purpose."""

    @property
    def needs_purpose(self) -> bool:
        """Where people can be told apart."""
        return self.subjects


class Stream(NamedTuple):
    """Rows on their way."""

    about: About
    rows: int
    """How many they are: counted before, and held against what came."""
    chunks: Iterator[bytes]
    """Pieces of the whole, wherever it was cut."""


class Streams(Protocol):
    """Gives rows in bulk, and keeps who exports."""

    def flows(self, question: FlowRows, form: StreamForm, *, asker: Asker) -> AbstractContextManager[Stream]:
        """Give the ledger's rows, for as long as the context is open; who asked is written down before.

        Raises:
            StoreError: the ledger cannot give them; while they come, that they are not whole.
        """
        ...

    def lineage_begins(self, question: Lineage, vocabulary: Vocabulary, *, asker: Asker) -> None:
        """Write down that somebody exports the lineage of a period, before any of it is told.

        Raises:
            StoreError: it was not written.
        """
        ...
