"""What the clauses of the default policy say, for whoever is told of one: without loading the rules."""

from __future__ import annotations

from importlib import resources
from typing import NamedTuple

_SHORT = 48  # characters of each language: two fit beside a clause's number on a usual terminal


class ClauseText(NamedTuple):
    """A clause in the policy's own words and in English."""

    ko: str
    en: str

    @property
    def whole(self) -> str:
        """Both texts in one line."""
        return " · ".join(_line(text) for text in self if text)

    def short(self, width: int = _SHORT) -> str:
        """The beginning of both texts in one line."""
        return " · ".join(_cut(_line(text), width) for text in self if text)


def clause_texts() -> dict[str, ClauseText]:
    """Give the texts of the default pack's clauses, by clause id."""
    import yaml

    file = resources.files("flowtrack.policy") / "packs" / "default" / "clauses.yaml"
    table = yaml.load(file.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - a safe loader either way
    return {str(clause): ClauseText(text.get("ko", ""), text.get("en", "")) for clause, text in table.items()}


def _line(text: str) -> str:
    return " ".join(text.split())


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1].rstrip()}…"
