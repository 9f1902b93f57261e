"""Answers that come in pages: asked for one after the other, and put together as one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

from flowtrack.audit.family import Answer, Question
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


def joined(pages: Sequence[A]) -> A:
    """Give pages as one answer: that of the first, with all rows and versions, and complete as the last says."""
    first, last = pages[0], pages[-1]
    if first is last:
        return first
    said = {name: getattr(last.about.completeness, name) for name in ("truncated", "left_out", "after")}
    about = first.about.model_copy(update={"completeness": first.about.completeness.model_copy(update=said)})
    packs = [each for page in pages for each in page.about.versions.packs]
    registries = [each for page in pages for each in page.about.versions.registries]
    rows: list[Contract] = [row for page in pages for row in page.rows]
    return first.model_copy(update={"about": about.judged_by(packs, registries), "rows": rows})
