"""What judging anew needs of a ledger: the database does it as the ledger in memory does."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from flowtrack.adapters.clickhouse.amend import LedgerAmendments
from flowtrack.adapters.clickhouse.sink import SinkStore
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.testing.ledger import MemoryLedger
from tests.ledger.amending import Messages, Pipeline, changes, cut


class DatabaseStore(SinkStore, LedgerAmendments):
    """Both sides of the database that a sink works with."""

    def __init__(self, store: Store) -> None:
        SinkStore.__init__(self, store)
        LedgerAmendments.__init__(self, store)


def key(row: dict[str, Any]) -> tuple[Any, ...]:
    """An order for rows."""
    return (row["event_id"], row["category"], row["revision"], row["sign"])


@pytest.mark.parametrize("seed", range(3))
def test_a_day_with_late_knowledge_is_the_same_in_both(store: Store, seed: int) -> None:
    """The same records, cut alike, end in the same rows and the same amendments, whoever keeps the ledger."""
    random = Random(seed)
    messages, learned = Messages.of(random, 10, 30), changes(random, 3)
    memory, database = Pipeline(MemoryLedger()), Pipeline(DatabaseStore(store))
    batches = list(cut(random, messages.shuffled(random)))
    steps = [random.randint(1, 12) for _ in batches]
    for number, (batch, step) in enumerate(zip(batches, steps, strict=True)):
        for pipeline in (memory, database):
            if number % 4 == 1 and number // 4 < len(learned):
                pipeline.learn(learned[number // 4])
            pipeline.check(batch)
            pipeline.sink(step)
    memory.settle()
    database.settle()
    assert sorted(database.rows(), key=key) == sorted(memory.rows(), key=key)
    assert sorted(database.published) == sorted(memory.published)
    assert any(row["sign"] < 0 for row in memory.rows())
