"""Who can answer: the database, its service over HTTP, or a ledger in memory; all alike."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, TypeVar

from flowtrack.audit.answers import (
    BooksAnswer,
    DeadLetterAnswer,
    Document,
)
from flowtrack.audit.family import Answer, Question
from flowtrack.audit.groups import (
    OrphansAnswer,
    ShapesAnswer,
    SituationsAnswer,
    TouchedAnswer,
)
from flowtrack.audit.questions import (
    Books,
    DeadLetterList,
    Orphans,
    Shapes,
    Situations,
    Touched,
)
from flowtrack.audit.roles import Asker
from flowtrack.domain.consent import ConsentRecord

A = TypeVar("A", bound=Answer)


class Asks(Protocol):
    """Answers questions of all families."""

    def ask(self, question: Question[A], *, asker: Asker) -> A:
        """Answer a question of any family; one about a subject is written down before.

        Raises:
            QuestionError: the question is not right, e.g. its cursor belongs to another one.
            StoreError: the ledger cannot answer.
        """
        ...


class Ledger(Asks, Protocol):
    """Answers questions; each method raises StoreError when it cannot, and never answers in part without saying so."""

    def situations_met(self, question: Situations) -> SituationsAnswer:
        """Give the situations of a period, and how often each was met where."""
        ...

    def shapes_met(self, question: Shapes) -> ShapesAnswer:
        """Group the flows of some packs by all that resolving them anew looks at."""
        ...

    def touched(self, question: Touched) -> TouchedAnswer:
        """Count whom and what some of these groups touch."""
        ...

    def orphans(self, question: Orphans) -> OrphansAnswer:
        """Give what the ledger refers to and does not have."""
        ...

    def books(self, question: Books) -> BooksAnswer:
        """Give what the ledger holds of each source partition."""
        ...

    def dead_letters(self, question: DeadLetterList) -> DeadLetterAnswer:
        """Give the messages that could not be taken."""
        ...

    def consents_all(self) -> Iterator[ConsentRecord]:
        """Give every consent record once, in the order in which they were recorded: what a new broker starts with."""
        ...

    def documents(self) -> list[Document]:
        """Give the packs and registry documents in their latest version, without those that were removed."""
        ...
