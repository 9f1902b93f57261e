"""Pages of rows that are few enough to be made at once: sums, edges and the like."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from flowtrack.audit.cursors import WHOLE, Key, cursor_of, key_of
from flowtrack.audit.family import About, Answer, PagedQuestion

A = TypeVar("A", bound=Answer)
R = TypeVar("R")


def page_of(
    question: PagedQuestion[A], about: About, rows: Iterable[R], key: Callable[[R], Key]
) -> tuple[About, list[R]]:
    """Give the question's page of all rows, and what the answer then says of itself.

    Args:
        question: with `known_at` pinned.
        about: of the whole answer.
        rows: all of them, in any order.
        key: what a row is ordered by, and told apart by: of one length and of the same types for every row.

    Raises:
        QuestionError: the cursor is not right.
    """
    ordered = sorted(rows, key=key)
    if question.after and ordered:
        kinds = [WHOLE if isinstance(part, int) else str for part in key(ordered[0])]
        start = key_of(question, kinds) or []
        ordered = [row for row in ordered if key(row) > start]
    given = ordered[: question.limit]
    if len(ordered) > len(given):
        about = about.cut(len(ordered) - len(given), cursor_of(question, key(given[-1])))
    return about, given
