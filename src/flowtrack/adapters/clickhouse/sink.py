"""The store of the sink (`tracking.ledger.LedgerStore`) on ClickHouse."""

from __future__ import annotations

from flowtrack.adapters.clickhouse.store import Store
from flowtrack.errors import StoreError
from flowtrack.tracking.ledger import Held, Situation
from flowtrack.tracking.offsets import WINDOW_OFFSETS, Offsets
from flowtrack.tracking.rows import CONSENTS, FLOWS, Block

# What is gone by erasure or retention counts as held: delivered again, it stays out.
_HIGH = {
    table: f"""
SELECT epoch, source_partition, max(high) FROM
(
    SELECT epoch, source_partition, max(source_offset) AS high FROM {table} GROUP BY epoch, source_partition
    UNION ALL
    SELECT epoch, source_partition, max(source_offset) FROM erased_offsets WHERE ledger = '{table}'
    GROUP BY epoch, source_partition
)
GROUP BY epoch, source_partition"""  # noqa: S608 - a table of ours, no value
    for table in (FLOWS, CONSENTS)
}
# Gaps between the offsets of one source partition: where an offset does not follow the one before it.
_GAPS = {
    table: f"""
SELECT before + 1, source_offset - 1 FROM
(
    SELECT source_offset, lagInFrame(toInt64(source_offset), 1, toInt64({{floor:Int64}}) - 1)
        OVER (ORDER BY source_offset ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS before
    FROM
    (
        SELECT source_offset FROM {table}
        WHERE epoch = {{epoch:String}} AND source_partition = {{partition:UInt16}} AND source_offset >= {{floor:Int64}}
        UNION DISTINCT
        SELECT source_offset FROM erased_offsets WHERE ledger = '{table}'
          AND epoch = {{epoch:String}} AND source_partition = {{partition:UInt16}} AND source_offset >= {{floor:Int64}}
    )
)
WHERE source_offset > before + 1 ORDER BY source_offset"""  # noqa: S608 - a table of ours, no value
    for table in (FLOWS, CONSENTS)
}


class SinkStore:
    """What the sink writes to and reads back.

    Args:
        store: open, with its migrations applied; used by the sink's thread only.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def held(self, table: str) -> Held:
        """Give the source offsets that `flows` or `consents` holds; gaps in the last million offsets only."""
        if table not in _HIGH:
            raise StoreError(f"`{table}` has no source offsets", where="ledger", help="ask for flows or consents")
        held: Held = {}
        for epoch, partition, high in self._store.rows(_HIGH[table]):
            floor = max(0, high - WINDOW_OFFSETS)
            gaps = self._store.rows(_GAPS[table], epoch=epoch, partition=partition, floor=floor)
            held[epoch, partition] = Offsets(high, gaps)
        return held

    def situations(self) -> dict[Situation, bool]:
        """Give the situations that have a judgement, and whether with their definition."""
        found = self._store.rows("SELECT pack, situation, max(defined) FROM judgements GROUP BY pack, situation")
        return {(pack, number): bool(defined) for pack, number, defined in found}

    def insert(self, block: Block, token: str) -> None:
        """Insert a block, wholly or not at all; again under the same token adds nothing."""
        self._store.insert(block.table, block.columns, token)
