"""Decisions taken apart: what is one event's own, and what recurs with every event of the same data and verdict.

The checker writes a decision in that order (`tracking.wording`), so the two are told apart by looking for where one
ends; what recurs is read once and known by its bytes from then on.  Of a thousand bytes a decision some seven hundred
recur, and of ten decisions nine at least: reading them again was most of what a sink did.

Consent records may be a subject's alone, and then such a text does not recur; it does without their ids.  So a text
that was not met before is looked for once more, the ids of its consent records cut out.

Nothing is taken on trust.  The own part must be a JSON object of exactly its fields; so must the particulars, where
there are any; and what recurs was read strictly within the decision that it was first met in.  Three such parts put
together can only be the decision that they were cut from.  A decision that is written in any other way is read whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Annotated, Final

import msgspec

from flowtrack.domain.decision import CategoryDecision, Decision
from flowtrack.domain.facts import Particulars
from flowtrack.errors import ContractError
from flowtrack.tracking.records import Record, where_of
from flowtrack.tracking.rows import COLUMNS, FLOWS, Row, flow_rows
from flowtrack.wire.decisions import decode_tracked, reader_of

OWN_ENDS: Final = b',"source":'
"""What follows a decision's own part; inside of a JSON text the quotes would be escaped."""
PARTICULARS: Final = b',"particulars":{'
"""What follows what recurs, where an event has particulars."""
COMMONS_MAX = 16_384
"""Texts that recur and are remembered before all are forgotten: some 30 MB."""
RECURRING: Final = (
    "category",
    "revision",
    "service",
    "kind",
    "purpose",
    "basis",
    "recipient",
    "dataset",
    "location",
    "verdict",
    "pack",
    "registry",
    "situation",
    "consent",
    "facts",
)
"""The columns of `flows` that what recurs decides, in the order of `Common.rows`."""

_CONSENT = re.compile(rb'"consent":"([^"\\\x00-\x1f]*)"')
"""The id of a category's consent record, where nothing in it is escaped."""
_consent_at = RECURRING.index("consent")
_AWARE = Annotated[datetime, msgspec.Meta(tz=True)]
_recurring = itemgetter(*(COLUMNS[FLOWS].index(name) for name in RECURRING))
_particulars_at = COLUMNS[FLOWS].index("particulars")


class Own(msgspec.Struct, tag_field="type", tag="decision", forbid_unknown_fields=True, gc=False):
    """The fields of a decision that are the event's own; as in `Decision`."""

    event_id: str
    subject: Annotated[str, msgspec.Meta(min_length=32, max_length=32)]
    """The store refuses what are no hex digits."""
    happened_at: _AWARE
    received_at: _AWARE
    epoch: str
    partition: Annotated[int, msgspec.Meta(ge=0, le=65_535)]
    offset: Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]
    suspect: bool
    correlationid: str


class Common:
    """What recurs of decisions, read.

    Args:
        rows: of each category, the columns `RECURRING`.
        service: that published the events.
        pack: that judged.
        categories: with their judgements; of consent records only the rows know.
    """

    __slots__ = ("categories", "pack", "rows", "service")

    def __init__(self, rows: tuple[Row, ...], service: str, pack: str, categories: Sequence[CategoryDecision]) -> None:
        self.rows = rows
        self.service = service
        self.pack = pack
        self.categories = categories


class Parted(msgspec.Struct, gc=False):
    """A decision in its parts.

    Args:
        record: as it came.
        own: what is the event's own.
        common: what recurs; the same object where the same bytes recur.
        particulars: JSON, or empty.
    """

    record: Record
    own: Own
    common: Common
    particulars: str

    @property
    def place(self) -> tuple[int, int]:
        """Partition and offset of the decision."""
        return (self.record.partition, self.record.offset)


_own = msgspec.json.Decoder(Own).decode
_check_particulars = reader_of(Particulars)


class Parting:
    """Takes decisions apart, and remembers what recurs; for one thread."""

    def __init__(self) -> None:
        self._commons: dict[bytes, Common] = {}
        self._outlines: dict[bytes, Common] = {}
        """The same by their texts without the consent records' ids."""

    def part(self, record: Record) -> Parted:
        """Take a decision apart.

        Raises:
            ContractError: it is none; says where it stood.
        """
        value = record.value or b""
        middle = value.find(OWN_ENDS)
        end = value.find(PARTICULARS, middle)
        try:
            own = _own(value[:middle] + b"}")
            if end < 0:
                common = self._commons.get(value[middle:])
                particulars = ""
            else:
                common = self._commons.get(value[middle:end])
                tail = value[end + len(PARTICULARS) - 1 : -1]
                _check_particulars(tail)
                particulars = "" if tail == b"{}" else tail.decode()
        except (msgspec.MsgspecError, ContractError):
            return self._whole(record)
        if common is None:
            return self._first(record, own, value[middle:] if end < 0 else value[middle:end], particulars)
        return Parted(record, own, common, particulars)

    def _first(self, record: Record, own: Own, text: bytes, particulars: str) -> Parted:
        """Read what recurs in the decision that it is met in first."""
        pieces = _CONSENT.split(text)
        outline = b'"consent":""'.join(pieces[::2])
        common = _with_consents(self._outlines.get(outline), pieces[1::2])
        if common is None:
            whole = self._whole(record)
            if (whole.own, whole.particulars) != (own, particulars):
                return whole
            common = _remember(self._outlines, outline, whole.common)
        return Parted(record, own, _remember(self._commons, text, common), particulars)

    @staticmethod
    def _whole(record: Record) -> Parted:
        """Read a decision whole; what it has in common with others is not looked for."""
        item = read_decision(record)
        rows = flow_rows(item, record)
        common = Common(tuple(map(_recurring, rows)), item.service, item.pack, item.categories)
        own = Own(
            item.event_id,
            item.subject,
            item.happened_at,
            item.received_at,
            item.epoch,
            item.partition,
            item.offset,
            item.suspect,
            item.correlationid,
        )
        return Parted(record, own, common, rows[0][_particulars_at])


def _remember(known: dict[bytes, Common], text: bytes, common: Common) -> Common:
    if len(known) >= COMMONS_MAX:
        known.clear()
    known[text] = common
    return common


def _with_consents(common: Common | None, ids: Sequence[bytes]) -> Common | None:
    """The same with other consent records, one for each category; None where it cannot be told whose they are."""
    if common is None or not len(ids) == len(common.rows) == len(common.categories):
        return None
    try:
        names = [each.decode() for each in ids]
    except UnicodeDecodeError:
        return None
    rows = tuple(
        (*row[:_consent_at], name, *row[_consent_at + 1 :]) for row, name in zip(common.rows, names, strict=True)
    )
    return Common(rows, common.service, common.pack, common.categories)


def read_decision(record: Record) -> Decision:
    """Read a decision whole, and strictly.

    Raises:
        ContractError: it is none; says where it stood.
    """
    try:
        item = decode_tracked(record.value or b"")
    except ContractError as error:
        raise placed(error, record) from error
    if item.type != "decision":
        raise ContractError("unknown_type", "the record is no decision", where=where_of(record))
    return item


def placed(error: ContractError, record: Record) -> ContractError:
    """The same error with where the record stood, and what to do about it."""
    return ContractError(
        error.code,
        error.what,
        field=error.field,
        where=where_of(record),
        help="whoever wrote it is of another version than this sink: run the same",
    )


def parted(records: Iterable[Record]) -> list[Parted]:
    """Take decisions apart that are all there are.

    Raises:
        ContractError: as `Parting.part`.
    """
    parting = Parting()
    return [parting.part(record) for record in records]
