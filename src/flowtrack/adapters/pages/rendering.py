"""Templates filled in, in Korean or English: one environment for the pages and for the reports.

Words are data: `words/*.yaml` says each of them in both languages, side by side; a word that one of them lacks is an
error when the first page is rendered, and a test holds that there is none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from hashlib import blake2b
from importlib import resources
from typing import Any, Final

import jinja2
import yaml
from markupsafe import Markup, escape

from flowtrack.errors import ConfigurationError

_JOINT: Final = re.compile(r"(?<=[a-z])([._/-])(?=[a-z])")

_HERE: Final = "flowtrack.adapters.pages"


class Language(StrEnum):
    """What pages and reports are written in."""

    KO = "ko"
    EN = "en"


class Words:
    """All words in one language.

    Args:
        language: the one.
        texts: by dotted key.
    """

    def __init__(self, language: Language, texts: Mapping[str, str]) -> None:
        self.language = language
        self._texts = texts

    def __call__(self, key: str, **values: object) -> str:
        """Give a text, with what stands in braces filled in.

        Raises:
            ConfigurationError: there is no such word.
        """
        if key not in self._texts:
            raise ConfigurationError(f"there is no word `{key}`", where="words", help="add it in both languages")
        text = self._texts[key]
        return text.format(**values) if values else text

    def code(self, area: str, code: str) -> str:
        """Give what people read for a code, e.g. `verdict` and `deny`; a code without a text stands for itself."""
        return self._texts.get(f"{area}.{code}", code)


def language_of(chosen: str | None, accepted: str = "") -> Language:
    """Decide the language.

    Args:
        chosen: what the address says; it wins.
        accepted: the browser's `Accept-Language`; the first that there is wins, then English.
    """
    if chosen in set(Language):
        return Language(chosen)
    for part in accepted.lower().split(","):
        first = part.split(";")[0].strip().split("-")[0]
        if first in set(Language):
            return Language(first)
    return Language.EN


@cache
def words(language: Language) -> Words:
    """Give all words in a language.

    Raises:
        ConfigurationError: a word stands twice, or is not there in both languages.
    """
    texts: dict[str, str] = {}
    for file in sorted(resources.files(_HERE).joinpath("words").iterdir(), key=lambda each: each.name):
        if not file.name.endswith(".yaml"):
            continue
        for key, both in _texts_of(yaml.safe_load(file.read_text(encoding="utf-8")), ""):
            if key in texts:
                raise ConfigurationError(f"the word `{key}` stands twice", where=file.name, help="leave one of them")
            texts[key] = _text_in(both, language, key, file.name)
    return Words(language, texts)


def _texts_of(tree: Mapping[str, Any], above: str) -> Iterator[tuple[str, Mapping[str, str]]]:
    """All words below a place: those have one text for each language instead of further words."""
    for name, below in tree.items():
        key = f"{above}{name}"
        if isinstance(below, Mapping) and all(isinstance(each, Mapping) for each in below.values()):
            yield from _texts_of(below, f"{key}.")
        else:
            yield key, below


def _text_in(both: object, language: Language, key: str, where: str) -> str:
    if not isinstance(both, dict) or set(both) != set(Language) or not all(both.values()):
        named = ", ".join(Language)
        raise ConfigurationError(f"the word `{key}` is not there in each of {named}", where=where, help="say it in all")
    return str(both[language])


@cache
def environment() -> jinja2.Environment:
    """Make the environment: what is filled in is escaped, and what is not there is an error."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader(_HERE, "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["asset"] = asset_address
    made.tests["contains"] = lambda names, name: name in names
    made.filters["number"] = number
    made.filters["instant"] = instant
    made.filters["moment"] = moment
    made.filters["said"] = said
    made.filters["breakable"] = breakable
    return made


def render(template: str, language: Language, **values: object) -> str:
    """Fill in a template.

    Args:
        template: its path below `templates`.
        language: of the words; templates have them as `t`, and the language as `language`.
        values: what else the template takes.
    """
    return environment().get_template(template).render(t=words(language), language=language, **values)


@cache
def stylesheet() -> str:
    """Give the stylesheet: pages link to it, a report carries it with it."""
    return asset("flowtrack.css").decode()


def asset(name: str) -> bytes:
    """Read a file of our own that pages link to."""
    return resources.files(_HERE).joinpath("static", name).read_bytes()


@cache
def asset_address(name: str) -> str:
    """Give the address of a file of our own: another one whenever its content changes, so that browsers may keep it."""
    return f"/static/{name}?v={blake2b(asset(name), digest_size=6).hexdigest()}"


def number(value: float | None) -> str:
    """Write a number with its thousands apart; a dash where there is none."""
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"


def moment(text: str) -> str:
    """Write an instant that stands as text in a question."""
    return instant(datetime.fromisoformat(text))


def said(parameters: str) -> list[tuple[str, object]]:
    """Give what a question said, of the log's JSON of its parameters, without what it left empty."""
    return [(name, value) for name, value in json.loads(parameters or "{}").items() if value not in ("", None)]


def breakable(text: str) -> Markup:
    """Let a line break within names, behind their dots, hyphens and underscores, and nowhere else."""
    return Markup(_JOINT.sub(r"\1<wbr>", str(escape(text))))  # noqa: S704 - what is filled in is escaped


def instant(at: datetime | None) -> str:
    """Write an instant in UTC to the second; a dash where there is none."""
    return "–" if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
