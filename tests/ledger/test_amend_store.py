"""What judging anew needs of a ledger: the database does it as the ledger in memory does."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest

from flowtrack.adapters.clickhouse.amend import LedgerAmendments
from flowtrack.adapters.clickhouse.ledger import ClickHouseLedger
from flowtrack.adapters.clickhouse.sink import SinkStore
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.audit.overview import Overview
from flowtrack.audit.trail import Trail
from flowtrack.domain.instants import instant_us
from flowtrack.domain.names import RecordState
from flowtrack.testing.ledger import MemoryLedger
from flowtrack.tracking.ledger import LedgerWriter
from flowtrack.tracking.records import Record, Topic
from tests.ledger.amending import Messages, Pipeline, changes, cut, more_events, pack_change
from tests.ledger.conftest import ASKER, Both, clock
from tests.ledger.day import START, START_MS, consent, record, subject_of


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


def test_answers_say_how_far_they_are_complete_while_something_is_judged_anew(store: Store) -> None:
    """Until a change has reached every row, an answer promises only what was known before it; in both ledgers."""
    for kept, ledger in (_memory(), (DatabaseStore(store), ClickHouseLedger(store, clock=clock))):
        pipeline = Pipeline(kept)
        pipeline.check(Messages.of(Random(6), 6, 20).in_order())
        pipeline.sink()
        learned_ms = START_MS + len(pipeline.log)
        key, value = b"default:2", pack_change("2", 0, stricter=True)
        pipeline.learn(Record(Topic.POLICIES, 0, 0, START_MS, key, value))
        pipeline.check(more_events(6, 3, 100))
        pipeline.sink()
        assert pipeline.writer.pending
        meanwhile = ledger.ask(Overview(), asker=ASKER).about.completeness.complete_up_to
        pipeline.settle()
        settled = ledger.ask(Overview(), asker=ASKER).about.completeness.complete_up_to
        assert meanwhile is not None
        assert settled is not None
        assert instant_us(meanwhile) < learned_ms * 1_000 <= instant_us(settled)


def test_a_consent_said_otherwise_under_its_ids_is_asked_for_as_of_both_times(both: Both) -> None:
    """The later state counts once it is known, as for the checker; before, what was said first."""
    first = consent(0, subject_of(1), event_id="k-1")
    data = first.data.model_copy(update={"record": "r", "state": RecordState.WITHDRAWN})
    first = first.model_copy(update={"data": first.data.model_copy(update={"record": "r"})})
    later = first.model_copy(update={"data": data, "offset": 1, "valid_from": first.valid_from + timedelta(hours=1)})
    LedgerWriter(both.store, "run").process([record(first, 0), record(later, 9)])
    known_before, as_of = START + timedelta(milliseconds=5), first.valid_from

    def states(**times: datetime) -> list[tuple[str, str]]:
        trail = both.ledger.ask(Trail(subject=subject_of(1), **times), asker=ASKER)
        return [(each.record, each.state) for each in trail.consents]

    assert states() == [("r", "withdrawn")]
    assert states(known_at=known_before) == [("r", "given")]
    assert states(as_of=as_of) == []
    assert states(as_of=as_of, known_at=known_before) == [("r", "given")]


def _memory() -> tuple[MemoryLedger, MemoryLedger]:
    ledger = MemoryLedger(clock)
    return ledger, ledger
