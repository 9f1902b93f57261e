"""From keyword arguments to checked CloudEvents; every fault is named, no value is ever told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from flowtrack.domain.consent import CONSENT_TYPE, ConsentRecord
from flowtrack.domain.event import Event, missing_field
from flowtrack.domain.names import Kind
from flowtrack.errors import ContractError

_OF_THE_ENVELOPE = ("traceparent", "correlationid", "causationid")
# Texts of pydantic's that name what is expected and never what was given.
_HARMLESS = ("enum", "literal_error", "timezone_aware", "string_too_short", "string_too_long", "too_short", "too_long")

Checked = TypeVar("Checked", bound=BaseModel)


def event_of(kind: Kind, envelope: Mapping[str, object], fields: Mapping[str, object]) -> Event:
    """Give the event that a service's call means.

    Args:
        kind: what happened.
        envelope: `id`, `source`, `subject`, `time`, `sequence`.
        fields: the call's keyword arguments, without those that the envelope has taken.

    Raises:
        ContractError: a field is missing, unknown or wrong; its name is told, its value is not.
    """
    data = {name: value for name, value in fields.items() if value is not None and name not in _OF_THE_ENVELOPE}
    event = _checked(
        Event,
        {
            "specversion": "1.0",
            "type": f"flowtrack.{kind.value}.v1",
            **envelope,
            **{name: fields[name] for name in _OF_THE_ENVELOPE if fields.get(name) is not None},
            "data": data,
        },
    )
    check_required(kind, event)
    return event


def check_required(kind: Kind, event: Event) -> None:
    """Make sure that the event has what its kind cannot do without.

    Raises:
        ContractError: a required field is missing.
    """
    absent = missing_field(kind, event.data)
    if absent is not None:
        raise ContractError(
            "missing_field", f"`{absent}` is missing in a {kind.value} event", field=f"data.{absent}", help="pass it"
        )


def consent_of(envelope: Mapping[str, object], fields: Mapping[str, object]) -> ConsentRecord:
    """Give the consent record that a service's call means.

    Raises:
        ContractError: a field is missing, unknown or wrong; its name is told, its value is not.
    """
    data = {name: value for name, value in fields.items() if value is not None}
    return _checked(ConsentRecord, {"specversion": "1.0", "type": CONSENT_TYPE, **envelope, "data": data})


def _checked(model: type[Checked], document: Mapping[str, object]) -> Checked:
    try:
        return model.model_validate(document)
    except ValidationError as error:
        fault = _fault(error.errors(include_url=False, include_input=False, include_context=False)[0])
    raise fault  # outside of `except`: the validation error holds the values, and must not travel along


def _fault(error: Any) -> ContractError:  # noqa: ANN401 - pydantic's own TypedDict is not public
    """Say the first fault without what was given."""
    path = [str(part) for part in error["loc"]]
    kind = str(error["type"])
    if kind == "extra_forbidden":
        # The name of a nested field may come out of data; that of a keyword argument stands in code.
        known = ".".join(path[:-1])
        what = f"`{path[-1]}` is no field of this event" if known == "data" else f"`{known}` has an unknown field"
        return ContractError("bad_field", what, field=known, help="see the fields in flowtrack.sdk.fields")
    field = ".".join(path)
    if kind == "missing":
        return ContractError("missing_field", f"`{field}` is missing", field=field, help="pass it")
    code = {"subject": "bad_subject", "time": "bad_time"}.get(path[0], "bad_field")
    said = str(error["msg"]) if kind in _HARMLESS or kind.endswith("_type") else "not as the contract asks"
    mend = {
        "bad_subject": "pass an identifier, or a pseudonym of 32 lower-case hex digits",
        "bad_time": "pass a datetime that knows its zone",
    }
    return ContractError(
        code, f"`{field}` is wrong: {said[0].lower()}{said[1:]}", field=field, help=mend.get(code, "see its definition")
    )
