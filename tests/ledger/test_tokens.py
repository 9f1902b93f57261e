"""What the exactness of the sink rests on: which inserts the engine takes for the same."""

from __future__ import annotations

import time

import pytest

from flowtrack.adapters.clickhouse.handing import columns_of
from flowtrack.adapters.clickhouse.sink import SinkStore
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.errors import ContractError, StoreError
from flowtrack.tracking.draft import flow_block
from flowtrack.tracking.ledger import Share
from flowtrack.tracking.parting import parted
from flowtrack.tracking.records import Record
from flowtrack.tracking.rows import FLOWS
from tests.ledger.day import START_MS, category, decision, record

MANY = [
    record(decision(n, category("provided.email", consent="r" * (n % 90)), category("automatic.ip")), n, at_ms=START_MS)
    for n in range(20_000)
]
"""More than the engine reads as one block of its own accord, and more bytes than its client sends as one."""
FEW = MANY[:3]
NONE: frozenset[tuple[int, int]] = frozenset()


def put(store: Store, way: str, decisions: list[Record], token: str) -> None:
    """Insert decisions, taken apart by the engine or row by row."""
    if way == "bytes":
        store.hand_on(columns_of(parted(decisions), NONE), token)
    else:
        SinkStore(store).insert(flow_block(decisions, NONE), token)


def count(store: Store) -> int:
    """Rows in the ledger."""
    return int(store.rows("SELECT count() FROM flows")[0][0])


@pytest.mark.parametrize(("first", "second"), [("bytes", "bytes"), ("bytes", "rows"), ("rows", "bytes")])
@pytest.mark.parametrize("sizes", [(20_000, 3), (3, 20_000)])
def test_a_token_that_was_used_swallows_any_other_block(
    store: Store, first: str, second: str, sizes: tuple[int, int]
) -> None:
    """Whatever the rows and however many, whichever way they go: under one token the first block counts."""
    put(store, first, MANY[: sizes[0]], "a")
    there = count(store)
    put(store, second, MANY[: sizes[1]], "a")
    assert count(store) == there == 2 * sizes[0]


def test_months_are_apart(store: Store) -> None:
    """A token counts in each partition of the table by itself."""
    put(store, "bytes", FEW, "a")
    later = [each._replace(timestamp_ms=each.timestamp_ms + 31 * 86_400_000) for each in FEW]
    put(store, "bytes", later, "a")
    assert count(store) == 12


def test_both_ways_make_the_same_rows(store: Store) -> None:
    """What the engine makes of decisions is what is made of them row by row, to the last column."""
    odd = [record(decision(7), 7), record(decision(8, category("provided.email"), category("provided.email")), 8)]
    repeats = frozenset({(0, 1)})
    SinkStore(store).insert_decisions(parted([*MANY[:500], *odd]), repeats, "a", 0)
    by_engine = sorted(map(str, store.rows("SELECT * FROM flows")))
    store.command("TRUNCATE TABLE flows")
    SinkStore(store).insert(flow_block([*MANY[:500], *odd], repeats), "b")
    assert sorted(map(str, store.rows("SELECT * FROM flows"))) == by_engine
    assert store.rows("SELECT DISTINCT sign FROM flows WHERE decision_offset = 1") == [(0,)]


def test_an_insert_after_its_deadline_is_refused(store: Store) -> None:
    """Both ways, and nothing is written; before it, all is."""
    late, early = int(time.time() * 1000) - 1, int(time.time() * 1000) + 60_000
    with pytest.raises(StoreError, match="VIOLATED_CONSTRAINT"):
        SinkStore(store).insert_decisions(parted(FEW), NONE, "a", late)
    with pytest.raises(StoreError, match="VIOLATED_CONSTRAINT"):
        SinkStore(store).insert(flow_block(FEW, NONE), "b", late)
    assert count(store) == 0
    SinkStore(store).insert_decisions(parted(FEW), NONE, "a", early)
    assert count(store) == 6


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'"offset":1', b'"offsett":1'),
        (b'"verdict":"permit"', b'"verdict":"perhaps"'),
        (b'"situation":"', b'"situation":"0'),
        (b'"kind":"share"', b'"kind":"gift"'),
        (b'"subject":"', b'"subject":"x'),
        (b'"pack":', b'"packed":'),
        (b'"suspect":', b'"suspected":'),
        (b'"revision":0', b'"revision":null'),
        (b'"happened_at":"', b'"happened_at":"on '),
        (b'"categories":[', b'"categories":[7,'),
    ],
)
def test_a_decision_that_is_none_is_refused_and_named(store: Store, before: bytes, after: bytes) -> None:
    """A field that is missing or unknown is never taken for an empty one, and nothing beside it is written."""
    value = (FEW[1].value or b"").replace(before, after)
    assert value != FEW[1].value
    with pytest.raises(ContractError) as refused:
        SinkStore(store).insert_decisions(parted([FEW[0], FEW[1]._replace(value=value)]), NONE, "a", 0)
    assert "at 1" in refused.value.where
    assert count(store) == 0


def test_looking_for_a_share_reads_late_parts_only(store: Store) -> None:
    """What was recorded long before is not read, however much it is: parts know their instants."""
    put(store, "bytes", MANY, "old")
    fresh = [each._replace(timestamp_ms=START_MS + 86_400_000, offset=50_000 + each.offset) for each in FEW]
    put(store, "bytes", fresh, "new")
    share = Share.of(fresh)
    assert SinkStore(store).present(FLOWS, share) == {202603}
    asked = "SELECT decision_offset FROM flows WHERE recorded_at >= fromUnixTimestamp64Milli({at:Int64}, 'UTC')"
    plan = store.rows(f"EXPLAIN ESTIMATE {asked}", at=share.since_ms)
    assert sum(int(rows) for *_, rows, _ in plan) < 100
