"""The articles that reports quote, each with its law, its version, and how well we know its text.

They stand in `laws.yaml`, so that counsel can read and mend them without reading code; docs/reference/laws.md shows
the same table.  No report quotes an article, or a number out of one, that does not stand there.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib import resources
from typing import Final, Literal

import yaml

from flowtrack.domain.model import Contract
from flowtrack.policy.pack import Bilingual

_FILE: Final = "laws.yaml"

Checked = Literal["text", "account", "reading"]
"""What was done before an article was quoted: its wording read, an account of it read, or neither."""


class Law(Contract):
    """A law, and the version that is meant."""

    short: Bilingual
    title: Bilingual
    version: Bilingual


class Article(Contract):
    """An article, as the file has it."""

    law: str
    article: Bilingual
    says: Bilingual
    checked: Checked
    seen: str = ""
    """Where its wording, or the account of it, was read."""


class OverlayRule(Contract):
    """What a law says of flows that the policy permits; a dimension left out does not restrict."""

    id: str
    sources: list[str]
    says: Bilingual
    reasons: list[str]
    """By which a flow was permitted."""
    purposes: list[str] = []
    """These and what lies under them."""
    categories: list[str] = []
    """Likewise."""


class LawTable(Contract):
    """The whole file."""

    laws: dict[str, Law]
    sources: dict[str, Article]
    overlay: list[OverlayRule]


class Source(Contract):
    """An article that a report quotes, whole."""

    id: str
    short: Bilingual
    """The law's short name."""
    law: Bilingual
    version: Bilingual
    article: Bilingual
    says: Bilingual
    checked: Checked
    seen: str


@cache
def law_table() -> LawTable:
    """Read the file; it is part of the package, and a test holds it."""
    text = (resources.files(__package__) / _FILE).read_text(encoding="utf-8")
    return LawTable.model_validate(yaml.safe_load(text))


def sources_of(ids: Iterable[str]) -> list[Source]:
    """Give articles whole, each once, in the order of the file."""
    table, wanted = law_table(), set(ids)
    unknown = wanted - set(table.sources)
    if unknown:
        raise KeyError(*sorted(unknown))
    return [
        Source(
            id=name,
            short=table.laws[each.law].short,
            law=table.laws[each.law].title,
            version=table.laws[each.law].version,
            article=each.article,
            says=each.says,
            checked=each.checked,
            seen=each.seen,
        )
        for name, each in table.sources.items()
        if name in wanted
    ]
