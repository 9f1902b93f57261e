"""What a refused view says: in the page's language, by the labels of its form, with what was typed kept in it."""

from __future__ import annotations

from typing import Final, NamedTuple

from flowtrack.adapters.pages.rendering import Words
from flowtrack.adapters.pages.site.visit import INSTANTS, Visit
from flowtrack.errors import AccessError, FlowtrackError, QuestionError, StoreMemoryError

_INSTANTS: Final = INSTANTS | {"first", "last", "at", "received_at", "noticed_at"}
_NUMBERS: Final = frozenset({"hops_max", "as_of_step", "known_at_step", "uses_max"})
_NO_STATE: Final = frozenset({"lang", "after", "picture", "form", "as_of_step", "known_at_step"})
"""Of an address, what is not typed again: the form says its language, and begins at the first page."""


class Wrong(NamedTuple):
    """A field that is not right."""

    name: str
    label: str
    how: str
    """What is wrong with it, or how it is written."""
    meant: list[str]
    """What may have been meant."""


class Kept(NamedTuple):
    """A field of the form as it was sent."""

    name: str
    label: str
    """Empty where no form shows it: it is sent again unseen."""
    text: str
    wrong: bool


class Refusal(NamedTuple):
    """Why a view was refused, and its form."""

    wrong: list[Wrong]
    kept: list[Kept]
    """Empty where there is nothing to type again."""
    roles: tuple[str, ...]
    """Those that may see it, where the account has none of them."""
    elsewhere: bool
    """A form of another site was sent."""
    too_large: bool = False
    """The answer takes more memory than the ledger's engine may use: the same again ends the same."""


def refusal_of(visit: Visit, error: FlowtrackError) -> Refusal:
    """Give what a page says of an error, and the form of the view again.

    Args:
        visit: as it came.
        error: why it was refused; its own text, which is for programs, is not shown.
    """
    if not isinstance(error, QuestionError):
        roles = error.roles if isinstance(error, AccessError) else ()
        elsewhere = isinstance(error, AccessError) and not roles
        return Refusal([], [], roles, elsewhere=elsewhere, too_large=isinstance(error, StoreMemoryError))
    wrong = wrong_of(visit.words, error)
    asked = visit.request.method == "GET"
    return Refusal(wrong, _kept(visit, {each.name for each in wrong}) if asked else [], (), elsewhere=False)


def wrong_of(words: Words, error: QuestionError, area: str = "field") -> list[Wrong]:
    """Give the fields that an error is about and that a form shows.

    Args:
        words: in the page's language.
        error: of a question or an order.
        area: of the words that name the form's fields.
    """
    names = dict.fromkeys(name.partition(".")[0] for field in error.fields for name in field.split(", "))
    return [
        Wrong(name, label, _how(words, name, listed=name in error.meant), list(error.meant.get(name, ())))
        for name in names
        if (label := label_of(words, name, area))
    ]


def label_of(words: Words, name: str, area: str = "field") -> str:
    """Give a field's label as forms have it; empty where no form has it."""
    for each in (area, "field"):
        label = words.code(each, name)
        if label != name:
            return label
    return ""


def _how(words: Words, name: str, *, listed: bool) -> str:
    """Say how a field is written; where words are shown that it takes, those say it."""
    kind = "instant" if name in _INSTANTS else "number" if name in _NUMBERS else name
    told = words.code("wrong", kind)
    return told if told != kind else words("wrong.word" if listed else "wrong.value")


def _kept(visit: Visit, wrong: set[str]) -> list[Kept]:
    """Give the address's parameters as fields: those that some form shows, and unseen what else the view is about."""
    found = []
    for name, text in visit.request.query_params.multi_items():
        label = label_of(visit.words, name)
        if text.strip() and name not in _NO_STATE:
            found.append(Kept(name, label, text, name in wrong))
    return found if any(each.label for each in found) else []
