"""Clause coverage: the database answers as the ledger in memory, at any two times, and counts what rows say."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from flowtrack.adapters.clickhouse.ledger import ClickHouseLedger
from flowtrack.adapters.clickhouse.sink import SinkStore
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.audit.coverage import Coverage
from flowtrack.domain.instants import instant_us
from flowtrack.policy.judge import Judge
from flowtrack.policy.pack import default_pack
from flowtrack.sample import SampleDay, SampleOptions, sample_day
from flowtrack.testing.ledger import MemoryLedger
from flowtrack.tracking import rows as tables
from flowtrack.tracking.ledger import LedgerWriter
from flowtrack.tracking.records import Record, Topic
from tests.ledger.checked import checked_records
from tests.ledger.conftest import ASKER, clock

PACK = default_pack()
KNOWN = datetime(1970, 1, 1, 0, 0, 2, tzinfo=UTC)
"""By when a part of the day is recorded."""
NOON = datetime(2026, 3, 2, 3, tzinfo=UTC)
TIMES: list[dict[str, Any]] = [
    {},
    {"as_of": NOON},
    {"known_at": KNOWN},
    {"since": NOON, "until": NOON + timedelta(hours=3), "known_at": KNOWN + timedelta(seconds=1)},
    {"known_at": KNOWN - timedelta(seconds=5)},
]


@pytest.fixture(scope="module")
def records() -> list[Record]:
    """A small day as it was checked, and a pack that nobody can read."""
    day: SampleDay = sample_day(SampleOptions(seed=7, events=1_000, subjects=200))
    return [Record(Topic.POLICIES, 0, 99, 2, b"broken:1", b"{}"), *checked_records(day)]


@pytest.fixture(scope="module")
def expected(records: list[Record]) -> MemoryLedger:
    """The day in memory: what every other ledger must say."""
    ledger = MemoryLedger(clock)
    LedgerWriter(ledger, "run").process(records)
    return ledger


def test_coverage_is_that_of_the_memory(store: Store, expected: MemoryLedger, records: list[Record]) -> None:
    """Clauses, rules, and situations under no rule with their samples are the same in both, at any two times."""
    LedgerWriter(SinkStore(store), "run").process(records)
    ledger = ClickHouseLedger(store, clock=clock)
    decided = set()
    for times in TIMES:
        given, right = (each.ask(Coverage(**times), asker=ASKER) for each in (ledger, expected))
        assert given == right, times
        decided.add(sum(each.decided for each in given.rules))
    assert len(decided) == len(TIMES), "each of these times has an answer of its own"


def test_what_rules_say_of_a_situation_is_found_out_once(
    expected: MemoryLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Situations recur: another question counts by what is known of them, and gives the same where it asks the same."""
    whole = expected.ask(Coverage(), asker=ASKER)
    asked: list[object] = []
    monkeypatch.setattr(Judge, "matching", lambda _, situation: asked.append(situation))
    assert expected.ask(Coverage(), asker=ASKER) == whole
    assert expected.ask(Coverage(as_of=NOON), asker=ASKER).rules != whole.rules
    assert asked == []


@pytest.mark.parametrize("times", TIMES, ids=str)
def test_clauses_are_cited_as_often_as_rows_say(times: dict[str, Any], expected: MemoryLedger) -> None:
    """Every clause of a known pack is listed, with as many flows as those whose verdict names it."""
    answer = expected.ask(Coverage(**times), asker=ASKER)
    counted: Counter[str] = Counter()
    said = {(row["pack"], row["situation"]): row for row in expected.tables[tables.JUDGEMENTS]}
    for row in expected.tables[tables.FLOWS]:
        until = times.get("until", NOON + timedelta(days=99))
        if (
            row["category"]
            and row["sign"] > 0  # a service's own repeat stands with none
            and row["happened_at"] <= instant_us(times.get("as_of", NOON + timedelta(days=99)))
            and instant_us(times.get("since", KNOWN)) <= row["happened_at"] < instant_us(until)
            and row["recorded_at"] * 1000 <= instant_us(times.get("known_at", NOON))
        ):
            counted.update(said[row["pack"], row["situation"]]["clauses"])
    assert {each.clause: each.cited for each in answer.rows if each.cited} == counted
    assert {each.clause for each in answer.rows} == set(PACK.clauses)
    assert {each.rule for each in answer.rules} == {each.id for each in PACK.rules}
    assert answer.about.versions.packs == ([PACK.label] if counted else [])


def test_nobody_is_named(expected: MemoryLedger) -> None:
    """Situations under no rule are shown by events, not by subjects: whoever may count may ask."""
    answer = expected.ask(Coverage(), asker=ASKER)
    text = answer.model_dump_json()
    assert answer.uncovered
    assert all(each.sample_events for each in answer.uncovered)
    assert not any(row["subject"] in text for row in expected.tables[tables.FLOWS])


def test_what_cannot_be_read_is_counted(records: list[Record]) -> None:
    """Flows whose definition lacks something are told as unread, and a pack that nobody can read as unknown."""
    ledger = MemoryLedger(clock)
    LedgerWriter(ledger, "run").process(records)
    for row in ledger.tables[tables.JUDGEMENTS]:
        row["attributes"] = '{"kind":"share"}'
    for row in ledger.tables[tables.DOCUMENTS]:
        row["body"] = "{}"
    answer = ledger.ask(Coverage(), asker=ASKER)
    flows = sum(1 for row in ledger.tables[tables.FLOWS] if row["category"] and row["sign"] > 0)
    assert (answer.unread, answer.unknown_packs, answer.rows, answer.rules) == (flows, [PACK.label], [], [])
