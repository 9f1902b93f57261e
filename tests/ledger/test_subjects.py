"""Families of questions around subjects: the database answers as the ledger in memory, at any two times."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, TypeVar

import pytest

from flowtrack.adapters.clickhouse.ledger import ClickHouseLedger
from flowtrack.adapters.clickhouse.sink import SinkStore
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.adapters.clickhouse.sums import standing
from flowtrack.adapters.clickhouse.times import times_of
from flowtrack.audit.alerts import Alerts
from flowtrack.audit.family import Answer, Question
from flowtrack.audit.ledger import Ledger
from flowtrack.audit.overview import Overview
from flowtrack.audit.questions import Period
from flowtrack.audit.trail import Trail
from flowtrack.domain.names import Kind
from flowtrack.testing.ledger import MemoryLedger
from tests.ledger.conftest import ASKER, clock
from tests.ledger.day import START, subject_of
from tests.ledger.subjects_day import write_days

A = TypeVar("A", bound=Answer)

SUBJECT = subject_of(0)
NOON = START + timedelta(days=2, hours=3)
TIMES: list[dict[str, Any]] = [
    {},
    {"as_of": NOON},
    {"known_at": START + timedelta(days=1, hours=1)},
    {"as_of": NOON, "known_at": START + timedelta(days=4)},
    {"since": START + timedelta(hours=5), "until": NOON},
]


@pytest.fixture(scope="module")
def expected() -> MemoryLedger:
    """The days in memory: what every other ledger must say."""
    ledger = MemoryLedger(clock)
    write_days(ledger)
    return ledger


@pytest.fixture
def ledger(store: Store) -> ClickHouseLedger:
    """The days in the database."""
    write_days(SinkStore(store))
    return ClickHouseLedger(store, clock=clock)


def answers(ledger: Ledger, family: type[Question[A]], *filters: dict[str, Any]) -> Iterator[tuple[object, A]]:
    """Answers with each of these filters, at all times."""
    for each in filters:
        for times in TIMES:
            yield (each, times), ledger.ask(family(**each, **times), asker=ASKER)


def same(ledger: Ledger, expected: Ledger, family: type[Question[A]], *filters: dict[str, Any]) -> list[A]:
    """Hold a ledger's answers to those expected, and give them; each filter finds something, if not at all times."""
    found: dict[str, int] = {}
    given = list(answers(ledger, family, *filters))
    for (asked, answer), (_, right) in zip(given, answers(expected, family, *filters), strict=True):
        assert answer == right, asked
        found[str(asked[0])] = found.get(str(asked[0]), 0) + len(answer.rows)  # type: ignore[index]  # a pair
    assert all(found.values()), found
    return [answer for _, answer in given]


def test_trails_are_those_of_the_memory(ledger: ClickHouseLedger, expected: MemoryLedger) -> None:
    """Steps, their circumstances and consents, with every filter."""
    filters: list[dict[str, Any]] = [
        {},
        {"category": "provided"},
        {"category": "automatic.ip"},
        {"service": "desk"},
        {"kind": Kind.SHARE},
    ]
    found = same(ledger, expected, Trail, *({"subject": SUBJECT, **each} for each in filters))
    whole = found[0]
    assert {row.particulars.retain_until is not None for row in whole.rows} == {True, False}
    assert whole.about.versions.packs == ["default@1.0.0"]
    under = {part.category for row in found[len(TIMES)].rows for part in row.categories}
    assert under == {"provided.email", "provided.phone"}


def test_a_trail_of_nobody_is_empty(ledger: ClickHouseLedger) -> None:
    """Somebody of whom nothing is known has a trail without steps."""
    answer = ledger.ask(Trail(subject="0" * 32), asker=ASKER)
    assert (answer.rows, answer.consents) == ([], [])


def test_a_consent_is_on_the_trail_before_anything_else_happens(store: Store) -> None:
    """What was recorded after the last flow is known as well: consents have no flow of their own."""
    for each in (SinkStore(store), memory := MemoryLedger(clock)):
        write_days(each, events=1)
    whole = ClickHouseLedger(store, clock=clock).ask(Trail(subject=SUBJECT), asker=ASKER)
    assert whole == memory.ask(Trail(subject=SUBJECT), asker=ASKER)
    assert "r-0" in {each.record for each in whole.consents}


def test_overviews_are_those_of_the_memory(ledger: ClickHouseLedger, expected: MemoryLedger) -> None:
    """Counts by day, kind, category, service and stream, with every filter; what tables leave out is counted."""
    filters: list[dict[str, Any]] = [
        {},
        {"service": "desk"},
        {"recipient": "acme"},
        {"category": "automatic.ip", "purpose": "protection.fraud"},
        {"services_max": 1, "parties_max": 2, "streams_max": 3},
    ]
    found = same(ledger, expected, Overview, *filters)
    whole, short = found[0], found[4 * len(TIMES)]
    assert sum(row.flows for row in whole.rows) == whole.flows == sum(each.flows for each in whole.by_category)
    assert sum(each.flows for each in whole.streams) == sum(row.flows for row in whole.rows if row.kind == "share")
    for name in ("services", "parties", "streams"):
        kept, rest = getattr(short, name), getattr(short, f"{name}_rest")
        assert rest.count == len(getattr(whole, name)) - len(kept) > 0
        assert rest.flows == sum(each.flows for each in getattr(whole, name)) - sum(each.flows for each in kept)
    assert (whole.events or 0) > 100
    assert found[len(TIMES)].events is None


@pytest.mark.embedded
def test_an_overview_of_whole_days_reads_sums(ledger: ClickHouseLedger, store: Store) -> None:
    """The statement behind an overview by day is answered from the projection, not from rows."""
    asked = standing("toDate(happened_at) AS day, kind, verdict", times_of(Period(since=START.replace(hour=0))))
    plan = store.rows(f"EXPLAIN projections = 1 {asked}", since_day="2026-03-02", since=0)
    assert any("daily" in line for (line,) in plan), plan
    assert ledger.ask(Overview(), asker=ASKER).flows


def test_alerts_are_those_of_the_memory(ledger: ClickHouseLedger, expected: MemoryLedger) -> None:
    """Alerts in their latest state with every filter, in pages, and the history of one."""
    one = "0123456789abcdef"
    filters: list[dict[str, Any]] = [
        {},
        {"state": "open"},
        {"severity": "high"},
        {"identity": one},
        {"service": "shop"},
        {"limit": 1},
    ]
    found = same(ledger, expected, Alerts, *filters)
    history = found[3 * len(TIMES)].history
    assert [each.count for each in history] == [1, 3]
    page = found[5 * len(TIMES)]
    assert (page.about.completeness.left_out, sum(each.alerts for each in page.counts)) == (1, 2)
    after = page.about.completeness.after
    assert ledger.ask(Alerts(limit=1, after=after), asker=ASKER).rows == found[0].rows[1:]
