"""The store of the sink (`tracking.ledger.LedgerStore`) on ClickHouse."""

from __future__ import annotations

from collections.abc import Sequence

from flowtrack.adapters.clickhouse.handing import columns_of
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.errors import StoreError, StoreInDoubtError, StoreUnavailableError
from flowtrack.tracking.draft import Situation, flow_block
from flowtrack.tracking.ledger import Held, Share
from flowtrack.tracking.months import Month
from flowtrack.tracking.offsets import Offsets
from flowtrack.tracking.parting import Parted, read_decision
from flowtrack.tracking.repeats import Event, Sighting
from flowtrack.tracking.rows import CONSENTS, FLOWS, Block

_SIGHTINGS_AT_ONCE = 2_000
# By instants first: parts know their earliest and latest `recorded_at`, so that only the latest parts are read.
_HELD = {
    table: f"""
SELECT epoch, source_partition, groupUniqArray(source_offset) FROM {table}
WHERE decision_partition = {{partition:UInt16}} AND recorded_at >= fromUnixTimestamp64Milli({{since_ms:Int64}}, 'UTC')
GROUP BY epoch, source_partition"""  # noqa: S608 - a table of ours, no value
    for table in (FLOWS, CONSENTS)
}
# What is gone by erasure or retention counts as held: delivered again, it stays out. Only what follows the lowest that
# is held is asked for, since retention may have let go of hundreds of millions below it.
_ERASED = """
SELECT groupUniqArray(source_offset) FROM erased_offsets
WHERE ledger = {ledger:String} AND epoch = {epoch:String} AND source_partition = {place:UInt16}
  AND source_offset > {lowest:UInt64} AND decision_partition = {partition:UInt16}"""
_PRESENT = {
    table: f"""
SELECT DISTINCT toYYYYMM(recorded_at) FROM {table}
WHERE decision_partition = {{partition:UInt16}}
  AND decision_offset >= {{start:UInt64}} AND decision_offset < {{end:UInt64}}
  AND recorded_at >= fromUnixTimestamp64Milli({{since_ms:Int64}}, 'UTC')
  AND recorded_at <= fromUnixTimestamp64Milli({{until_ms:Int64}}, 'UTC')
UNION DISTINCT
SELECT toYYYYMM(fromUnixTimestamp64Milli(arrayJoin([{{since_ms:Int64}}, {{until_ms:Int64}}]), 'UTC'))
FROM erased_offsets
WHERE ledger = '{table}' AND decision_partition = {{partition:UInt16}}
  AND decision_offset >= {{start:UInt64}} AND decision_offset < {{end:UInt64}}"""  # noqa: S608 - a table of ours, no value
    for table in (FLOWS, CONSENTS)
}
_SIGHTINGS = """
SELECT lower(hex(subject)), service, event_id, toUnixTimestamp64Milli(recorded_at), decision_partition, decision_offset
FROM flows
WHERE subject IN (SELECT arrayJoin({subjects:Array(UUID)})) AND event_id IN (SELECT arrayJoin({ids:Array(String)}))
  AND sign > 0"""


class SinkStore:
    """What the sink writes to and reads back.

    Args:
        store: open, with its migrations applied; used by the sink's thread only.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def held(self, table: str, partition: int, since_ms: int) -> Held:
        """Give the source offsets of what was recorded of a partition of decisions since an instant."""
        found = self._store.rows(_HELD[table], partition=partition, since_ms=since_ms)
        held = {(epoch, place): list(offsets) for epoch, place, offsets in found}
        for (epoch, place), known in held.items():
            where = {"ledger": table, "epoch": epoch, "place": place, "lowest": min(known)}
            known.extend(self._store.rows(_ERASED, partition=partition, **where)[0][0])
        return {place: Offsets.of(offsets) for place, offsets in held.items()}

    def present(self, table: str, share: Share) -> set[Month]:
        """Give the months in which a table has any row of a share."""
        return {month for (month,) in self._store.rows(_PRESENT[table], **share._asdict())}

    def situations(self) -> dict[Situation, bool]:
        """Give the situations that have a judgement, and whether with their definition."""
        found = self._store.rows("SELECT pack, situation, max(defined) FROM judgements GROUP BY pack, situation")
        return {(pack, number): bool(defined) for pack, number, defined in found}

    def sightings(self, events: Sequence[Event]) -> list[Sighting]:
        """Give where the ledger has any of these events, those that count only."""
        found: list[Sighting] = []
        for start in range(0, len(events), _SIGHTINGS_AT_ONCE):
            asked = events[start : start + _SIGHTINGS_AT_ONCE]
            subjects, ids = sorted({event[0] for event in asked}), sorted({event[2] for event in asked})
            rows = self._store.rows(_SIGHTINGS, subjects=subjects, ids=ids)
            found += [Sighting((subject, service, id_), *place) for subject, service, id_, *place in rows]
        return found

    def insert(self, block: Block, token: str, deadline_ms: int = 0) -> None:
        """Insert a block, wholly or not at all; again under the same token adds nothing."""
        self._store.insert(block.table, block.columns, token, deadline_ms)

    def insert_decisions(
        self, decisions: Sequence[Parted], repeats: frozenset[tuple[int, int]], token: str, deadline_ms: int
    ) -> None:
        """Insert the rows of decisions of one month as one block.

        Where the engine does not take them, they are read whole: that finds the one at fault, or shows that the
        fault is not theirs.
        """
        try:
            self._store.hand_on(columns_of(decisions, repeats), token, deadline_ms)
        except StoreError as error:
            records = [each.record for each in decisions]
            for record in records:
                read_decision(record)
            if isinstance(error, StoreUnavailableError | StoreInDoubtError):
                raise
            self.insert(flow_block(records, repeats), token, deadline_ms)
