"""The careful reading of a message: the pydantic model decides, and a refusal says why without quoting the message.

This is the authority that the fast decoders must never be more lenient than, and the way that every refused message
takes.  Two readings must both accept: the model in strict mode (no number for a string, no string for a number), and
the model's structural twin, which takes times as RFC 3339 only, as CloudEvents 1.0 asks, where pydantic would also
guess instants from strings of digits.  What is given back is always the twin, so that a message means the same
whichever way it was read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Generic, NamedTuple, TypeVar, cast

import msgspec
from pydantic import BaseModel, ValidationError

from flowtrack.domain.model import SUBJECT_PATTERN
from flowtrack.domain.names import DeadLetterCode
from flowtrack.errors import ContractError
from flowtrack.wire.derive import json_name, models_in, struct_of

M = TypeVar("M", bound=BaseModel)

SIZE_MAX_BYTES: Final = 1_048_576
"""Kafka's own default limit of a record, `message.max.bytes`, is a little above: a larger message cannot travel on."""

REFUSALS: Final = (msgspec.MsgspecError, ValueError, RecursionError)
"""What decoding may raise on hostile bytes: wrong shape, invalid UTF-8, nesting without end."""

_SUBJECT = re.compile(SUBJECT_PATTERN)
_ENVELOPE: Final = ("specversion", "id", "source", "type")
_TOLD: Final = ("expected", "min_length", "max_length", "ge", "le")
"""Parts of pydantic's context that come from the contract, never from the message."""
_RANKS: Final = {
    DeadLetterCode.NOT_JSON: -1,
    DeadLetterCode.BAD_SUBJECT: 0,
    DeadLetterCode.MISSING_FIELD: 1,
    DeadLetterCode.BAD_TIME: 2,
    DeadLetterCode.BAD_FIELD: 3,
}
"""Of several problems the one told is that of the lowest rank, and within a rank the first in the model's order."""


class Problem(NamedTuple):
    """One thing wrong with a message: the code, the dotted path of the field, and what the contract asks."""

    code: DeadLetterCode
    field: str
    asks: str


@dataclass(frozen=True)
class CloudEventReader(Generic[M]):
    """How one family of CloudEvents is read with care.

    Args:
        model: the contract.
        types: the CloudEvents types that belong to the family.
        further: what the contract asks beyond the model, looked up in the parsed message.
    """

    model: type[M]
    types: frozenset[str]
    further: Callable[[Mapping[str, Any]], Iterator[Problem]]

    def read(self, value: bytes | None, size_max_bytes: int = SIZE_MAX_BYTES) -> M:
        """The message as the model's structural twin.

        Raises:
            ContractError: the message breaks the contract; of several reasons the first in the order of NAMES is told:
                `not_json`, `too_large`, `not_cloudevent`, `unknown_type`, `unknown_version`, `bad_subject`,
                `missing_field`, `bad_time`, `bad_field`.
        """
        message = parsed(value, size_max_bytes)
        self._check_envelope(message)
        return careful(self.model, cast("bytes", value), message, self._beyond)

    def _check_envelope(self, message: object) -> None:
        if not isinstance(message, dict):
            raise _error(DeadLetterCode.NOT_CLOUDEVENT, "the message is not a JSON object", "", "send a CloudEvent 1.0")
        for name in _ENVELOPE:
            if not isinstance(message.get(name), str):
                help_ = f"give `{name}` as a string, as CloudEvents 1.0 asks"
                raise _error(DeadLetterCode.NOT_CLOUDEVENT, f"`{name}` is missing or no string", name, help_)
        if message["specversion"] != "1.0":
            help_ = "send `specversion` as the string 1.0"
            raise _error(DeadLetterCode.NOT_CLOUDEVENT, "`specversion` is not 1.0", "specversion", help_)
        if message["type"] not in self.types:
            raise self._of_another_type(message["type"])

    def _of_another_type(self, type_: str) -> ContractError:
        known = ", ".join(sorted(self.types))
        stem, dot, version = type_.rpartition(".v")
        if dot and version and f"{stem}.v1" in self.types:
            what = "`type` has a version that is not known here"
            return _error(DeadLetterCode.UNKNOWN_VERSION, what, "type", f"send one of {known}")
        return _error(DeadLetterCode.UNKNOWN_TYPE, "`type` is not known here", "type", f"send one of {known}")

    def _beyond(self, message: Any) -> Iterator[Problem]:  # noqa: ANN401 - parsed JSON
        subject = message.get("subject")
        if subject is not None and not (isinstance(subject, str) and _SUBJECT.fullmatch(subject)):
            yield Problem(DeadLetterCode.BAD_SUBJECT, "subject", "32 lower-case hex digits made by the SDK")
        yield from self.further(message)


def parsed(value: bytes | None, size_max_bytes: int = SIZE_MAX_BYTES) -> Any:  # noqa: ANN401 - any JSON
    """The JSON of a message as dictionaries and lists; a name that occurs twice has its last value.

    Raises:
        ContractError: `not_json` or `too_large`.
    """
    if not value:
        raise _error(DeadLetterCode.NOT_JSON, "the message is empty", "", "send a JSON object as the record's value")
    if len(value) > size_max_bytes:
        what = f"the message has {len(value)} bytes, more than {size_max_bytes}"
        raise _error(DeadLetterCode.TOO_LARGE, what, "", "send fewer ids and categories in one message")
    # Errors of ours are raised outside `except`: what a decoder says may quote the message, and stays out of the chain.
    with suppress(*REFUSALS):
        return _parse(value)
    raise _not_json()


_parse = msgspec.json.Decoder().decode


