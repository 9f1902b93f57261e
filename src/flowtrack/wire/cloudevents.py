"""Both content modes of the CloudEvents Kafka protocol binding 1.0.2, brought to one.

Services may send a CloudEvent structured (all of it in the record's value) or binary (attributes in headers `ce_...`,
data in the value).  Flowtrack writes structured JSON, and reads binary by writing it structured first, so that both
meet the same checks.  The `cloudevents` package is not used: it would give dictionaries, and cost more than the whole
check.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from flowtrack.domain.names import DeadLetterCode
from flowtrack.errors import ContractError
from flowtrack.wire.refusal import SIZE_MAX_BYTES, parsed

CONTENT_TYPE: Final = "content-type"
STRUCTURED: Final = "application/cloudevents+json"
"""The content type of what `encode_event` and `encode_consent` write."""

_PREFIX: Final = "ce_"
_FAMILY: Final = "application/cloudevents"
_RESERVED: Final = frozenset({"data", "data_base64"})  # CloudEvents 1.0, 3.1: no attribute may be called so

Headers = Mapping[str, str | bytes | None] | Iterable[tuple[str, str | bytes | None]]


def structured(headers: Headers, body: bytes | None, *, size_max_bytes: int = SIZE_MAX_BYTES) -> bytes | None:
    """A Kafka record's CloudEvent in structured mode, to be given to `decode_event` or `decode_consent`.

    The header `content-type` decides (section 3): `application/cloudevents+json` is structured, anything else is
    binary.  A record without any CloudEvents header is taken as structured, since its value may say all.

    Args:
        headers: the record's headers; of a name that occurs twice the last value counts.
        body: the record's value; None without headers is a tombstone and stays None.
        size_max_bytes: a larger value is refused before it is parsed.

    Raises:
        ContractError: `not_cloudevent` for headers that are no UTF-8, an event format other than JSON, or a reserved
            attribute name; `not_json` or `too_large` for a binary-mode value.
    """
    given = dict(headers)
    if not given:
        return body
    lowered = {name.lower(): value for name, value in given.items()}
    content_type = _text(CONTENT_TYPE, lowered.get(CONTENT_TYPE, ""))
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type.startswith(_FAMILY):
        if media_type != STRUCTURED:
            help_ = f"send `{STRUCTURED}`, or binary mode with `application/json`"
            raise _refusal(CONTENT_TYPE, "`content-type` names an event format that is not read here", help_)
        return body
    attributes = {
        name.removeprefix(_PREFIX): _text(name, value) for name, value in lowered.items() if name.startswith(_PREFIX)
    }
    if not attributes:
        return body
    return _joined(attributes, content_type, body, size_max_bytes)


def _joined(attributes: dict[str, str], content_type: str, body: bytes | None, size_max_bytes: int) -> bytes:
    if attributes.keys() & _RESERVED:
        raise _refusal("ce_data", "a header takes the name of the data itself", "send the data as the record's value")
    if content_type:
        attributes["datacontenttype"] = content_type  # section 3.2.1
    envelope = msgspec.json.encode(attributes)
    if body is None:
        return envelope
    # Only what is known to be one JSON value is put in its place: other bytes could close the object and add attributes
    parsed(body, size_max_bytes)
    return b'%b,"data":%b}' % (envelope[:-1], body)


def _text(name: str, value: str | bytes | None) -> str:
    if value is None:
        return ""  # Kafka allows a header without a value: it says nothing
    # Section 3.2.3: header values are UTF-8.  A character that UTF-8 cannot give stands for bytes that are none.
    text = value if isinstance(value, str) else value.decode(errors="surrogateescape")
    if any("\ud800" <= character <= "\udfff" for character in text):
        known = name if name in _TELLABLE else f"{_PREFIX}*"
        raise _refusal(known, f"the header `{known}` is not UTF-8", "encode header values as UTF-8")
    return text


_TELLABLE: Final = frozenset(
    {CONTENT_TYPE, *(f"{_PREFIX}{name}" for name in ("specversion", "id", "source", "type", "subject", "time"))}
)
"""Header names that come from the standard; any other is the message's own, and is not told."""


def _refusal(field: str, what: str, help_: str) -> ContractError:
    return ContractError(DeadLetterCode.NOT_CLOUDEVENT.value, what, field=field, help=help_)
