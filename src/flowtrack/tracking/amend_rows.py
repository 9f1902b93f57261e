"""Rows of the ledger judged anew: from a row back to its event, and from two answers to what stands in their place.

Rows are dictionaries by column (`rows.COLUMNS`), instants in the columns' own units.  Nothing here reads or writes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from flowtrack.domain.decision import Marker
from flowtrack.domain.event import SERVICE_SOURCE, Event
from flowtrack.domain.facts import Facts, Particulars, event_data
from flowtrack.domain.history import Entry, as_of, entry_of
from flowtrack.domain.instants import from_us, instant_us
from flowtrack.domain.names import Basis, Kind
from flowtrack.policy.decide import CategoryVerdict, Decider, EventVerdict
from flowtrack.policy.judge import Judged
from flowtrack.policy.situation import Situation, attributes
from flowtrack.tracking.records import Record
from flowtrack.tracking.rows import COLUMNS, FLOWS, JUDGEMENTS, Block
from flowtrack.wire.facts import decode_facts, decode_particulars

FlowRow = dict[str, Any]

_FACTS_MAX = 20_000
_TELLING = frozenset({Kind.COLLECT.value, Kind.SHARE.value, Kind.STORE.value})
"""Kinds that cannot do without a field that is kept among the facts: a row of theirs without facts is of before."""


class Knowledge(NamedTuple):
    """A marker with where it stands: what was learned, and when."""

    marker: Marker
    partition: int
    offset: int
    recorded_at_ms: int
    epoch: str

    @classmethod
    def of(cls, marker: Marker, record: Record, epoch: str) -> Knowledge:
        """The marker that a record holds; `epoch` is that of the broker it came from."""
        return cls(marker, record.partition, record.offset, record.timestamp_ms, epoch)

    @property
    def since_us(self) -> int:
        """Events that happened at or after this instant are touched."""
        return instant_us(self.marker.reaches_back_to)

    def history(self) -> tuple[Entry, ...]:
        """The subject's whole consent history, in the order of effect."""
        found = [entry_of(each.event_id, instant_us(each.valid_from), each.data) for each in self.marker.history]
        return tuple(sorted(found, key=lambda entry: entry[:4]))


def standing(rows: Iterable[FlowRow], offset: int, since_us: int) -> list[FlowRow]:
    """The rows that a marker touches: asserted before it, and not retracted by it or before it.

    Args:
        rows: all revisions of whatever happened since the marker reaches back.
        offset: of the marker.
        since_us: from when on events are touched.
    """
    asserted: dict[tuple[Any, ...], FlowRow] = {}
    retracted = set()
    for row in rows:
        if row["decision_offset"] > offset or row["happened_at"] < since_us:
            continue
        key = (row["source_partition"], row["source_offset"], row["category"], row["revision"])
        if row["sign"] < 0:
            retracted.add(key)
        elif row["sign"] > 0 and row["decision_offset"] < offset:
            asserted[key] = row
    return [row for key, row in asserted.items() if key not in retracted]


def by_event(rows: Iterable[FlowRow]) -> list[list[FlowRow]]:
    """Rows of the same event together."""
    events: dict[tuple[int, int], list[FlowRow]] = defaultdict(list)
    for row in rows:
        events[row["source_partition"], row["source_offset"]].append(row)
    return list(events.values())


def can_be_judged(row: FlowRow) -> bool:
    """Whether a row tells enough of its event.

    Those written before the ledger kept facts do not, nor does one without a category, which no rule judges.
    """
    if not row["category"]:
        return False
    if not row["facts"]:
        return row["kind"] not in _TELLING and row["basis"] == Basis.DEEMED_CONSENT
    return True


