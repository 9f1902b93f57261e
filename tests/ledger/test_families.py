"""Questions of all families: both ledgers answer alike, pinned and in pages, directly and by way of another process."""

from __future__ import annotations

import base64
import json
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from flowtrack.adapters.clickhouse.ledger import ClickHouseLedger
from flowtrack.adapters.clickhouse.sink import SinkStore
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.adapters.http.client import LedgerClient
from flowtrack.adapters.http.server import LoopbackServer
from flowtrack.adapters.http.service import build_app
from flowtrack.audit.families import FAMILIES, question_of
from flowtrack.audit.family import PagedQuestion, Question
from flowtrack.audit.following import joined, pages_of
from flowtrack.audit.violations import Violations
from flowtrack.domain.instants import DAY_US
from flowtrack.domain.names import Verdict
from flowtrack.errors import QuestionError
from flowtrack.testing.ledger import MemoryLedger
from flowtrack.tracking.ledger import LedgerStore, LedgerWriter
from tests.ledger.conftest import ASKER, Asked, Both, clock
from tests.ledger.day import START, START_MS, a_day, category, decision, record


def written_day(store: LedgerStore) -> None:
    """Write a sample day into a ledger."""
    LedgerWriter(store, "run").process(a_day(150))


@pytest.fixture(scope="module")
def expected() -> MemoryLedger:
    """A sample day in memory: what every other ledger must say."""
    ledger = MemoryLedger(clock)
    written_day(ledger)
    return ledger


@pytest.mark.parametrize(
    "filters",
    [{}, {"clause": "3.1"}, {"service": "nobody"}, {"purpose": "service.provide", "verdict": "deny"}],
    ids=str,
)
def test_violations_are_those_of_the_memory(both: Both, expected: MemoryLedger, filters: dict[str, Any]) -> None:
    """Every ledger gives the same violations, and says of itself the same."""
    written_day(both.store)
    question = Violations(limit=10_000, **filters)
    given, right = both.ledger.ask(question, asker=ASKER), expected.ask(question, asker=ASKER)
    assert given == right
    assert bool(given.rows) == (filters != {"service": "nobody"})


def test_pages_add_up_to_the_whole(both: Both) -> None:
    """Pages of a question follow each other without a hole and without a row twice, all as known at one instant."""
    written_day(both.store)
    whole = both.ledger.ask(Violations(limit=10_000), asker=ASKER)
    found, after, ids = [], "", set()
    while True:
        page = both.ledger.ask(Violations(limit=7, after=after), asker=ASKER)
        found += page.rows
        ids.add((page.about.id, page.about.question["known_at"]))
        after = page.about.completeness.after
        assert page.about.completeness.truncated == bool(after)
        if not after:
            break
    assert found == whole.rows
    assert len(ids) == 1


def test_pages_joined_are_the_whole(both: Both) -> None:
    """Pages put together as one answer have all rows and versions of the whole, and leave nothing out."""
    written_day(both.store)
    whole = both.ledger.ask(Violations(limit=10_000), asker=ASKER)
    made = joined(list(pages_of(both.ledger, Violations(limit=7), ASKER)))
    assert made.rows == whole.rows
    assert made.about.versions == whole.about.versions
    assert made.about.completeness == whole.about.completeness


def test_a_cursor_serves_its_own_question_only(both: Both) -> None:
    """A cursor of another question, and what is no cursor, are refused by name."""
    written_day(both.store)
    after = both.ledger.ask(Violations(limit=1), asker=ASKER).about.completeness.after
    with pytest.raises(QuestionError, match="another question"):
        both.ledger.ask(Violations(limit=1, after=after, service="web"), asker=ASKER)
    for wrong in ("!", "e30", after[:-3], "W10"):
        with pytest.raises(QuestionError, match="cursor"):
            both.ledger.ask(Violations(limit=1, after=wrong), asker=ASKER)


def test_a_cursor_that_was_changed_is_refused(both: Both) -> None:
    """What does not fit in the place of a part of a cursor is refused by name before the ledger is asked."""
    written_day(both.store)
    for family in (each for each in FAMILIES.values() if issubclass(each, PagedQuestion)):
        question = family(**required(family), limit=1)
        after = both.ledger.ask(question, asker=ASKER).about.completeness.after
        if not after:
            continue
        identity, pinned, key = json.loads(base64.urlsafe_b64decode(after + "=" * (-len(after) % 4)))
        for place, part in enumerate(key):
            for wrong in ("x" if isinstance(part, int) else 7, 1 << 64, True):
                changed = json.dumps([identity, pinned, [*key[:place], wrong, *key[place + 1 :]]])
                cursor = base64.urlsafe_b64encode(changed.encode()).decode().rstrip("=")
                with pytest.raises(QuestionError) as caught:
                    both.ledger.ask(question.model_copy(update={"after": cursor}), asker=ASKER)
                assert caught.value.where == "after"


