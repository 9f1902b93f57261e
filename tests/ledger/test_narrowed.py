"""Questions about all subjects read the days that they are about, in pieces, and answer as if they read everything."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise, product
from random import Random
from typing import Any

import pytest

from flowtrack.adapters.clickhouse import access, exposed, overdue, violations
from flowtrack.adapters.clickhouse.ledger import ClickHouseLedger
from flowtrack.adapters.clickhouse.sink import SinkStore
from flowtrack.adapters.clickhouse.slices import PLACES, place_of, slices, subject_at
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.audit.access import Access
from flowtrack.audit.exposed import ExposedSubjects
from flowtrack.audit.family import PagedQuestion
from flowtrack.audit.following import pages_of
from flowtrack.audit.overdue import Overdue
from flowtrack.audit.transfers import Transfers
from flowtrack.audit.violations import Violations
from flowtrack.domain.facts import Facts, Particulars
from flowtrack.domain.instants import DAY_US
from flowtrack.domain.names import ActorType, Kind, Verdict
from flowtrack.testing.ledger import MemoryLedger
from flowtrack.tracking.ledger import LedgerWriter
from tests.ledger.conftest import ASKER, Asked, clock
from tests.ledger.day import START, START_MS, category, decision, record, subject_of
from tests.ledger.subjects_day import write_days

pytestmark = pytest.mark.embedded

TIMES: list[dict[str, Any]] = [
    {},
    {"known_at": START + timedelta(days=1, hours=1)},
    {"as_of": START + timedelta(days=2)},
]


def test_what_is_read_in_pieces_is_the_whole(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Days and subjects one by one give what they give together, on every page."""
    monkeypatch.setattr(access, "_FLOWS_FIRST", 1)
    monkeypatch.setattr(access, "_WIDER", 2)
    monkeypatch.setattr(overdue, "_FLOWS_EACH", 20)
    monkeypatch.setattr(violations, "_SPARE", 0)
    monkeypatch.setattr(exposed, "_WINDOW", PLACES >> 20)
    memory = MemoryLedger(clock)
    for each in (memory, SinkStore(store)):
        write_days(each)
    ledger = ClickHouseLedger(store, clock=clock)
    questions: list[PagedQuestion[Any]] = [
        Access(limit=2),
        Access(actor="staff-2"),
        Access(actor="nobody"),
        Access(service="desk", limit=1),
        Violations(limit=1),
        Violations(limit=3, category="provided"),
        Overdue(limit=2),
        Overdue(keep_days=1),
        ExposedSubjects(start="service", name="shop", limit=1),
        ExposedSubjects(start="party", name="bank", limit=2, categories=["provided"]),
    ]
    for question, times in product(questions, TIMES):
        asked = question.model_copy(update=times)
        given = [list(pages_of(each, asked, asker=ASKER)) for each in (ledger, memory)]
        assert given[0] == given[1], asked


@pytest.mark.parametrize("spread_s", [1, 600, 86_000])
def test_a_day_with_many_violations_is_looked_at_from_its_end(
    store: Store, asked: Asked, monkeypatch: pytest.MonkeyPatch, spread_s: int
) -> None:
    """The newest are the same whether they are all in one second, or come evenly, or leave the day's end empty."""
    chance, memory = Random(spread_s), MemoryLedger(clock)
    denied = [
        decision(
            number,
            category("provided.email", verdict=Verdict.DENY),
            happened_at=START.replace(hour=0) + timedelta(seconds=chance.uniform(0, spread_s)),
        )
        for number in range(120)
    ]
    made = [record(each, number) for number, each in enumerate(denied)]
    for each in (SinkStore(store), memory):
        LedgerWriter(each, "many").process(made)
    monkeypatch.setattr(violations, "CLOSE_BY", 2)
    ledger = ClickHouseLedger(store, clock=clock)
    midday = START.replace(hour=12)
    for times in ({}, {"as_of": midday}, {"until": midday}, {"service": denied[0].service}):
        many = Violations(limit=7).model_copy(update=times)
        assert list(pages_of(ledger, many, asker=ASKER)) == list(pages_of(memory, many, asker=ASKER)), times
    assert any("PREWHERE" in statement for statement, _ in asked)


