"""The ledger's side of reconciliation: which offsets it holds, exactly, from bitmaps instead of rows.

The projection `offsets` of flows keeps, for each 65,536 offsets of a source partition, which of them have a decision,
and a mark for each row by category and revision.  So holes are read from bitmaps, and rows that stand twice show where
there are more rows than marks; only there rows are read.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import groupby
from typing import Any, Final

from flowtrack.adapters.clickhouse.store import Store
from flowtrack.audit.answers import BooksAnswer, CompleteUpTo, PartitionBooks, Range, ranges, runs_of
from flowtrack.audit.questions import Books
from flowtrack.tracking.records import Topic

Place = tuple[str, int]
"""Epoch and source partition."""

_BUCKET_OFFSETS = 65_536
_EXAMINED_TOGETHER = 64
"""So many buckets are looked into row by row at once: some four million offsets."""

_JUDGED: Final = """
SELECT epoch, source_partition, bucket, 0 AS dead, sum(its_rows) AS some_rows,
       sum(bitmapCardinality(its_marks)) AS some_marks, groupBitmapMergeState(its_offsets) AS offsets
FROM
(
    SELECT epoch, source_partition, intDiv(source_offset, 65536) AS bucket, sign, count() AS its_rows,
           groupBitmapState(toUInt32(bitAnd(source_offset, 65535))) AS its_offsets,
           groupBitmapState(toUInt32(bitAnd(source_offset, 65535)
                                     + bitShiftLeft(bitAnd(cityHash64(category, revision), 65535), 16))) AS its_marks
    FROM flows GROUP BY epoch, source_partition, bucket, sign
)
GROUP BY epoch, source_partition, bucket"""
_DEAD: Final = """
SELECT epoch, source_partition, intDiv(source_offset, 65536) AS bucket, 1 AS dead, 0 AS some_rows, 0 AS some_marks,
       groupBitmapState(toUInt32(bitAnd(source_offset, 65535))) AS offsets
FROM dead_letters WHERE topic = {topic:String} GROUP BY epoch, source_partition, bucket"""
# What was erased stood here once: its offsets are kept, without anybody in them.
_ERASED: Final = """
SELECT epoch, source_partition, intDiv(source_offset, 65536) AS bucket, 0 AS dead, 0 AS some_rows, 0 AS some_marks,
       groupBitmapState(toUInt32(bitAnd(source_offset, 65535))) AS offsets
FROM erased_offsets WHERE ledger = 'flows' GROUP BY epoch, source_partition, bucket"""
_BUCKETS: Final = f"""
SELECT epoch, source_partition, bucket, sum(some_rows) AS all_rows, sum(some_marks) AS marks,
       groupBitmapMergeIf(offsets, dead = 0) AS judged, groupBitmapMergeIf(offsets, dead = 1) AS dead_letters,
       groupBitmapMergeState(offsets) AS present, bitmapCardinality(present) AS here,
       bitmapMin(present) AS first, bitmapMax(present) AS last,
       if(here = last - first + 1, [], bitmapToArray(present)) AS holed,
       bitmapToArray(bitmapAnd(groupBitmapMergeStateIf(offsets, dead = 0),
                               groupBitmapMergeStateIf(offsets, dead = 1))) AS both
FROM ({_JUDGED} UNION ALL {_DEAD} UNION ALL {_ERASED})
GROUP BY epoch, source_partition, bucket ORDER BY epoch, source_partition, bucket"""  # noqa: S608 - fixed texts
_COLUMNS = "epoch, source_partition, bucket, all_rows, marks, judged, dead_letters, here, first, last, holed, both"

_REPEATED: Final = """
SELECT epoch, source_partition, groupUniqArray(source_offset), sum(stand - 1) FROM
(
    SELECT epoch, source_partition, source_offset, count() AS stand FROM flows
    WHERE (epoch, source_partition, intDiv(source_offset, 65536)) IN
    (
        SELECT each.1, each.2, each.3
        FROM (SELECT arrayJoin(arrayZip({epochs:Array(String)}, {partitions:Array(UInt16)}, {buckets:Array(UInt64)}))
              AS each)
    )
    GROUP BY epoch, source_partition, source_offset, category, revision, sign HAVING stand > 1
)
GROUP BY epoch, source_partition"""
_FLOWS_TOTAL: Final = "SELECT sum(sign) FROM flows"


def books(store: Store, question: Books, completeness: CompleteUpTo) -> BooksAnswer:
    """Count offsets by source partition; find the holes between them, and what stands more than once."""
    buckets = store.named(f"SELECT {_COLUMNS} FROM ({_BUCKETS})", topic=str(Topic.EVENTS))  # noqa: S608 - fixed texts
    repeated = _repeated(store, [row for row in buckets if row["all_rows"] > row["marks"]])
    return BooksAnswer(
        partitions=[
            _partition(place, list(group), repeated.get(place, (0, [])), question.holes_max)
            for place, group in groupby(buckets, key=lambda row: (row["epoch"], row["source_partition"]))
        ],
        flows=store.rows(_FLOWS_TOTAL)[0][0],
        completeness=completeness,
    )


def _repeated(store: Store, suspects: list[dict[str, Any]]) -> dict[Place, tuple[int, list[int]]]:
    """Rows that stand more than once, and at which offsets; buckets without suspicion have none."""
    rows: dict[Place, int] = defaultdict(int)
    offsets: dict[Place, list[int]] = defaultdict(list)
    for start in range(0, len(suspects), _EXAMINED_TOGETHER):
        part = suspects[start : start + _EXAMINED_TOGETHER]
        found = store.rows(
            _REPEATED,
            epochs=[row["epoch"] for row in part],
            partitions=[row["source_partition"] for row in part],
            buckets=[row["bucket"] for row in part],
        )
        for epoch, partition, at, more in found:
            rows[epoch, partition] += more
            offsets[epoch, partition] += at
    return {place: (rows[place], sorted(offsets[place])) for place in rows}


def _partition(
    place: Place, buckets: list[dict[str, Any]], repeated: tuple[int, list[int]], limit: int
) -> PartitionBooks:
    judged, dead = sum(row["judged"] for row in buckets), sum(row["dead_letters"] for row in buckets)
    distinct = sum(row["here"] for row in buckets)
    first = _base(buckets[0]) + buckets[0]["first"]
    last = _base(buckets[-1]) + buckets[-1]["last"]
    return PartitionBooks(
        epoch=place[0],
        partition=place[1],
        judged=judged,
        dead=dead,
        both=judged + dead - distinct,
        both_at=ranges((_base(row) + each for row in buckets for each in row["both"]), limit),
        first=first,
        last=last,
        repeated_rows=repeated[0],
        repeated_at=ranges(repeated[1], limit),
        missing=last - first + 1 - distinct,
        holes=_holes(buckets, limit),
    )


def _base(row: dict[str, Any]) -> int:
    return int(row["bucket"]) * _BUCKET_OFFSETS


def _holes(buckets: list[dict[str, Any]], limit: int) -> list[Range]:
    """The first holes: those between buckets, and those inside buckets that are not full."""
    holes: list[Range] = []
    expected = _base(buckets[0]) + buckets[0]["first"]
    for row in buckets:
        if len(holes) >= limit:
            break
        base = _base(row)
        runs = runs_of(row["holed"]) if row["holed"] else [(row["first"], row["last"])]
        for start, end in runs:
            if base + start > expected:
                holes.append(Range(first=expected, last=base + start - 1))
            expected = base + end + 1
    return holes[:limit]
