"""A ledger with a day in it, and who looks after it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from flowtrack.adapters.clickhouse.keeper import ClickHouseKeeper
from flowtrack.adapters.clickhouse.sink import SinkStore
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.tracking.ledger import LedgerWriter
from flowtrack.tracking.records import Record
from tests.ledger.day import a_day

NOW = datetime(2026, 4, 1, tzinfo=UTC)
"""The instant of every request; the day was a month before."""
_runs = itertools.count()
WAIT_S = 90.0
"""The engine deletes old parts within half a minute; under load later."""


def keeper_of(store: Store, *, services: Sequence[str] = (), now: datetime = NOW) -> ClickHouseKeeper:
    """Who looks after a ledger; its clock goes on by a second at each look."""
    ticks, ids = itertools.count(), itertools.count(1)
    return ClickHouseKeeper(
        store,
        clock=lambda: now + timedelta(seconds=next(ticks)),
        gone_within=timedelta(days=1),
        services=services,
        new_id=lambda: f"id{now:%d}{next(ids)}",
    )


def write(store: Store, records: Sequence[Record]) -> None:
    """Let a sink that has just started write records."""
    LedgerWriter(SinkStore(store), f"run{next(_runs)}").process(records)


def filled(store: Store, events: int = 120) -> list[Record]:
    """Write a day, and give it."""
    day = a_day(events)
    write(store, day)
    return day
