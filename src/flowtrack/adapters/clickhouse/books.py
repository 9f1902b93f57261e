"""The ledger's side of reconciliation: which offsets it holds, counted exactly and in bounded memory."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from flowtrack.adapters.clickhouse import statements as sql
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.audit.answers import BooksAnswer, CompleteUpTo, PartitionBooks, Range
from flowtrack.audit.questions import Books
from flowtrack.tracking.records import Topic

_TOPIC = str(Topic.EVENTS)


def books(store: Store, question: Books, completeness: CompleteUpTo) -> BooksAnswer:
    """Count offsets by source partition, find the holes between them, and the rows that stand more than once."""
    buckets = store.named(sql.BUCKETS, topic=_TOPIC)
    repeated = {(epoch, partition): rows for epoch, partition, rows in store.rows(sql.REPEATED)}
    return BooksAnswer(
        partitions=[
            _partition(store, place, list(group), repeated.get(place, 0), question.holes_max)
            for place, group in groupby(buckets, key=lambda row: (row["epoch"], row["source_partition"]))
        ],
        flows=store.rows(sql.FLOWS_TOTAL)[0][0],
        completeness=completeness,
    )


def _partition(
    store: Store, place: tuple[str, int], buckets: list[dict[str, Any]], repeated_rows: int, holes_max: int
) -> PartitionBooks:
    judged, dead = sum(row["judged"] for row in buckets), sum(row["dead_letters"] for row in buckets)
    distinct = sum(row["distinct"] for row in buckets)
    first, last = buckets[0]["first"], buckets[-1]["last"]
    return PartitionBooks(
        epoch=place[0],
        partition=place[1],
        judged=judged,
        dead=dead,
        both=judged + dead - distinct,
        first=first,
        last=last,
        repeated_rows=repeated_rows,
        missing=last - first + 1 - distinct,
        holes=_holes(store, place, buckets, holes_max),
    )


def _holes(store: Store, place: tuple[str, int], buckets: list[dict[str, Any]], limit: int) -> list[Range]:
    """The first holes: those between buckets, and those inside buckets that are not full."""
    holes: list[Range] = []
    expected = buckets[0]["first"]
    for row in buckets:
        if len(holes) >= limit:
            break
        if row["first"] > expected:
            holes.append(Range(first=expected, last=row["first"] - 1))
        if row["distinct"] != row["last"] - row["first"] + 1:
            inside = store.rows(
                sql.HOLES, topic=_TOPIC, epoch=place[0], partition=place[1], bucket=row["bucket"], limit=limit
            )
            holes += [Range(first=start, last=end) for start, end in inside]
        expected = row["last"] + 1
    return holes[:limit]
