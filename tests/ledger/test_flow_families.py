"""Questions about flows in sums: what a ledger in memory says, every ledger says, whatever the times."""

from __future__ import annotations

from datetime import timedelta
from itertools import product
from typing import Any

import pytest

from flowtrack.adapters.clickhouse.ledger import ClickHouseLedger
from flowtrack.adapters.clickhouse.sink import SinkStore
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.audit.family import PagedQuestion, Question
from flowtrack.audit.ledger import Ledger
from flowtrack.audit.received import Received, ReceivedSubjects
from flowtrack.audit.roles import Asker
from flowtrack.testing.ledger import MemoryLedger
from flowtrack.tracking.ledger import LedgerWriter
from tests.ledger.conftest import Both, clock
from tests.ledger.day import START, category, decision, record, subject_of
from tests.ledger.week import DAY, fill

ASKER = Asker(who="jo", why="case 7")
MIDNIGHT = START.replace(hour=0) + 2 * DAY
TIMES: list[dict[str, Any]] = [
    {},
    {"known_at": START + DAY},
    {"as_of": START + 4 * DAY, "known_at": START + 9 * DAY},
    {"as_of": START + timedelta(hours=30), "known_at": MIDNIGHT},
    {"as_of": START - DAY},
    {"since": MIDNIGHT, "until": START + 5 * DAY},
    {"since": START + timedelta(hours=30), "known_at": START + 2 * DAY},
]
"""Two times and periods, on and off midnight, before and after some of the week was judged anew."""
QUESTIONS: list[Question[Any]] = [
    Received(limit=1_000),
    Received(recipient="party-2"),
    Received(recipient="nobody"),
    Received(category="provided.email", service="service-2"),
    ReceivedSubjects(recipient="party-2"),
    ReceivedSubjects(recipient="acme", category="automatic.ip", service="shop"),
]


@pytest.fixture
def ledgers(store: Store) -> tuple[Ledger, Ledger]:
    """The same rows in the engine and in memory."""
    memory = MemoryLedger(clock)
    for each in (memory, SinkStore(store)):
        fill(each)
    return ClickHouseLedger(store, clock=clock), memory


@pytest.mark.embedded
def test_families_answer_as_in_memory_at_all_times(ledgers: tuple[Ledger, Ledger]) -> None:
    """Rows, sums and what the answer says of itself are the same in both, in any period and as known at any instant."""
    real, expected = ledgers
    for question in QUESTIONS:
        found = []
        for times in TIMES:
            asked = question.model_copy(update=times)
            answer = real.ask(asked, asker=ASKER)
            assert answer == expected.ask(asked, asker=ASKER), (asked, times)
            found.append(bool(answer.rows))
        assert any(found) == (getattr(question, "recipient", "") != "nobody"), question


def test_pages_of_families_add_up(ledgers: tuple[Ledger, Ledger]) -> None:
    """Pages follow each other without a hole, and say how much is left where that was counted."""
    for ledger, question in product(ledgers, QUESTIONS):
        if not isinstance(question, PagedQuestion):
            continue
        whole = list(ledger.ask(question.model_copy(update={"limit": 1_000}), asker=ASKER).rows)
        step = max(1, len(whole) // 3)
        found: list[Any] = []
        after = ""
        while len(found) <= len(whole):
            page = ledger.ask(question.model_copy(update={"limit": step, "after": after}), asker=ASKER)
            found += page.rows
            after = page.about.completeness.after
            assert page.about.completeness.left_out in {None, len(whole) - len(found)}
            if not after:
                break
        assert found == whole, question


def test_a_party_is_told_apart_by_category(both: Both) -> None:
    """What a party received: by category, whose, and who sent it."""
    permitted = category("provided.email")
    LedgerWriter(both.store, "run").process(
        [record(decision(number, permitted, subject=subject_of(number)), number) for number in (1, 2)]
    )
    answer = both.ledger.ask(Received(recipient="acme"), asker=ASKER)
    (row,) = answer.rows
    assert (row.category, row.flows, row.subjects, row.services, row.clauses) == (
        "provided.email",
        2,
        2,
        ["shop"],
        ["3.1"],
    )
    assert (row.first, row.last, answer.subjects) == (START.date(), START.date(), 2)
    listed = both.ledger.ask(ReceivedSubjects(recipient="acme"), asker=ASKER).rows
    assert [each.subject for each in listed] == sorted(subject_of(number) for number in (1, 2))
