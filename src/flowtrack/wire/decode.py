"""Reading events and consent records: fast when they are right, and with care when they are not."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from types import SimpleNamespace
from typing import Any, Final, Protocol, cast

import msgspec

from flowtrack.domain.consent import CONSENT_TYPE, ConsentRecord
from flowtrack.domain.event import CATEGORIES_MAX, SERVICE_SOURCE, TYPES, Event, EventData, missing_field
from flowtrack.domain.instants import DAY_US
from flowtrack.domain.names import DeadLetterCode, Kind, Method
from flowtrack.errors import ContractError
from flowtrack.wire.derive import decoder_of, struct_of
from flowtrack.wire.refusal import REFUSALS, SIZE_MAX_BYTES, CloudEventReader, Problem

PAST_MAX_US: Final = 400 * DAY_US
"""How long before its arrival an event may have happened: a year and a month, so that late batches still count."""
FUTURE_MAX_US: Final = 300_000_000
"""How far a service's clock may run ahead: five minutes."""

YEAR_MIN: Final = 1970
YEAR_MAX: Final = 2199
"""Years that a consent record may name: what the ledger's columns and every clock here can hold."""

_event = decoder_of(Event)
# Its data as it came; a subject is checked by its bytes, which whoever asks needs anyway, at a quarter of the cost.
_outline_twin = struct_of(Event, None, (("data", msgspec.Raw), ("subject", str)))
_outline = cast("Callable[[bytes], _Outline]", msgspec.json.Decoder(_outline_twin).decode)
_SUBJECT_BYTES = 16
_PLAIN_ID = rb'"[ !#-\[\]-~]{1,256}"'
_IDS = re.compile(rb"\[%b(?:,%b){0,%d}\]" % (_PLAIN_ID, _PLAIN_ID, CATEGORIES_MAX - 1))
_DERIVED: Final = b',"derived_from":["'
_SHORT: Final = 260  # of one id, with brackets and quotes
_consent = decoder_of(ConsentRecord)


def decode_event(value: bytes | None, *, size_max_bytes: int = SIZE_MAX_BYTES) -> Event:
    """The event in a record's value, as the structural twin of `Event` (flowtrack.wire.derive).

    Fractions of a second beyond the microsecond are rounded to it; of a JSON name that occurs twice the last value
    counts; extension attributes that Flowtrack does not know are dropped, as CloudEvents 1.0 (3.1) allows.

    Args:
        value: structured-mode JSON as it came; None for a record without a value.
        size_max_bytes: anything longer is refused before it is parsed.

    Raises:
        ContractError: with the dead-letter code and the dotted path of the field, never with a value of the message.
    """
    if value is not None and len(value) <= size_max_bytes:
        try:
            event = _event(value)
            kind = TYPES.get(event.type)
            if kind is not None and event.source.startswith(SERVICE_SOURCE) and missing_field(kind, event.data) is None:
                return event
        except REFUSALS:
            pass  # no verdict yet: the careful reading decides, and says why
    return EVENTS.read(value, size_max_bytes)


class EventOutline(Protocol):
    """What an event says besides its data."""

    @property
    def id(self) -> str:
        """Unique in its source."""
        ...

    @property
    def source(self) -> str:
        """The service that publishes."""
        ...

    @property
    def type(self) -> str:
        """The CloudEvents type."""
        ...

    @property
    def subject(self) -> str:
        """The pseudonym."""
        ...

    @property
    def time(self) -> datetime:
        """When it happened."""
        ...

    @property
    def correlationid(self) -> str | None:
        """What other events it belongs to."""
        ...

    @property
    def sequence(self) -> str | None:
        """Producer epoch and number."""
        ...


class _Outline(EventOutline, Protocol):
    @property
    def data(self) -> msgspec.Raw: ...


def outline_of(value: bytes | None) -> tuple[EventOutline, bytes, tuple[str, str, bytes]] | None:
    """An event but for its data: whoever has decoded the same data before need not do it again.

    Where `decode_event` has taken an event of the same key, it takes this one, with equal data; the key says nothing
    else.

    Args:
        value: as for `decode_event`.

    Returns:
        The outline, the subject's bytes and the key: type, source and the data's JSON as it came.  None where there is
        no outline, or only decoding can tell: of a name that occurs twice, say, the first value would go unread.
    """
    if value is None or len(value) > SIZE_MAX_BYTES or b"\\" in value or value.count(b'"data"') != 1:
        return None
    try:
        outline = _outline(value)
        subject = bytes.fromhex(outline.subject)
    except REFUSALS:
        return None  # no verdict yet: `decode_event` says why
    if len(subject) != _SUBJECT_BYTES or subject.hex() != outline.subject:
        return None
    return outline, subject, (outline.type, outline.source, bytes(outline.data))


