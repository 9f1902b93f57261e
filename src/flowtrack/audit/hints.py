"""Did you mean: names in a question that were never seen, and those that they may have been meant as.

An unknown name is no error: a party may be asked for that never received anything.  So it is answered, with a hint.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, Final, TypeVar

import yaml
from pydantic import ValidationError

from flowtrack.audit.family import Answer, Question
from flowtrack.domain.names import Kind, Verdict
from flowtrack.domain.registry import RegistryDocument
from flowtrack.policy.source import files_of_default_pack

A = TypeVar("A", bound=Answer)

NAMED: Final = ("service", "recipient", "category", "purpose", "dataset", "clause")
"""Fields of questions whose values are names that somebody declared or used."""
_FILES: Final = {
    "category": "vocabulary/category.yaml",
    "purpose": "vocabulary/purpose.yaml",
    "clause": "clauses.yaml",
}
_WORDS: Final[dict[str, frozenset[str]]] = {
    "kind": frozenset(Kind),
    "verdict": frozenset(Verdict),
}
"""Fields whose values are fixed words, where a question takes them as text."""
_PLACES: Final = {"party": "recipient"}
_CLOSE: Final = 0.6
_CLOSEST_MAX: Final = 3


def closest(name: str, known: Iterable[str]) -> list[str]:
    """The names that one may have been meant as, the closest first; by letters, whatever their case."""
    by_letters = {each.casefold(): each for each in sorted(known)}
    found = get_close_matches(name.casefold(), by_letters, n=_CLOSEST_MAX, cutoff=_CLOSE)
    return [by_letters[each] for each in found]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Ask whether a known name was meant; empty where none is close."""
    found = closest(name, known)
    return f"did you mean {' or '.join(f'`{each}`' for each in found)}?" if found else ""


def with_hints(answer: A, question: Question[A], known: Callable[[str], Collection[str]]) -> A:
    """Add what may have been meant to an answer without rows: names that were found need no hint.

    Args:
        answer: to the question.
        question: as it was asked.
        known: gives the names that the ledger has seen, for a field of `NAMED`.
    """
    if answer.rows:
        return answer
    hints = list(_hints(question, known))
    about = answer.about.model_copy(update={"hints": hints})
    return answer.model_copy(update={"about": about}) if hints else answer


def registered(bodies: Iterable[str]) -> dict[str, set[str]]:
    """The services and parties that registry documents name, by field."""
    names: dict[str, set[str]] = {"service": set(), "recipient": set()}
    for body in bodies:
        try:
            document = RegistryDocument.model_validate_json(body)
        except ValidationError:
            continue  # the checker has refused it: nobody knows its names
        names["service"] |= set(document.services or {})
        names["recipient"] |= set(document.parties or {})
    return names


def _hints(question: Question[A], known: Callable[[str], Collection[str]]) -> Iterator[str]:
    for field, named, name in _named_by(question):
        under, declared = named == "category", _declared(named)
        if _among(name, declared, under=under):
            continue  # declared: the ledger need not be asked
        seen = {*known(named), *declared}
        if not _among(name, seen, under=under):
            meant = did_you_mean(name, seen)
            yield f"what `{field}` names was never seen{f': {meant}' if meant else ''}"
    for field, words in _WORDS.items():
        for name in _names_in(getattr(question, field, None)):
            if name not in words:
                meant = did_you_mean(name, words) or f"it is one of {', '.join(sorted(words))}"
                yield f"there is no such `{field}`: {meant}"


def _named_by(question: Question[A]) -> Iterator[tuple[str, str, str]]:
    """Give each name in a question: its field, the field of `NAMED` whose names it is one of, and itself."""
    for field in NAMED:
        for name in _names_in(getattr(question, field, None)):
            yield field, field, name
    place = getattr(question, "start", None)
    if place is not None:
        yield "name", _PLACES.get(place, place), str(getattr(question, "name", ""))


def _names_in(value: Any) -> list[str]:  # noqa: ANN401 - a field of any question
    if isinstance(value, str):
        return [value]
    return [each for each in value if isinstance(each, str)] if isinstance(value, list | tuple) else []


def _among(name: str, known: Collection[str], *, under: bool) -> bool:
    return name in known or (under and any(each.startswith(f"{name}.") for each in known))


@lru_cache(maxsize=len(_FILES))
def _declared(field: str) -> frozenset[str]:
    """Names that the pack declares which Flowtrack brings."""
    path = _FILES.get(field)
    return frozenset(yaml.safe_load(files_of_default_pack()[path]) or {}) if path else frozenset()