def test_slices_are_all_subjects_once() -> None:
    """They follow each other in the order of the table, from the first that there could be to the last."""
    cut = list(slices(7))
    assert (place_of(cut[0][0]), place_of(cut[-1][1])) == (0, PLACES - 1)
    assert all(place_of(high) + 1 == place_of(low) for (_, high), (low, _) in pairwise(cut))
    assert subject_at(place_of(subject_of(1))) == subject_of(1)


@pytest.mark.parametrize(
    "question",
    [
        Transfers(home="JP"),
        Access(),
        Overdue(keep_days=1),
        ExposedSubjects(start="service", name="shop"),
        ExposedSubjects(start="party", name="acme"),
        ExposedSubjects(start="dataset", name="crm"),
    ],
    ids=lambda question: f"{question.family}-{getattr(question, 'start', '')}",
)
def test_parts_of_other_days_stay_unread(store: Store, asked: Asked, question: PagedQuestion[Any]) -> None:
    """Of three months with a part each, a question about a day reads one; what was learned late is found still."""
    ledger, memory = ClickHouseLedger(store, clock=clock), MemoryLedger(clock)
    for number, (happened, recorded) in enumerate([(-80, -80), (-50, -50), (-20, -20), (-80, 0)]):
        at_ms = START_MS + recorded * DAY_US // 1000
        made = []
        for place, kind in enumerate((Kind.USE, Kind.SHARE, Kind.STORE)):
            offset = 10 * number + place
            flow = decision(offset, category("provided.email"), kind=kind, happened_at=START + timedelta(days=happened))
            staff = Facts(actor_type=ActorType.STAFF, actor_role="support") if kind is Kind.USE else Facts()
            also = {"facts": staff, "particulars": Particulars(actor_id="staff-1"), "dataset": "crm"}
            made.append(record(flow.model_copy(update=also), offset, at_ms=at_ms + offset))
        for each in (SinkStore(store), memory):
            LedgerWriter(each, f"of {number}").process(made)
    for first, parts in ((-51, 1), (-81, 4), (-200, 0)):
        of_days = {"since": START + timedelta(days=first), "until": START + timedelta(days=first + 2)}
        asked.clear()
        given = ledger.ask(question.model_copy(update=of_days), asker=ASKER)
        assert given == memory.ask(question.model_copy(update=of_days), asker=ASKER)
        assert bool(given.rows) == bool(parts)
        reading = [each for each in asked if "flows" in each[0] and "toDate(recorded_at) AS known_on" not in each[0]]
        reading = [each for each in reading if "known_from" in each[1]]
        assert reading or not parts
        for statement, parameters in reading:
            read = store.rows(f"EXPLAIN ESTIMATE {statement}", **parameters)
            assert sum(part for _, _, part, *_ in read) <= parts * statement.count("FROM flows"), statement


def test_shares_can_be_read_from_their_projection(store: Store, asked: Asked) -> None:
    """Transfers, and whose data a party has, ask for nothing that the projection of shares has not."""
    write_days(SinkStore(store))
    ledger = ClickHouseLedger(store, clock=clock)
    asked.clear()
    assert ledger.ask(Transfers(home="JP"), asker=ASKER).rows
    assert ledger.ask(ExposedSubjects(start="party", name="bank"), asker=ASKER).rows
    shares = [each for each in asked if "kind = 'share'" in each[0] and "known_on" not in each[0]]
    shares = [each for each in shares if "BETWEEN {first" not in each[0]]  # of a page, by the key of the table
    assert len(shares) == 3  # countries for a hint, transfers, and who is on the page
    for statement, parameters in shares:
        plan = "\n".join(line for (line,) in store.rows(f"EXPLAIN projections = 1 {statement}", **parameters))
        assert "Name: shares" in plan, plan  # which of both is less to read, the engine decides for each part
