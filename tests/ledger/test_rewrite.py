"""What judging anew by situation rests on: the engine takes a second writer's rewrite for the same as the first's."""

from __future__ import annotations

import time

import pytest

from flowtrack.adapters.clickhouse.amend import LedgerAmendments
from flowtrack.adapters.clickhouse.hiding import hide
from flowtrack.adapters.clickhouse.holds import Condition
from flowtrack.adapters.clickhouse.sink import SinkStore
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.errors import StoreError
from flowtrack.tracking.amend_store import Change, Scope, Span
from flowtrack.tracking.draft import flow_block
from tests.ledger.day import START_MS, category, decision, record

EVENTS, BLOCKS = 24_000, 3
"""More rows than the engine reads as one block of its own accord, in parts that it reads one after the other."""
EVERYBODY = Span("", "f" * 32)
LATER_MS = START_MS + 86_400_000
FOREVER_US = 4_000_000_000_000_000


@pytest.fixture
def written(store: Store) -> Store:
    """A ledger of two rows an event, in several parts."""
    decisions = [
        record(decision(n, category("provided.email"), category("automatic.ip")), n, at_ms=START_MS)
        for n in range(EVENTS)
    ]
    for number in range(BLOCKS):
        SinkStore(store).insert(flow_block(decisions[number::BLOCKS], frozenset()), f"block {number}")
    return store


def rewrite(store: Store, token: str, deadline_ms: int = 0) -> None:
    """Deny everything that stands."""
    said = store.rows("SELECT DISTINCT pack, registry, toUInt64(situation), verdict FROM flows WHERE sign > 0")
    epoch = store.rows("SELECT any(epoch) FROM flows")[0][0]
    changes = [
        Change(
            pack=pack,
            registry=registry,
            situation=situation,
            verdict_before=verdict,
            since_us=0,
            until_us=FOREVER_US,
            new_pack="new@1",
            new_registry="",
            verdict="deny",
            keeps_consent=False,
        )
        for pack, registry, situation, verdict in said
    ]
    scope = Scope(epoch, partition=0, offset=EVENTS + 1, since_us=0)
    LedgerAmendments(store).rewrite(scope, EVERYBODY, changes, LATER_MS, token, deadline_ms)


def count(store: Store) -> int:
    """Rows in the ledger."""
    return int(store.rows("SELECT count() FROM flows")[0][0])


def test_a_rewrite_that_reads_other_parts_is_still_the_same(written: Store) -> None:
    """Two sinks rewrite one span under one token, each before it sees the other's rows: the second adds nothing.

    Between them a merge has cut what is read into other blocks, from which the engine makes its own tokens.
    """
    before = count(written)
    rewrite(written, "job")
    assert count(written) == 3 * before
    hide(written, "flows", Condition("sign < 0 OR pack = 'new@1'", {}))
    written.command("OPTIMIZE TABLE flows FINAL")
    assert count(written) == before
    rewrite(written, "job")
    assert count(written) == before
    rewrite(written, "another job")
    assert count(written) == 3 * before


def test_a_rewrite_is_one_part(written: Store) -> None:
    """What is taken back and what stands instead are there wholly, or not at all."""
    rewrite(written, "job")
    assert written.rows("SELECT uniqExact(_part) FROM flows WHERE pack = 'new@1' OR sign < 0") == [(1,)]


def test_a_rewrite_after_its_deadline_is_refused(written: Store) -> None:
    """A sink that slept through its successor's take-over writes nothing."""
    before = count(written)
    with pytest.raises(StoreError, match="VIOLATED_CONSTRAINT"):
        rewrite(written, "job", int(time.time() * 1000) - 1)
    assert count(written) == before
