"""Values of a report as people read them: names with their titles, codes as words, instants in UTC."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final

from flowtrack.adapters.pages.rendering import Words, instant
from flowtrack.audit.reports.frame import Head
from flowtrack.domain.consent import Notice, UsagePolicy
from flowtrack.domain.model import Contract
from flowtrack.policy.pack import Bilingual

Cell = str | int

_NAMES: Final = {"category", "categories", "purpose", "purposes", "names"}
_CODES: Final[Mapping[str, str]] = {
    "kind": "kind",
    "kinds": "kind",
    "verdict": "verdict",
    "duty": "duty",
    "unit": "unit",
    "state": "due",
    "basis": "basis",
    "bases": "basis",
    "reasons": "reason",
    "gaps": "reason",
    "why": "because",
    "type": "party",
    "controller": "controller",
    "method": "method",
    "record_kind": "record_kind",
    "record_state": "record_state",
    "standing": "record_state",
    "dimension": "scope",
    "what": "difference",
    "by_hand": "by_hand",
    "severity": "severity",
    "alert_state": "state",
    "actor_type": "actor_type",
    "place": "place",
    "place_kind": "place",
    "content": "content",
    "section": "report.breach",
}
"""Column to the area of its codes' words."""
_FIELD_OF: Final = {
    "record_kind": "kind",
    "record_state": "state",
    "place_kind": "kind",
    "alert_state": "state",
    "method_said": "method",
}
"""Where a column is named otherwise than its field, since that name is taken by another area of codes."""
_OPEN: Final = frozenset({"since", "until", "known_at"})
"""Instants that mean something where none is given: a period without an end is no gap in the report."""
_DASH: Final = "–"


class Cells:
    """Writes the values of one report in one language.

    Args:
        head: of the report: titles of names, articles.
        words: in the language.
    """

    def __init__(self, head: Head, words: Words) -> None:
        self._words = words
        self._titles = {each.name: self.text(each.title) for each in head.names}
        self._articles = {each.id: f"{self.text(each.short)} {self.text(each.article)}" for each in head.sources}

    def text(self, both: Bilingual) -> str:
        """Give a text in the language; in English where there is no other."""
        return (both.ko if self._words.language == "ko" else both.en) or both.en

    def row(self, item: Contract, columns: Sequence[str]) -> list[Cell]:
        """Write one row of a table."""
        return [self.cell(column, getattr(item, _FIELD_OF.get(column, column))) for column in columns]

    def cell(self, column: str, value: Any) -> Cell:  # noqa: ANN401 - whatever a report's field holds
        """Write one value."""
        if isinstance(value, list | tuple):
            return ", ".join(str(self.cell(column, each)) for each in value) or _DASH
        if value is None or value == "":
            return self._words(f"open.{column}") if column in _OPEN else _DASH
        if isinstance(value, bool):
            return self._words(f"yes_no.{'yes' if value else 'no'}")
        if isinstance(value, datetime):
            return instant(value)
        if isinstance(value, date):
            return f"{value:%Y-%m-%d}"
        if isinstance(value, Bilingual):
            return self.text(value)
        if isinstance(value, UsagePolicy | Notice):
            return self._said(value)
        return value if isinstance(value, int) else self._named(column, str(value))

    def _named(self, column: str, name: str) -> str:
        if column in _NAMES:
            return self._titled(name)
        if column == "sources":
            return self._articles.get(name, name)
        return self._words.code(_CODES[column], name) if column in _CODES else name

    def _said(self, value: Contract) -> str:
        return said_of(value, self._words, self._titled)

    def _titled(self, name: str) -> str:
        """A name behind what it means, where that is known: its title, or the word for a kind of processing."""
        title = self._titles.get(name) or self._words.code("kind", name)
        return name if title == name else f"{title} ({name})"


def said_of(value: Contract, words: Words, titled: Callable[[str], str] = str) -> str:
    """Write a small value of its own inside a cell, such as what a consent covers: what it says, field by field.

    Args:
        value: the one.
        words: in the language.
        titled: gives what people read for a name.
    """
    parts = _flat(value.model_dump(mode="json", exclude_none=True))
    told = [(words.code("scope", name), " + ".join(map(titled, terms))) for name, terms in parts]
    return "; ".join(f"{name}: {said}" for name, said in told) or _DASH


def _flat(tree: Mapping[str, Any], above: str = "") -> list[tuple[str, list[str]]]:
    found: list[tuple[str, list[str]]] = []
    for name, below in tree.items():
        if name == "all":
            found.append((above, list(below)))
        elif isinstance(below, Mapping):
            found.extend(_flat(below, name))
        else:
            found.append((name, [str(below)]))
    return found
