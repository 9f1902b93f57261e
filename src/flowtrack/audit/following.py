"""Answers that come in pages: asked for one after the other, and put together as one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from typing import TypeVar

from flowtrack.audit.family import About, Answer, Question
from flowtrack.audit.ledger import Asks
from flowtrack.audit.roles import Asker
from flowtrack.domain.model import Contract

A = TypeVar("A", bound=Answer)


def pages_of(ledger: Asks, question: Question[A], asker: Asker) -> Iterator[A]:
    """Ask for page after page, each when it is wanted; a question without pages has one.

    Args:
        ledger: who answers.
        question: its limit is the size of a page.
        asker: who asks.

    Raises:
        QuestionError: the question is not right.
        StoreError: the ledger does not answer.
    """
    page = ledger.ask(question, asker=asker)
    yield page
    while page.about.completeness.after:
        page = ledger.ask(question.model_copy(update={"after": page.about.completeness.after}), asker=asker)
        yield page


def followed_by(whole: About, page: About) -> About:
    """Give what pages say of themselves together: as far as the first was complete, all versions, cut as the last is.

    Args:
        whole: of the pages before.
        page: of the one that follows: the ledger may have come further meanwhile, and its rows have not.
    """
    said = {name: getattr(page.completeness, name) for name in ("truncated", "left_out", "after")}
    about = whole.model_copy(update={"completeness": whole.completeness.model_copy(update=said)})
    packs = [*whole.versions.packs, *page.versions.packs]
    return about.judged_by(packs, [*whole.versions.registries, *page.versions.registries])


def joined(pages: Sequence[A]) -> A:
    """Give pages as one answer: all rows, with what they say of themselves together."""
    first = pages[0]
    if len(pages) == 1:
        return first
    rows: list[Contract] = [row for page in pages for row in page.rows]
    about = reduce(followed_by, (page.about for page in pages))
    return first.model_copy(update={"about": about, "rows": rows})
