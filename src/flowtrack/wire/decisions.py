"""Reading what the workers write: decisions and what travels with them, findings, alerts, dead letters, the registry.

All of it is written by `flowtrack.wire.encode.encode`.  What is read stands for its model by structure (see
flowtrack.wire.derive), so tell the members of `Tracked` apart by `type`, which the type checker follows, and not by
class.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar, cast

from pydantic import BaseModel

from flowtrack.domain.decision import (
    AlertRecord,
    Amendment,
    ConsentCopy,
    DeadLetter,
    Decision,
    Finding,
    Marker,
    SituationDefinition,
)
from flowtrack.domain.names import DeadLetterCode
from flowtrack.domain.registry import RegistryDocument
from flowtrack.errors import ContractError
from flowtrack.wire.derive import decoder_of, union_decoder_of
from flowtrack.wire.refusal import REFUSALS, by_model, careful, parsed

M = TypeVar("M", bound=BaseModel)

Tracked = Decision | SituationDefinition | ConsentCopy | Marker
"""What stands on `decisions/p`, in one order."""

_TAG: Final = "type"
_TRACKED: Final[dict[str, type[BaseModel]]] = {
    "decision": Decision,
    "situation": SituationDefinition,
    "consent": ConsentCopy,
    "marker": Marker,
}
_tracked = cast("Callable[[bytes], Tracked]", union_decoder_of(tuple(_TRACKED.values()), _TAG))


def decode_tracked(value: bytes) -> Tracked:
    """A record of the decisions topic, told apart by `type`.

    Raises:
        ContractError: `not_json`, `unknown_type`, `missing_field`, `bad_time` or `bad_field`, with the field's path and
            no value of the record.
    """
    try:
        return _tracked(value)
    except REFUSALS:
        pass  # no verdict yet: the careful reading decides, and says why
    message = parsed(value)
    type_ = message.get(_TAG) if isinstance(message, dict) else None
    model = _TRACKED.get(type_) if isinstance(type_, str) else None
    if model is None:
        help_ = f"send one of {', '.join(_TRACKED)}"
        code = DeadLetterCode.UNKNOWN_TYPE.value
        raise ContractError(code, "`type` is not known on the decisions topic", field=_TAG, help=help_)
    return cast("Tracked", careful(model, value, message))


def reader_of(model: type[M]) -> Callable[[bytes], M]:
    """A reader of one contract: fast when the message is right, and saying why when it is not.

    The reader raises ContractError as `decode_tracked` does.
    """
    fast = decoder_of(model)

    def read(value: bytes) -> M:
        try:
            return fast(value)
        except REFUSALS:
            pass  # no verdict yet: the careful reading decides, and says why
        return careful(model, value, parsed(value))

    return read


decode_finding: Final = reader_of(Finding)
decode_alert: Final = reader_of(AlertRecord)
decode_amendment: Final = reader_of(Amendment)
decode_dead_letter: Final = reader_of(DeadLetter)


def decode_registry(value: bytes) -> RegistryDocument:
    """A registry document: the model itself, since it is rare, and since `from` may stand for `since`.

    Raises:
        ContractError: as `decode_tracked`.
    """
    parsed(value)
    return by_model(RegistryDocument, value)
