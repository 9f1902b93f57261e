"""Words are there in both languages, what is filled in is escaped, and what is missing is an error."""

from __future__ import annotations

from datetime import UTC, datetime

import jinja2
import pytest

from flowtrack.adapters.pages.rendering import (
    Language,
    environment,
    instant,
    language_of,
    number,
    stylesheet,
    words,
)
from flowtrack.errors import ConfigurationError


def test_every_word_is_there_in_both_languages() -> None:
    """Loading refuses a word that a language lacks; each language has the same words and fills in the same values."""
    import string

    tables = [words(language)._texts for language in Language]
    assert tables[0].keys() == tables[1].keys()
    for key in tables[0]:
        fields = [{name for _, name, _, _ in string.Formatter().parse(table[key]) if name} for table in tables]
        assert fields[0] == fields[1], key


def test_templates_use_words_that_there_are() -> None:
    """Each word that a template names is there."""
    import re

    loader = environment().loader
    assert loader is not None
    named = set()
    for template in environment().list_templates():
        source = loader.get_source(environment(), template)[0]
        named |= set(re.findall(r'\bt\("([a-z_.-]+)"[,)]', source))
    assert named
    assert named <= set(words(Language.EN)._texts)


def test_a_word_that_is_not_there_is_an_error() -> None:
    """An unknown word is said, and a code without a text stands for itself."""
    with pytest.raises(ConfigurationError, match="no word"):
        words(Language.KO)("no.such")
    assert words(Language.KO).code("verdict", "deny") == "거부"
    assert words(Language.KO).code("verdict", "new") == "new"


def test_filled_in_is_escaped_and_missing_is_an_error() -> None:
    """A value never becomes markup, and a name that is not given stops the page."""
    template = environment().from_string("{{ name }}{{ other }}")
    with pytest.raises(jinja2.UndefinedError):
        template.render(name="<b>")
    assert template.render(name="<b>", other="") == "&lt;b&gt;"


@pytest.mark.parametrize(
    ("chosen", "accepted", "language"),
    [
        ("ko", "en", Language.KO),
        (None, "ko-KR,ko;q=0.9,en;q=0.8", Language.KO),
        (None, "fr, en-GB", Language.EN),
        ("xx", "", Language.EN),
    ],
)
def test_the_address_decides_the_language_then_the_browser(
    chosen: str | None, accepted: str, language: Language
) -> None:
    """What the address says wins, then the first language of the browser that there is, then English."""
    assert language_of(chosen, accepted) is language


def test_numbers_and_instants_read_well() -> None:
    """Thousands stand apart, instants are in UTC, and what is not there is a dash."""
    assert (number(1234567), number(None)) == ("1,234,567", "–")
    assert instant(datetime(2026, 3, 2, 9, tzinfo=UTC)) == "2026-03-02 09:00:00 UTC"
    assert instant(None) == "–"


def test_the_stylesheet_fetches_nothing() -> None:
    """No asset comes from outside: the stylesheet names no address."""
    assert "url(" not in stylesheet()
    assert "@import" not in stylesheet()
