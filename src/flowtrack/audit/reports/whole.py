"""All pages of an answer, up to a bound: reports list what a page would cut off, and say where even they do."""

from __future__ import annotations

from collections.abc import Mapping
from shlex import join
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import urlencode

from flowtrack.audit.family import ROWS_MAX, Answer, PagedQuestion
from flowtrack.audit.following import joined, pages_of
from flowtrack.audit.ledger import Ledger
from flowtrack.audit.roles import Asker

A = TypeVar("A", bound=Answer)

LISTED_MAX: Final = 20_000
"""So many rows a report lists at most: nobody reads more, and exports have no bound."""


class Ways(NamedTuple):
    """How all rows of a question are got by whoever may see them."""

    command: str
    """That gives all of them as CSV."""
    address: str
    """That does over HTTP, below the API's own."""


def ways_to_all(family: str, said: Mapping[str, Any], given: tuple[str, ...] = ()) -> Ways:
    """Say how all rows of a question are got.

    Args:
        family: of the question.
        said: what it says, by field; instants as text.
        given: fields that the command takes without their names, in its order.
    """
    named = {name: value for name, value in said.items() if name not in given}
    options = [
        f"--{name.replace('_', '-')}={each}"
        for name, value in named.items()
        for each in (value if isinstance(value, list) else [value])
    ]
    command = ["flowtrack", "ask", family, *(str(said[name]) for name in given), *options, "--all", "--csv"]
    return Ways(join(command), f"/v1/{family}/export?{urlencode({**said, 'format': 'csv'}, doseq=True)}")


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