def without_derived(data: bytes) -> tuple[bytes, bytes] | None:
    """The data of an event without the events that it was derived from, and their ids as a JSON list.

    Where `decode_event` has taken the former it takes the whole, with these ids.  None where that is not sure.

    Args:
        data: as in the key of an outline: a JSON object without backslashes.
    """
    begin = data.find(_DERIVED)
    end = data.find(b'"]', begin) + 2
    if begin < 0 or end < begin:
        return None
    ids = data[begin + len(_DERIVED) - 2 : end]
    # A comma and a quote begin a name, since no quote stands inside a string.  Of braces that close there is one left,
    # so it is a name of the data itself.
    if data.count(b"}", end) != 1 or not ((len(ids) < _SHORT and ids[2:-2].isalnum()) or _IDS.fullmatch(ids)):
        return None
    rest = data[:begin] + data[end:]
    return None if b'"derived_from"' in rest else (rest, ids)


def decode_consent(value: bytes | None, *, size_max_bytes: int = SIZE_MAX_BYTES) -> ConsentRecord:
    """The consent record in a record's value, as the structural twin of `ConsentRecord`; as `decode_event`.

    A tombstone is not read here: its meaning stands in its key (flowtrack.wire.keys).

    Raises:
        ContractError: with the dead-letter code and the dotted path of the field, never with a value of the message.
    """
    if value is not None and len(value) <= size_max_bytes:
        try:
            return _consent(value)
        except REFUSALS:
            pass  # no verdict yet: the careful reading decides, and says why
    return CONSENTS.read(value, size_max_bytes)


def kind_of(type_: str) -> Kind:
    """The kind of an event by its CloudEvents `type`.

    Raises:
        ContractError: `unknown_type`; never for an event that was decoded here.
    """
    kind = TYPES.get(type_)
    if kind is None:
        help_ = f"send one of {', '.join(sorted(TYPES))}"
        raise ContractError(DeadLetterCode.UNKNOWN_TYPE.value, "`type` is not known here", field="type", help=help_)
    return kind


def check_time_range(event_time_us: int, received_us: int) -> None:
    """Refuse an event from too long ago or from the future; both ends of the range still count.

    Args:
        event_time_us: when it happened, microseconds since the epoch.
        received_us: the Kafka record's timestamp, likewise.

    Raises:
        ContractError: `time_out_of_range`.
    """
    if not received_us - PAST_MAX_US <= event_time_us <= received_us + FUTURE_MAX_US:
        raise ContractError(
            DeadLetterCode.TIME_OUT_OF_RANGE.value,
            "`time` is more than 400 days before the message arrived, or more than 5 minutes after",
            field="time",
            help="set the service's clock, or bring old events in from a file",
        )


def check_calendar(consent: ConsentRecord) -> None:
    """Refuse a consent record that takes effect, or ends, in no year of this or the last century.

    Raises:
        ContractError: `time_out_of_range`; the field is `time` or `data.expires`.
    """
    for name, moment in (("time", consent.time), ("data.expires", consent.data.expires)):
        if moment is not None and not YEAR_MIN <= moment.year <= YEAR_MAX:
            raise ContractError(
                DeadLetterCode.TIME_OUT_OF_RANGE.value,
                f"`{name}` is before {YEAR_MIN} or after {YEAR_MAX}",
                field=name,
                help="leave `expires` out where a consent does not end, and check the clock of the consent tool",
            )


def _beyond_event(message: Mapping[str, Any]) -> Iterator[Problem]:
    """What an event of its kind needs beyond the model: a service as source, and the fields of the kind."""
    if not message["source"].startswith(SERVICE_SOURCE):
        yield Problem(DeadLetterCode.BAD_FIELD, "source", f"`{SERVICE_SOURCE}` and the id of the service")
    data = message.get("data")
    if isinstance(data, dict):
        # `missing_field` reads attributes: give it the raw message in the shape of the model, typed where it looks
        raw = SimpleNamespace(**dict.fromkeys(EventData.model_fields))
        raw.__dict__.update(data)
        raw.method = Method.RECEIVED if data.get("method") == Method.RECEIVED.value else data.get("method")
        name = missing_field(TYPES[message["type"]], cast("EventData", raw))
        if name is not None:
            yield Problem(DeadLetterCode.MISSING_FIELD, f"data.{name}", f"`data.{name}`, which this kind needs")


def _beyond_consent(_message: Mapping[str, Any]) -> Iterator[Problem]:
    """Consent records need nothing beyond the model."""
    return iter(())


EVENTS: Final = CloudEventReader(Event, frozenset(TYPES), _beyond_event)
"""The careful reading of events."""
CONSENTS: Final = CloudEventReader(ConsentRecord, frozenset({CONSENT_TYPE}), _beyond_consent)
"""The careful reading of consent records."""
