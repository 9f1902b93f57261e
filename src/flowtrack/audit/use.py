"""What data is used for: by which service, for which purpose, on which legal basis, of which category.

GDPR 30(1)(b) and (c) ask for purposes and categories of a processing, article 6 for its basis.
"""

from __future__ import annotations

from datetime import date
from typing import ClassVar

from flowtrack.audit.cursors import Key
from flowtrack.audit.family import Answer, PagedQuestion
from flowtrack.domain.model import Contract, Name


class UseRow(Contract):
    """What one service did with one category for one purpose on one basis."""

    service: str
    purpose: str
    basis: str
    """As it was judged; empty where nothing judged it, since no policy was in force."""
    category: str
    kinds: list[str]
    """Of the events: collect, use, share, store."""
    recipients: list[str]
    datasets: list[str]
    flows: int
    """Of an event and a category."""
    permitted: int
    denied: int
    indeterminate: int
    first: date
    """Day of the first of these flows, in UTC."""
    last: date


class UseAnswer(Answer):
    """A page of uses, those with most flows first."""

    rows: list[UseRow]


class Use(PagedQuestion[UseAnswer]):
    """What is data used for, and on which basis?"""

    family: ClassVar[str] = "use"
    answer: ClassVar[type[Answer]] = UseAnswer

    service: Name | None = None
    purpose: Name | None = None
    basis: Name | None = None
    category: Name | None = None
    """Only this one, and what hangs under it by name."""
    kind: Name | None = None
    recipient: Name | None = None
    dataset: Name | None = None
    verdict: Name | None = None


def by_flows(row: UseRow) -> Key:
    """What rows are ordered by: those with most flows first."""
    return [-row.flows, row.service, row.purpose, row.basis, row.category]
