"""A batch as it will stand in the ledger: decisions as they came, the rest as rows.

Decisions are most of what comes: they are taken apart (`tracking.parting`), and the store makes columns of their parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from flowtrack.domain.decision import CategoryDecision, ConsentCopy, Marker, SituationDefinition
from flowtrack.errors import ContractError
from flowtrack.tracking import rows
from flowtrack.tracking.months import Month, by_month
from flowtrack.tracking.parting import Common, Parted, Parting, placed, read_decision
from flowtrack.tracking.records import Record, Topic, where_of
from flowtrack.tracking.rows import Block, Row, block_of
from flowtrack.wire.decisions import Tracked, decode_alert, decode_dead_letter, decode_tracked

T = TypeVar("T")
Situation = tuple[str, int]
"""Pack and number."""

_DECISION = b'{"type":"decision",'
"""How every decision begins (`wire.encode`); one that does not is read with care."""
_DOCUMENT_KINDS: Mapping[str, str] = {Topic.POLICIES: "policy", Topic.REGISTRY: "registry"}
_HARMLESS = (rows.DOCUMENTS, rows.DEAD_LETTERS, rows.ALERTS)


class Planned(NamedTuple):
    """A block of a table, of one month of recording."""

    month: Month
    block: Block


class Draft:
    """What a batch's records become.

    Args:
        situations: those that have a judgement, and whether with their definition; not changed.
        parting: takes decisions apart.
    """

    def __init__(self, situations: Mapping[Situation, bool], parting: Parting) -> None:
        self._part = parting.part
        self.decisions: list[Parted] = []
        """In order."""
        self.markers: list[tuple[Marker, Record]] = []
        """In order."""
        self.situations = dict(situations)
        """With those of this batch."""
        self._copies: list[tuple[ConsentCopy, Record]] = []
        self._rows: dict[str, list[Row]] = {table: [] for table in rows.COLUMNS}

    def add(self, record: Record) -> None:
        """Take a record in.

        Raises:
            ContractError: it is not what its topic holds.
        """
        topic, value = record.topic, record.value
        if topic == Topic.DECISIONS and value is not None:
            if value.startswith(_DECISION):
                self.decisions.append(self._part(record))
            else:
                self._tracked(decoded(decode_tracked, record), record)
            return
        kind = _DOCUMENT_KINDS.get(topic)
        if kind is not None:
            self._rows[rows.DOCUMENTS].append(rows.document_row(kind, record))
        elif value is None:
            return  # a tombstone of a compacted topic: the ledger keeps what was
        elif topic == Topic.DEADLETTERS:
            self._rows[rows.DEAD_LETTERS].append(rows.dead_letter_row(decoded(decode_dead_letter, record), record))
        elif topic == Topic.ALERTS:
            self._rows[rows.ALERTS].append(rows.alert_row(decoded(decode_alert, record), record))
        else:
            raise ContractError("unknown_type", f"the sink does not read `{topic}`", where=where_of(record))

    def judge_the_unknown(self) -> None:
        """See that each decision's situation has a judgement: with several sinks it may come before its definition."""
        met: set[Common] = set()
        for each in self.decisions:
            if each.common not in met:
                met.add(each.common)
                for part in each.common.categories:
                    self._situation(each.common.pack, part, each.record, defined=False)

    def consents(self) -> list[Planned]:
        """The consent records, a block a month."""
        at = rows.COLUMNS[rows.CONSENTS].index("recorded_at")
        found = [rows.consent_row(copy, record) for copy, record in self._copies]
        return [
            Planned(month, block_of(rows.CONSENTS, part)) for month, part in by_month(found, lambda row: int(row[at]))
        ]

    def harmless(self) -> list[Block]:
        """What may be written again without harm: the same key is the same fact."""
        found = [block_of(table, self._rows[table]) for table in _HARMLESS if self._rows[table]]
        judgements = self._rows[rows.JUDGEMENTS]
        return [*found, block_of(rows.JUDGEMENTS, judgements)] if judgements else found

    def keep_consents(self, keep: Callable[[Record, tuple[str, int], int], bool]) -> None:
        """Leave out consent records by the record that brings them, their source's epoch and partition, and offset."""
        self._copies = [
            (copy, record) for copy, record in self._copies if keep(record, (copy.epoch, copy.partition), copy.offset)
        ]

    def _tracked(self, item: Tracked, record: Record) -> None:
        if item.type == "decision":
            self.decisions.append(self._part(record))
        elif item.type == "situation":
            self._situation(item.pack, item, record, defined=True)
        elif item.type == "consent":
            self._copies.append((item, record))
        else:
            self.markers.append((item, record))

    def _situation(
        self, pack: str, source: CategoryDecision | SituationDefinition, record: Record, *, defined: bool
    ) -> None:
        key = (pack, int(source.situation, 16))
        if self.situations.get(key, False) or (not defined and key in self.situations):
            return
        self.situations[key] = defined
        self._rows[rows.JUDGEMENTS].append(rows.judgement_row(pack, source, record.timestamp_ms))


def decoded(decode: Callable[[bytes], T], record: Record) -> T:
    """Read a record.

    Raises:
        ContractError: it is not what it should be; says where it stood.
    """
    try:
        return decode(record.value or b"")
    except ContractError as error:
        raise placed(error, record) from error


def flow_block(decisions: Sequence[Record], repeats: Iterable[tuple[int, int]]) -> Block:
    """Decisions as rows, one by one: for a ledger in memory, and to find what the store cannot take apart.

    Raises:
        ContractError: one is no decision.
    """
    repeated = frozenset(repeats)
    found: list[Row] = []
    for record in decisions:
        sign = 0 if (record.partition, record.offset) in repeated else 1
        found += rows.flow_rows(read_decision(record), record, sign)
    return block_of(rows.FLOWS, found)
