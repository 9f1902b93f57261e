"""Retention: how long rows of the ledger are kept, by category and kind.

A policy is a document of its own (YAML or JSON), not a part of a rule pack: how long an organisation keeps its evidence
is not what the privacy policy allows its services, and changes at other times.  It is given with the request, and what
it said is written down with what went.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Self

from pydantic import Field, model_validator

from flowtrack.audit.holds import Reason
from flowtrack.domain.model import Contract, Name
from flowtrack.domain.names import Kind

_DAYS_MAX = 36_525


class RetentionRule(Contract):
    """How long rows of a category and a kind are kept; the narrowest rule counts."""

    category: Name | None = None
    """With all that hangs under it by name; left out, every category."""
    kind: Kind | None = None
    """Left out, every kind."""
    keep_days: Annotated[int, Field(ge=1, le=_DAYS_MAX)]
    """Days from when it happened; rows of the day before the last of these go whole."""

    def matches(self, category: str, kind: str) -> bool:
        """Whether the rule speaks of rows of this category and kind."""
        inside = self.category is None or category == self.category or category.startswith(f"{self.category}.")
        return inside and (self.kind is None or self.kind == kind)

    @property
    def _narrowness(self) -> tuple[int, bool]:
        return (0 if self.category is None else 1 + self.category.count("."), self.kind is not None)


class RetentionPolicy(Contract):
    """Which rows are kept for how long; what no rule speaks of is kept for ever.

    Raises:
        ValueError: two rules speak of the same rows.
    """

    name: Name
    rules: Annotated[tuple[RetentionRule, ...], Field(min_length=1, max_length=1_000)]

    @model_validator(mode="after")
    def _unambiguous(self) -> Self:
        said = [(rule.category, rule.kind) for rule in self.rules]
        if len(set(said)) < len(said):
            raise ValueError("two rules speak of the same category and kind")
        return self

    def ordered(self) -> list[RetentionRule]:
        """The rules, the narrowest first: the first that matches counts. Category goes before kind."""
        return sorted(self.rules, key=lambda rule: rule._narrowness, reverse=True)  # noqa: SLF001 - of the same module

    def keep_days(self, category: str, kind: str) -> int | None:
        """How long rows of a category and kind are kept; None for ever."""
        return next((rule.keep_days for rule in self.ordered() if rule.matches(category, kind)), None)


class Retain(Contract):
    """A request: let go what a policy no longer keeps."""

    policy: RetentionPolicy
    dry_run: bool = False
    reason: Reason = "retention"


class Expired(Contract):
    """Rows of one category and kind that the policy no longer keeps."""

    category: str
    kind: str
    keep_days: int
    rows: int
    held: int
    """Further rows that only a legal hold keeps."""
    oldest: date
    newest: date


class RetentionAnswer(Contract):
    """What retention takes, or took."""

    policy: str
    dry_run: bool
    expired: list[Expired]
    rows: int
    held: int
    months_dropped: list[str]
    """Months of recording, YYYYMM, that went as a whole."""