def test_a_page_of_violations_reads_parts_of_its_days_only(store: Store, asked: Asked) -> None:
    """What was recorded when none of its violations was lies in other parts; what was learned late is found still."""
    ledger, memory = ClickHouseLedger(store, clock=clock), MemoryLedger(clock)
    denied = category("provided.email", Verdict.DENY)
    for number, (happened, recorded) in enumerate([(-80, -80), (-50, -50), (-20, -20), (-80, 0)]):  # a month each
        at = START + timedelta(days=happened)
        made = record(
            decision(number, denied, happened_at=at), number, at_ms=START_MS + recorded * DAY_US // 1000 + number
        )
        for each in (SinkStore(store), memory):
            LedgerWriter(each, f"of {number}").process([made])
    second = {"since": START - timedelta(days=51), "until": START - timedelta(days=49)}
    for question, events, parts in (
        (Violations(**second), ["e-0-1"], 1),
        (Violations(limit=1), ["e-0-2"], 2),
        (Violations(until=second["since"]), ["e-0-3", "e-0-0"], 4),
    ):
        asked.clear()
        given = ledger.ask(question, asker=ASKER)
        assert given == memory.ask(question, asker=ASKER)
        assert [row.event_id for row in given.rows] == events
        ((statement, parameters),) = [each for each in asked if "AS happened_us" in each[0]]
        (read,) = store.rows(f"EXPLAIN ESTIMATE {statement}", **parameters)
        assert read[2] == parts


def test_a_cursor_keeps_what_was_known(both: Both) -> None:
    """Behind a cursor nothing else can be taken as known than before it: pages would not agree with each other."""
    written_day(both.store)
    first = both.ledger.ask(Violations(limit=1), asker=ASKER).about
    known = datetime.fromisoformat(first.question["known_at"])
    after = first.completeness.after
    assert both.ledger.ask(Violations(limit=1, after=after, known_at=known), asker=ASKER).rows
    with pytest.raises(QuestionError, match="another question"):
        both.ledger.ask(Violations(limit=1, after=after, known_at=known - timedelta(microseconds=1)), asker=ASKER)


def test_the_ends_of_the_calendar_are_instants(both: Both) -> None:
    """Before and after everything can be asked with the first and the last instant that can be written."""
    written_day(both.store)
    for name, family in FAMILIES.items():
        for text in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.999999-14:00"):
            times = dict.fromkeys(("as_of", "known_at", "since", "until"), text)
            assert both.ledger.ask(question_of(name, {**required(family), **times}), asker=ASKER).about.family == name
    everything = both.ledger.ask(Violations(), asker=ASKER).rows
    for field, all_of_it in (("as_of", "9999"), ("known_at", "9999"), ("since", "0001"), ("until", "9999")):
        for year in ("0001", "9999"):
            question = question_of("violations", {field: f"{year}-01-01T00:00:00Z"})
            assert both.ledger.ask(question, asker=ASKER).rows == (everything if year == all_of_it else []), field


def required(family: type[Question[Any]]) -> dict[str, str]:
    """What a family has to be asked with."""
    given = {"subject": "0" * 32, "start": "service", "name": "web", "recipient": "courier"}
    return {name: given.get(name, "x") for name, field in family.model_fields.items() if field.is_required()}


def test_another_process_answers_alike(expected: MemoryLedger) -> None:
    """Over HTTP the answer is the same, and a question that is not right is refused in the same words."""
    question = Violations(limit=5)
    with LoopbackServer(build_app(expected), 0) as server, LedgerClient(server.url) as client:
        assert client.ask(question, asker=ASKER) == expected.ask(question, asker=ASKER)
        with pytest.raises(QuestionError, match="cursor"):
            client.ask(Violations(after="!"), asker=ASKER)
        wrong = {"asker": ASKER.model_dump(), "question": {"since": "when?"}}
        refused = httpx.post(f"{server.url}/ask/violations", json=wrong)
    assert refused.status_code == httpx.codes.BAD_REQUEST
    assert "when?" not in refused.text


def test_unknown_families_and_fields_are_named() -> None:
    """A family that is not there, and a field that is not right, are said without what was in it."""
    with pytest.raises(QuestionError, match="no such family"):
        question_of("gossip", {})
    with pytest.raises(QuestionError, match="`since, whom`"):
        question_of("violations", {"since": "secret", "whom": "secret"})


def test_every_family_is_whole() -> None:
    """Each family has a name, an answer with rows, and somebody who may ask it."""
    for name, question in FAMILIES.items():
        assert (name, bool(question.roles)) == (question.family, True)
        assert {"about", "rows"} <= set(question.answer.model_fields)
        assert issubclass(question, PagedQuestion) == ("after" in question.model_fields)