def careful(
    model: type[M],
    value: bytes,
    message: object,
    beyond: Callable[[Any], Iterator[Problem]] = lambda _: iter(()),
) -> M:
    """The message as the model's structural twin, if the model, its twin and what lies beyond them all accept.

    Args:
        model: the contract.
        value: the message's bytes; the model reads these.
        message: the same, parsed; the twin and `beyond` read this.
        beyond: further problems, looked up in the parsed message.

    Raises:
        ContractError: `not_json`, `bad_subject`, `missing_field`, `bad_time` or `bad_field`.
    """
    problems = list(beyond(message))
    try:
        model.model_validate_json(value, strict=True)
    except ValidationError as refusal:
        problems.extend(_model_problems(model, refusal))
    if not problems:
        try:
            return cast("M", msgspec.convert(_known_part(model, message), struct_of(model)))
        except msgspec.ValidationError as refusal:
            problems.append(_twin_problem(model, str(refusal)))
    raise _worst(model, problems)


def by_model(model: type[M], value: bytes) -> M:
    """The message as the model itself: for contracts that are rare, and that accept more names than they write.

    Raises:
        ContractError: as `careful`.
    """
    try:
        return model.model_validate_json(value, strict=True)
    except ValidationError as refusal:
        problems = list(_model_problems(model, refusal))
    raise _worst(model, problems)


def _worst(model: type[BaseModel], problems: list[Problem]) -> ContractError:
    code, field, asks = min(problems, key=lambda problem: _RANKS[problem.code])
    if code is DeadLetterCode.NOT_JSON:
        return _not_json()
    path = f"`{field}`" if field else "the message"
    help_ = f"give {asks}" if asks else f"see the JSON Schema of {model.__name__} in schemas/"
    return _error(code, f"{path} {_SAYS[code]}", field, help_)


_SAYS: Final = {
    DeadLetterCode.BAD_SUBJECT: "is no pseudonym",
    DeadLetterCode.MISSING_FIELD: "is missing",
    DeadLetterCode.BAD_TIME: "is not an RFC 3339 instant with a zone",
    DeadLetterCode.BAD_FIELD: "is not what the contract allows",
}


def _error(code: DeadLetterCode, what: str, field: str, help_: str) -> ContractError:
    return ContractError(code.value, what, field=field, help=help_)


def _not_json() -> ContractError:
    help_ = "send UTF-8 JSON (RFC 8259): no NaN, no lone surrogates, nesting under 200"
    return _error(DeadLetterCode.NOT_JSON, "the message is no JSON that can be read", "", help_)


def _known_part(model: type[BaseModel], message: object) -> object:
    """The message without the fields that an open model drops."""
    if isinstance(message, dict) and model.model_config.get("extra") == "ignore":
        known = _paths(model)
        return {name: value for name, value in message.items() if name in known}
    return message


@cache
def _paths(model: type[BaseModel]) -> dict[str, bool]:
    """Dotted path of every field, in JSON's names and without list indices: whether it is required."""
    paths: dict[str, bool] = {}
    for name, info in model.model_fields.items():
        path = json_name(name, info)
        paths[path] = info.is_required()
        for inner in models_in(info.annotation):
            paths.update({f"{path}.{rest}": required for rest, required in _paths(inner).items()})
    return paths


def _model_problems(model: type[BaseModel], refusal: ValidationError) -> Iterator[Problem]:
    paths = _paths(model)
    for error in refusal.errors(include_url=False):
        kind = error["type"]
        if kind == "json_invalid":
            yield Problem(DeadLetterCode.NOT_JSON, "", "")
            return
        field, known = _field(paths, error["loc"], extra=kind == "extra_forbidden")
        if kind == "missing" or (error["input"] is None and paths.get(known, False)):
            yield Problem(DeadLetterCode.MISSING_FIELD, field, f"`{field}`")
        elif kind.startswith(("datetime_", "timezone_")):
            yield Problem(DeadLetterCode.BAD_TIME, field, "a time like 2026-03-05T09:30:00Z")
        else:
            told = {name: error["ctx"][name] for name in _TOLD if name in error.get("ctx", {})}
            asks = ", ".join(f"{name} {value}" for name, value in told.items())
            yield Problem(DeadLetterCode.BAD_FIELD, field, f"a value with {asks}" if asks else "")


def _field(paths: Mapping[str, bool], loc: tuple[int | str, ...], *, extra: bool) -> tuple[str, str]:
    """The dotted path for people, and the same without indices.

    Only names of the contract are told: the name of an unknown field comes from the message, so it is told as `*`;
    names that pydantic gives to the members of a union are left out.
    """
    told: list[str] = []
    known = ""
    for part in loc[:-1] if extra else loc:
        if isinstance(part, int):
            told.append(str(part))
        elif (path := f"{known}.{part}" if known else part) in paths:
            told.append(part)
            known = path
    if extra:
        told.append("*")
    return ".".join(told), known


_TWIN_PATH = re.compile(r" - at `\$\.([^`]*)`$")


def _twin_problem(model: type[BaseModel], text: str) -> Problem:
    """Why the twin refuses what the model accepts: a time that is not RFC 3339, or a Python name instead of JSON's."""
    found = _TWIN_PATH.search(text)
    parts = re.findall(r"\w+", found.group(1)) if found else []
    field, _ = _field(_paths(model), tuple(int(part) if part.isdigit() else part for part in parts), extra=False)
    if "RFC3339" in text:
        return Problem(DeadLetterCode.BAD_TIME, field, "a time like 2026-03-05T09:30:00Z")
    return Problem(DeadLetterCode.BAD_FIELD, field, "")
