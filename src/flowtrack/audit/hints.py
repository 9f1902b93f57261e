"""Did you mean: names in a question that were never seen, and those that they may have been meant as.

An unknown name is no error: a party may be asked for that never received anything.  So it is answered, with a hint.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeVar

import yaml
from pydantic import ValidationError

from flowtrack.audit.family import Answer, Question
from flowtrack.audit.roles import COUNTERS, EVERYBODY, Role
from flowtrack.domain.names import Basis, Kind, Verdict
from flowtrack.domain.registry import PartyEntry, RegistryDocument, ServiceEntry
from flowtrack.policy.source import files_of_default_pack

A = TypeVar("A", bound=Answer)
E = TypeVar("E", ServiceEntry, PartyEntry)

NAMED: Final = ("service", "recipient", "category", "purpose", "dataset", "clause")
"""Fields of questions whose values are names that somebody declared or used."""
OWN: Final[dict[str, dict[str, str]]] = {
    "access": {"actor": "actor", "role": "actor_role"},
    "audit-log": {"who": "asker", "asked": "asked"},
    "consent-proof": {"record": "record"},
    "withdrawal": {"record": "record"},
    "transfers": {"home": "country"},
}
"""Fields of one family, and of what their values are names; whoever may ask the family sees those names in its rows."""
SEEN_BY: Final = dict.fromkeys(("service", "recipient", "dataset"), COUNTERS)
"""Who may see all names of a kind; those of the policy's vocabularies everybody may, those of `OWN` whoever may ask."""
_FILES: Final = {
    "category": "vocabulary/category.yaml",
    "purpose": "vocabulary/purpose.yaml",
    "clause": "clauses.yaml",
}
_WORDS: Final[dict[str, frozenset[str]]] = {
    "basis": frozenset(Basis),
    "kind": frozenset(Kind),
    "verdict": frozenset(Verdict),
}
"""Fields whose values are fixed words, where a question takes them as text."""
_PLACES: Final = {"party": "recipient"}
_OF_SUBJECT: Final = "record"
"""Its names are those of the subject that is asked about, and no other's."""
_ADDING: Final = "country"
"""An unknown one gives more rows, not none: every transfer is abroad for whoever is at home nowhere."""
Known = Callable[[str, str | None], Collection[str]]
"""Gives the names that the ledger has seen: of `NAMED` or `OWN`, and of the subject where one is asked about."""
_CLOSE: Final = 0.6
_CLOSEST_MAX: Final = 3


def closest(name: str, known: Iterable[str]) -> list[str]:
    """The names that one may have been meant as, the closest first; by letters, whatever their case."""
    by_letters = {each.casefold(): each for each in sorted(known)}
    found = get_close_matches(name.casefold(), by_letters, n=_CLOSEST_MAX, cutoff=_CLOSE)
    return [by_letters[each] for each in found]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Ask whether a known name was meant; empty where none is close."""
    return _asked(closest(name, known))


def _asked(found: Sequence[str]) -> str:
    return f"did you mean {' or '.join(f'`{each}`' for each in found)}?" if found else ""


def with_hints(answer: A, question: Question[A], known: Known, role: Role) -> A:
    """Add what may have been meant to an answer without rows: names that were found need no hint.

    Args:
        answer: to the question.
        question: as it was asked.
        known: gives the names that the ledger has seen.
        role: in which it was asked: of names that it may not see, nothing is said, not even that there is none.
    """
    names = [
        (field, named, name)
        for field, named, name in _named_by(question)
        if (not answer.rows or named == _ADDING) and role in SEEN_BY.get(named, EVERYBODY)
    ]
    found = list(_unseen(names, question.whom, known))
    if not answer.rows:
        found += _no_words(question)
    told = {
        "hints": [*answer.about.hints, *(each.text for each in found)],
        "meant": {**answer.about.meant, **{each.field: each.meant for each in found}},
    }
    return answer.model_copy(update={"about": answer.about.model_copy(update=told)}) if found else answer


REGISTERED: Final = ("service", "recipient", "country", "actor_role")
"""What of names registry documents have."""


def registered(bodies: Iterable[str]) -> dict[str, set[str]]:
    """What registry documents name, by what it is: services, parties, countries, roles of staff."""
    names: dict[str, set[str]] = {each: set() for each in REGISTERED}
    for body in bodies:
        try:
            document = RegistryDocument.model_validate_json(body)
        except ValidationError:
            continue  # the checker has refused it: nobody knows its names
        services, parties = document.services or {}, document.parties or {}
        names["service"] |= set(services)
        names["recipient"] |= set(parties)
        for service in _entries(services.values()):
            names["country"] |= set(service.regions)
            names["actor_role"] |= set(service.grants)
        names["country"] |= {party.country for party in _entries(parties.values()) if party.country}
    return names


class _Hint(NamedTuple):
    field: str
    meant: list[str]
    text: str


def _entries(said: Iterable[E | list[E]]) -> Iterator[E]:
    for each in said:
        yield from each if isinstance(each, list) else [each]


def _unseen(names: Iterable[tuple[str, str, str]], whom: str | None, known: Known) -> Iterator[_Hint]:
    for field, named, name in names:
        under, declared = named == "category", _declared(named)
        if _among(name, declared, under=under):
            continue  # declared: the ledger need not be asked
        seen = {*known(named, whom), *declared}
        if not _among(name, seen, under=under):
            meant = closest(name, seen)
            never = "never seen of this subject" if named == _OF_SUBJECT else "never seen"
            yield _Hint(field, meant, f"what `{field}` names was {never}{f': {_asked(meant)}' if meant else ''}")


def _no_words(question: Question[A]) -> Iterator[_Hint]:
    for field, words in _WORDS.items():
        for name in _names_in(getattr(question, field, None)):
            if name not in words:
                meant = closest(name, words)
                text = _asked(meant) or f"it is one of {', '.join(sorted(words))}"
                yield _Hint(field, meant or sorted(words), f"there is no such `{field}`: {text}")


def _named_by(question: Question[A]) -> Iterator[tuple[str, str, str]]:
    """Give each name in a question: its field, of what it is a name (`NAMED` or `OWN`), and itself."""
    for field, named in {**{field: field for field in NAMED}, **OWN.get(question.family, {})}.items():
        for name in _names_in(getattr(question, field, None)):
            yield field, named, name
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
