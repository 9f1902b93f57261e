"""A question's fields as arguments and options of a command, so that a new family needs none written by hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import date, datetime
from enum import Enum
from inspect import Parameter
from typing import Annotated, Any, Final, Literal, get_args, get_origin

import typer
import yaml
from annotated_types import Ge, Gt, Le, Lt
from pydantic import AwareDatetime, BaseModel
from pydantic.fields import FieldInfo

from flowtrack.apps.questions import instant
from flowtrack.audit.annotations import bare
from flowtrack.errors import ConfigurationError
from flowtrack.policy.source import files_of_default_pack

_NAMES_IN: Final = {
    "category": "vocabulary/category.yaml",
    "purpose": "vocabulary/purpose.yaml",
    "clause": "clauses.yaml",
}
"""Fields whose values a shell completes, with the file of the pack that names them; plurals likewise."""
_SAID: Final = {
    "service": "Only of this service.",
    "recipient": "Only of this recipient: the id of a party.",
    "category": "Only of this category of data.",
    "purpose": "Only for this purpose.",
    "dataset": "Only of this dataset.",
    "kind": "Only events of this kind.",
    "verdict": "Only with this verdict.",
    "subject": "Pseudonym, 32 hex digits (see `flowtrack pseudonym`).",
}
"""What is said of filters that need no docstring where they stand."""
_PLAIN: Final = (str, int, float)


def parameters_of(question: type[BaseModel]) -> list[Parameter]:
    """Give a question's fields as parameters of a function that typer makes a command of.

    What a question cannot be asked without is an argument, in the order of the model; instants are always options.
    """
    found = [_parameter(name, field) for name, field in question.model_fields.items()]
    return sorted(found, key=lambda each: each.default is not Parameter.empty)


def completing(name: str) -> Callable[[str], list[str]] | None:
    """Give what completes a field's value in a shell; None where nothing does."""
    path = _NAMES_IN.get(name) or _NAMES_IN.get(name.removesuffix("s")) or _NAMES_IN.get(_singular(name))
    if path is None:
        return None
    return lambda incomplete: [each for each in _names(path) if each.startswith(incomplete)]


def _singular(name: str) -> str:
    return f"{name.removesuffix('ies')}y" if name.endswith("ies") else name


def _names(path: str) -> list[str]:
    return sorted(map(str, yaml.safe_load(files_of_default_pack()[path])))


def _parameter(name: str, field: FieldInfo) -> Parameter:
    """One field: its type as far as a command line has it, its docstring as help."""
    plain, parser = _type_of(field.annotation, option_of(name))
    said = field.description or _SAID.get(name, "")
    about: dict[str, Any] = {"help": " ".join(said.split()), **_bounds(plain, field.metadata)}
    if parser is not None:
        about |= {"parser": parser, "metavar": "INSTANT" if parser.__name__ == "read_instant" else "VALUE"}
    suggest = completing(name)
    if suggest is not None:
        about["autocompletion"] = suggest
    if not field.is_required():
        default = field.get_default(call_default_factory=True)
        plain = plain if default is not None else plain | None
        return _of(name, plain, typer.Option(*_names_of_option(name, plain), **about), default)
    if parser is not None:
        return _of(name, plain, typer.Option(option_of(name), **about), ...)
    return _of(name, plain, typer.Argument(metavar=name.upper(), **about), Parameter.empty)


def option_of(name: str) -> str:
    """Give the option of a field."""
    return f"--{name.replace('_', '-')}"


def _of(name: str, plain: object, info: object, default: object) -> Parameter:
    if default is ...:
        default = Parameter.empty
    elif isinstance(default, (frozenset, tuple)):
        default = list(default)
    return Parameter(name, Parameter.KEYWORD_ONLY, annotation=Annotated[plain, info], default=default)


def _names_of_option(name: str, plain: object) -> list[str]:
    """`hops_max` answers to `--hops` too: what is left out is said by the help."""
    option = option_of(name)
    if plain is bool:
        return [f"{option}/--no-{option.removeprefix('--')}"]
    return [option.removesuffix("-max"), option] if option.endswith("-max") else [option]


def _type_of(annotation: object, option: str) -> tuple[Any, Callable[[str], Any] | None]:
    """Give the type that typer reads, and what reads the text where typer does not."""
    plain = bare(annotation)
    if plain in {AwareDatetime, datetime}:
        return datetime, _reading_instants(option)
    if plain is date:
        return date, _reading(option, date.fromisoformat, "write a date: 2026-03-02")
    origin = get_origin(plain)
    if origin in {list, tuple, set, frozenset}:
        inner, parser = _type_of(get_args(plain)[0], option)
        return (list[inner], None) if parser is None else (list[Any], parser)  # type: ignore[valid-type]  # made at run time
    if plain is bool or plain in _PLAIN or origin is Literal:
        return plain, None
    if isinstance(plain, type) and issubclass(plain, Enum):
        return plain, None
    if isinstance(plain, type) and issubclass(plain, _PLAIN):
        return next(each for each in _PLAIN if issubclass(plain, each)), None
    return Any, _reading(option, json.loads, "write it as JSON")


def _reading_instants(option: str) -> Callable[[str], Any]:
    def read_instant(text: str) -> datetime:
        found = instant(option, text)
        if found is None:
            raise ConfigurationError("no instant is given", where=option, help="leave the option out, or give one")
        return found

    return read_instant


def _reading(option: str, read: Callable[[str], Any], help_: str) -> Callable[[str], Any]:
    def read_value(text: str) -> object:
        try:
            return read(text)
        except ValueError:
            raise ConfigurationError("the value cannot be read", where=option, help=help_) from None

    return read_value


def _bounds(plain: object, metadata: Iterable[Any]) -> dict[str, Any]:
    """Bounds of numbers, so that help names them and a wrong one is refused before anything is opened."""
    if plain not in {int, float}:
        return {}
    bounds: dict[str, Any] = {}
    for each in metadata:
        if isinstance(each, (Ge, Gt)):
            bounds["min"] = each.ge if isinstance(each, Ge) else each.gt
        elif isinstance(each, (Le, Lt)):
            bounds["max"] = each.le if isinstance(each, Le) else each.lt
    return bounds
