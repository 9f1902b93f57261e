"""All pages of an answer, up to a bound: reports list what a page would cut off, and say where even they do."""

from __future__ import annotations

from typing import Final, TypeVar

from flowtrack.audit.family import ROWS_MAX, Answer, PagedQuestion
from flowtrack.audit.following import joined, pages_of
from flowtrack.audit.ledger import Ledger
from flowtrack.audit.roles import Asker

A = TypeVar("A", bound=Answer)

LISTED_MAX: Final = 20_000
"""So many rows a report lists at most: nobody reads more, and exports have no bound."""


def whole(ledger: Ledger, question: PagedQuestion[A], asker: Asker, *, rows_max: int = LISTED_MAX) -> A:
    """Ask for page after page, and give them as one answer, complete as the last page says.

    Args:
        ledger: who answers.
        question: its limit is the size of a page.
        asker: who asks.
        rows_max: after so many rows no further page is asked for.

    Raises:
        QuestionError: the question is not right.
        StoreError: the ledger does not answer.
    """
    limited = question.model_copy(update={"limit": min(ROWS_MAX, rows_max)})
    pages, rows = [], 0
    for page in pages_of(ledger, limited, asker):
        pages.append(page)
        rows += len(page.rows)
        if rows >= rows_max:
            break
    return joined(pages)
