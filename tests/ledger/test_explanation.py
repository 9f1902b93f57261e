"""Why events were judged as they were: the database answers as the ledger in memory, and says what kept rules out."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from flowtrack.adapters.clickhouse.ledger import ClickHouseLedger
from flowtrack.adapters.clickhouse.sink import SinkStore
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.audit.explanation import Explanation
from flowtrack.domain.instants import from_us
from flowtrack.policy.judge import Judge
from flowtrack.policy.pack import default_pack
from flowtrack.policy.situation import from_attributes
from flowtrack.sample import SampleOptions, sample_day
from flowtrack.testing.ledger import MemoryLedger
from flowtrack.testing.ledger_tables import Row
from flowtrack.tracking import rows as tables
from flowtrack.tracking.ledger import LedgerWriter
from flowtrack.tracking.records import Record
from tests.ledger.checked import checked_records
from tests.ledger.conftest import ASKER, clock

EVERY = 199
"""One row of so many is asked about."""


@pytest.fixture(scope="module")
def records() -> list[Record]:
    """A small day as it was checked."""
    return checked_records(sample_day(SampleOptions(seed=7, events=1_000, subjects=200)))


@pytest.fixture(scope="module")
def expected(records: list[Record]) -> MemoryLedger:
    """The day in memory: what every other ledger must say."""
    ledger = MemoryLedger(clock)
    LedgerWriter(ledger, "run").process(records)
    return ledger


def asked(row: Row, **times: Any) -> Explanation:
    """The question about a row's event."""
    return Explanation(subject=row["subject"], event=row["event_id"], **times)


def test_explanations_are_those_of_the_memory(store: Store, expected: MemoryLedger, records: list[Record]) -> None:
    """Categories, what decided, and what nearly matched are the same in both; before an event there is nothing."""
    LedgerWriter(SinkStore(store), "run").process(records)
    ledger = ClickHouseLedger(store, clock=clock)
    for row in [each for each in expected.tables[tables.FLOWS] if each["category"]][::EVERY]:
        given = ledger.ask(asked(row), asker=ASKER)
        assert given == expected.ask(asked(row), asker=ASKER)
        assert all(each.known for each in given.rows)
        before = {"as_of": from_us(row["happened_at"]) - timedelta(microseconds=1)}
        assert ledger.ask(asked(row, **before), asker=ASKER).rows == []


def test_what_nearly_matched_did_not_decide(expected: MemoryLedger) -> None:
    """A rule that nearly matched is none of those that match the situation, and an attribute of it is named."""
    judge, found = Judge(default_pack()), 0
    for row in [each for each in expected.tables[tables.FLOWS] if each["verdict"] == "deny"][::3]:
        for each in expected.ask(asked(row), asker=ASKER).rows:
            matched = judge.matching(from_attributes(each.situation))
            ids = {rule.id for rule in (*matched.forbids, *matched.permits)}
            assert not ids.intersection(near.id for near in each.nearly)
            for near in each.nearly:
                assert all(said.partition(" = ")[0] in {*each.situation, "service"} for said in near.kept_out_by)
            found += len(each.nearly)
    assert found


def test_what_is_not_defined_is_said(records: list[Record]) -> None:
    """Without a definition that can be read nothing is said of near misses, and that nothing is."""
    ledger = MemoryLedger(clock)
    LedgerWriter(ledger, "run").process(records)
    row = next(each for each in ledger.tables[tables.FLOWS] if each["verdict"] == "deny")
    for text in ("", '{"kind":"share"}'):
        for judgement in ledger.tables[tables.JUDGEMENTS]:
            judgement["attributes"] = text
        rows = ledger.ask(asked(row), asker=ASKER).rows
        assert rows
        assert {(each.known, len(each.nearly)) for each in rows} == {(False, 0)}


def test_an_event_that_is_not_there_is_told(expected: MemoryLedger) -> None:
    """No rows of an unknown event must not read as an event without reasons."""
    answer = expected.ask(Explanation(subject="0" * 32, event="nowhere"), asker=ASKER)
    assert answer.rows == []
    assert answer.about.hints == ["no such `event` stands on the subject's trail at these times"]