def judged_anew(
    rows: Sequence[FlowRow], decider: Decider, history: tuple[Entry, ...]
) -> tuple[EventVerdict, dict[str, CategoryVerdict]]:
    """The answer for an event by other rules or another history.

    Args:
        rows: of one event, one for each category.
        decider: the rules.
        history: the subject's consents.
    """
    first = rows[0]
    data = event_data(
        [row["category"] for row in rows],
        first["purpose"],
        first["recipient"],
        first["dataset"],
        _facts(first["facts"]),
        _particulars(first["particulars"]) if first["particulars"] else _NOTHING,
    )
    event = Event.model_construct(
        specversion="1.0",
        id=first["event_id"],
        source=f"{SERVICE_SOURCE}{first['service']}",
        type=f"flowtrack.{first['kind']}.v1",
        subject=first["subject"],
        time=from_us(first["happened_at"]),
        data=data,
    )
    verdict = decider.decide(Kind(first["kind"]), event, as_of(history, first["happened_at"]))
    return verdict, {each.category: each for each in verdict.categories}


def replaced(
    row: FlowRow, verdict: EventVerdict, found: CategoryVerdict, knowledge: Knowledge
) -> tuple[FlowRow, FlowRow] | None:
    """The retraction of a row and the assertion in its place; None where the answer is the same.

    The registry's label alone is no other answer: what the row says holds, and was found under the label it cites.
    """
    answer = {
        "verdict": str(found.judged.verdict),
        "pack": verdict.pack,
        "situation": int(found.judged.situation_id, 16),
        "consent": found.consent,
    }
    if all(row[name] == value for name, value in answer.items()):
        return None
    known = {
        # a broker's clock may step back: nothing is taken back before it was said
        "recorded_at": max(knowledge.recorded_at_ms, row["recorded_at"]),
        "decision_partition": knowledge.partition,
        "decision_offset": knowledge.offset,
    }
    retraction = {**row, **known, "sign": -1}
    assertion = {**row, **known, **answer, "sign": 1, "revision": row["revision"] + 1, "registry": verdict.registry}
    return retraction, assertion


def judgement_of(pack: str, judged: Judged, situation: Situation | None, recorded_at_ms: int) -> FlowRow:
    """What a pack says of a situation, with its definition where there is one, as a row of `judgements`."""
    return {
        "pack": pack,
        "situation": int(judged.situation_id, 16),
        "verdict": str(judged.verdict),
        "severity": judged.severity,
        "rules": list(judged.rules),
        "clauses": list(judged.clauses),
        "reasons": list(judged.reasons),
        "notes": list(judged.notes),
        "gaps": list(judged.gaps),
        "attributes": "" if situation is None else msgspec.json.encode(attributes(situation)).decode(),
        "recorded_at": recorded_at_ms,
    }


def block_of_rows(table: str, rows: Sequence[FlowRow]) -> Block:
    """Rows as a block of their table; there must be at least one."""
    return Block(table, {name: [row[name] for row in rows] for name in COLUMNS[table]})


def blocks_of(judgements: Sequence[FlowRow], flows: Sequence[FlowRow], rows_max: int) -> list[Block]:
    """The blocks to insert, judgements first; the two rows of a replacement are never in different blocks.

    Args:
        judgements: rows of `judgements`.
        flows: rows of `flows`, in pairs.
        rows_max: of one block; even.
    """
    blocks = [block_of_rows(JUDGEMENTS, judgements)] if judgements else []
    months: dict[tuple[int, int], list[FlowRow]] = defaultdict(list)
    for row in flows:
        moment = from_us(row["recorded_at"] * 1_000)
        months[moment.year, moment.month].append(row)
    for rows in months.values():
        blocks += [block_of_rows(FLOWS, rows[start : start + rows_max]) for start in range(0, len(rows), rows_max)]
    return blocks


@lru_cache(maxsize=_FACTS_MAX)
def _facts(text: str) -> Facts:
    return decode_facts(text.encode()) if text else Facts()


def _particulars(text: str) -> Particulars:
    return decode_particulars(text.encode())


_NOTHING = Particulars()
