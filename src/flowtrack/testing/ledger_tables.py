"""The tables of a ledger in memory, as the sink writes them and reads them back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from flowtrack.errors import StoreError
from flowtrack.tracking import rows as tables
from flowtrack.tracking.draft import Situation, flow_block
from flowtrack.tracking.ledger import Held, Share
from flowtrack.tracking.months import Month, by_month
from flowtrack.tracking.offsets import Offsets
from flowtrack.tracking.parting import Parted
from flowtrack.tracking.repeats import Event, Sighting
from flowtrack.tracking.rows import Block

Row = dict[str, Any]


class MemoryTables:
    """What the sink writes to (`tracking.ledger.LedgerStore`).

    Args:
        clock: gives the instant of an insert, which has a deadline.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.tables: dict[str, list[Row]] = {table: [] for table in tables.COLUMNS}
        self._clock = clock
        self._tokens: set[tuple[str, str]] = set()

    def held(self, table: str, partition: int, since_ms: int) -> Held:
        """Give the source offsets of what was recorded of a partition of decisions since an instant."""
        offsets: dict[tuple[str, int], set[int]] = defaultdict(set)
        for row in self.tables[table]:
            if row["decision_partition"] == partition and row["recorded_at"] >= since_ms:
                offsets[row["epoch"], row["source_partition"]].add(row["source_offset"])
        return {place: Offsets.of(have) for place, have in offsets.items()}

    def present(self, table: str, share: Share) -> set[Month]:
        """Give the months in which a table has any row of a share."""
        found = [
            row
            for row in self.tables[table]
            if row["decision_partition"] == share.partition
            and share.start <= row["decision_offset"] < share.end
            and share.since_ms <= row["recorded_at"] <= share.until_ms
        ]
        return {month for month, _ in by_month(found, lambda row: int(row["recorded_at"]))}

    def sightings(self, events: Sequence[Event]) -> list[Sighting]:
        """Give where the ledger has any of these events, those that count only."""
        asked = set(events)
        return [
            Sighting(event, row["recorded_at"], row["decision_partition"], row["decision_offset"])
            for row in self.tables[tables.FLOWS]
            if row["sign"] > 0 and (event := (row["subject"], row["service"], row["event_id"])) in asked
        ]

    def situations(self) -> dict[Situation, bool]:
        """Give the situations that have a judgement, and whether with their definition."""
        return {key: bool(row["attributes"]) for key, row in self._judgements().items()}

    def insert(self, block: Block, token: str, deadline_ms: int = 0) -> None:
        """Insert a block; again under the same token adds nothing, and neither does what comes after its deadline.

        Raises:
            StoreError: the deadline has passed.
        """
        if deadline_ms and self._clock().timestamp() * 1000 >= deadline_ms:
            raise StoreError("the insert came too late", where=block.table, help="say anew what is to be written")
        if token and (block.table, token) in self._tokens:
            return
        self._tokens.add((block.table, token))
        names = list(block.columns)
        added = zip(*block.columns.values(), strict=True)
        self.tables[block.table] += [dict(zip(names, values, strict=True)) for values in added]

    def insert_decisions(
        self, decisions: Sequence[Parted], repeats: frozenset[tuple[int, int]], token: str, deadline_ms: int
    ) -> None:
        """Insert the rows of decisions of one month as one block."""
        self.insert(flow_block([each.record for each in decisions], repeats), token, deadline_ms)

    def _judgements(self) -> dict[Situation, Row]:
        found: dict[Situation, Row] = {}
        for row in sorted(self.tables[tables.JUDGEMENTS], key=lambda r: bool(r["attributes"])):
            found[row["pack"], row["situation"]] = row
        return found
