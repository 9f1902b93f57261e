"""Questions about flows in sums: what a ledger in memory says, every ledger says, whatever the times."""

from __future__ import annotations

import re
from datetime import timedelta
from itertools import product
from typing import Any

import pytest

from flowtrack.adapters.clickhouse import blast as clickhouse_blast
from flowtrack.adapters.clickhouse import received as clickhouse_received
from flowtrack.adapters.clickhouse.ledger import ClickHouseLedger
from flowtrack.adapters.clickhouse.sink import SinkStore
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.audit.blast import Blast, Withdrawal
from flowtrack.audit.exposed import ExposedSubjects
from flowtrack.audit.family import PagedQuestion, Question
from flowtrack.audit.graph import Graph, SubjectGraph
from flowtrack.audit.ledger import Ledger
from flowtrack.audit.origin import Origin
from flowtrack.audit.received import Received, ReceivedSubjects
from flowtrack.audit.roles import Asker
from flowtrack.audit.use import Use
from flowtrack.domain.decision import CategoryDecision
from flowtrack.domain.facts import Facts, Particulars
from flowtrack.domain.names import Kind, Method, RecordState
from flowtrack.testing.ledger import MemoryLedger
from flowtrack.tracking.ledger import LedgerWriter
from flowtrack.tracking.records import Record
from tests.ledger.conftest import Asked, Both, clock
from tests.ledger.day import START, category, consent, decision, record, subject_of
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
    Received(category="provided", service="service-2"),
    ReceivedSubjects(recipient="party-2"),
    ReceivedSubjects(recipient="acme", category="automatic.ip", service="shop"),
    Graph(limit=1_000),
    Graph(service="service-1", verdict="deny"),
    Graph(category="provided.phone", dataset="dataset-0", purpose="purpose-0"),
    SubjectGraph(subject=subject_of(3)),
    Origin(limit=1_000, samples_max=0),
    Origin(category="provided", verdict="deny", by_dataset=False, samples_max=0),
    Use(limit=1_000),
    Blast(start="dataset", name="dataset-0", hops_max=3),
    Blast(start="service", name="service-1"),
    Blast(start="party", name="party-2"),
    Blast(start="dataset", name="dataset-0", categories=["provided"]),
    ExposedSubjects(start="dataset", name="dataset-0", limit=1_000),
    ExposedSubjects(start="service", name="service-1", categories=["provided.phone", "automatic"]),
    ExposedSubjects(start="party", name="party-2", categories=["provided"]),
    Withdrawal(subject=subject_of(0), record="r-1"),
    Use(basis="law", category="provided", verdict="permit"),
    Use(service="service-2", purpose="purpose-0", kind="share"),
    SubjectGraph(subject=subject_of(0), category="provided"),
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


@pytest.mark.parametrize(("bits", "told"), [(2, 10_000), (64, 1)])
def test_people_are_counted_alike_however_they_are_told_apart(
    ledgers: tuple[Ledger, Ledger], monkeypatch: pytest.MonkeyPatch, bits: int, told: int
) -> None:
    """Of a party with more categories than a number has bits, and where more was taken back than is asked by name."""
    monkeypatch.setattr(clickhouse_received, "BITS", bits)
    monkeypatch.setattr(clickhouse_received, "TOLD", told)
    real, expected = ledgers
    for times in TIMES:
        asked = Received(recipient="party-2").model_copy(update=times)
        answer = real.ask(asked, asker=ASKER)
        assert answer == expected.ask(asked, asker=ASKER), times


@pytest.mark.parametrize("row_bytes", [1, 1 << 40])
def test_what_was_reached_is_the_same_however_it_is_looked_for(
    ledgers: tuple[Ledger, Ledger], monkeypatch: pytest.MonkeyPatch, row_bytes: int
) -> None:
    """Few rows are held all at once, of many those whose data was at the start are looked for first."""
    monkeypatch.setattr(clickhouse_blast, "ROW_BYTES", row_bytes)
    real, expected = ledgers
    for question, times in product([each for each in QUESTIONS if isinstance(each, Blast)], TIMES):
        asked = question.model_copy(update=times)
        assert real.ask(asked, asker=ASKER) == expected.ask(asked, asker=ASKER), (asked, times)


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


@pytest.mark.embedded
def test_sums_are_read_instead_of_rows(store: Store, asked: Asked) -> None:
    """Whole days are answered from projections; rows are read of one subject, or of the party that is asked for."""
    fill(SinkStore(store))
    ledger = ClickHouseLedger(store, clock=clock)
    for question in QUESTIONS:
        asked.clear()
        ledger.ask(question.model_copy(update={"known_at": START.replace(hour=0) + 400 * DAY}), asker=ASKER)
        for statement, parameters in [*asked]:
            explained = store.rows(f"EXPLAIN projections = 1, indexes = 1 {statement}", **parameters)
            plan = "\n".join(line for (line,) in explained)
            reads = re.findall(r"ReadFromMergeTree \(\w+\.flows\)\n.*\n\W*Parts: (\d+)", plan)
            narrow = "subject = {subject:UUID}" in statement or "GROUP BY category, subject" in statement
            narrow |= "] AS masks" in statement
            narrow |= "toString(subject)" in statement  # of a party: its projection, once that is less to read
            narrow |= isinstance(question, ExposedSubjects)  # whose data it is, one by one
            narrow |= "AND (subject, category) IN (" in statement  # whose data it is that got there, by name first
            narrow |= "groupArrayArray(arrayMap(" in statement  # likewise, where it is little
            narrow |= "SELECT uniqExact(subject), count()" in statement  # likewise, where it got nowhere
            assert narrow or not any(map(int, reads)), (question, statement, plan)


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


def _step(number: int, kind: Kind, service: str, **said: Any) -> Record:
    """An event of one subject: what it says besides its service, to the fields of its decision."""
    each = decision(number, category("provided.email"), subject=subject_of(1), kind=kind)
    fields = {"service": service, "recipient": "", "dataset": "", **said}
    return record(each.model_copy(update=fields), number)


def _edges(rows: Any) -> set[tuple[str, str, str]]:
    return {(edge.source, edge.target, edge.how) for edge in rows}


def test_a_graph_says_how_each_edge_is_known(both: Both) -> None:
    """What events name, what they declare to stem from, and what is inferred where nobody said, are told apart."""
    partner = Facts(method=Method.RECEIVED, received_from="partner")
    LedgerWriter(both.store, "run").process(
        [
            _step(1, Kind.COLLECT, "shop"),
            _step(2, Kind.STORE, "shop", dataset="orders"),
            _step(3, Kind.USE, "mailer", dataset="orders"),
            _step(4, Kind.SHARE, "mailer", recipient="acme"),
            _step(5, Kind.USE, "scorer", particulars=Particulars(derived_from=["e-0-3", "gone"])),
            _step(6, Kind.COLLECT, "hub", facts=partner),
        ]
    )
    named = {("shop", "orders", "named"), ("orders", "mailer", "named"), ("mailer", "acme", "named")}
    one = both.ledger.ask(SubjectGraph(subject=subject_of(1)), asker=ASKER)
    ends = {(subject_of(1), "shop", "named"), ("partner", "hub", "named")}
    assert _edges(one.rows) == named | ends | {("mailer", "scorer", "declared"), ("shop", "mailer", "inferred")}
    assert one.not_found == 1
    everybody = both.ledger.ask(Graph(), asker=ASKER)
    inferred = {(source, target, "inferred") for source in ("hub", "shop") for target in ("mailer", "scorer")}
    assert _edges(everybody.rows) == named | {("", "shop", "named"), ("", "hub", "named")} | inferred
    assert ("dataset", "orders") in {(node.kind, node.name) for node in everybody.nodes}


def test_data_is_followed_from_place_to_place(both: Both) -> None:
    """Stored by one service, used by another, shared to a party: each place, its distance and whose data it was."""
    one, other = subject_of(1), subject_of(2)

    def step(number: int, subject: str, service: str, kind: Kind, **names: str) -> Record:
        each = decision(number, category("provided.email"), subject=subject, kind=kind)
        fields = {"service": service, "dataset": "", "recipient": "", **names}
        return record(each.model_copy(update=fields), number)

    LedgerWriter(both.store, "run").process(
        [
            step(1, one, "shop", Kind.STORE, dataset="orders"),
            step(2, other, "shop", Kind.STORE, dataset="orders"),
            step(3, one, "mailer", Kind.USE, dataset="orders"),
            step(4, one, "mailer", Kind.SHARE, recipient="acme"),
            step(5, subject_of(3), "mailer", Kind.SHARE, recipient="acme"),
            step(6, other, "elsewhere", Kind.SHARE, recipient="globex"),
        ]
    )
    answer = both.ledger.ask(Blast(start="dataset", name="orders", since=START), asker=ASKER)
    found = [(each.kind, each.name, each.hops, each.flows, each.subjects) for each in answer.rows]
    assert found == [("dataset", "orders", 0, 0, 2), ("service", "mailer", 1, 1, 1), ("party", "acme", 2, 1, 1)]
    near = both.ledger.ask(Blast(start="dataset", name="orders", since=START, hops_max=1), asker=ASKER)
    assert [each.name for each in near.rows] == ["orders", "mailer"]
    assert (answer.notify, near.notify) == (["acme"], [])
    early = Blast(start="dataset", name="orders", until=START + timedelta(seconds=2))
    assert both.ledger.ask(early, asker=ASKER).subjects == 1


def test_a_withdrawal_is_followed(both: Both) -> None:
    """Where data was that a record carried, what still moves of it since then, and who is to be told."""
    whose = subject_of(1)
    given = consent(9, whose)
    taken_back = consent(10, whose, event_id="back")
    ends = START + timedelta(seconds=3)
    data = given.data.model_copy(update={"state": RecordState.WITHDRAWN})
    carried = category("provided.email", consent=given.data.record)

    def share(number: int, party: str, part: CategoryDecision) -> Record:
        each = decision(number, part, subject=whose).model_copy(update={"recipient": party})
        return record(each, number)

    LedgerWriter(both.store, "run").process(
        [
            record(given, 1),
            share(2, "acme", carried),
            record(taken_back.model_copy(update={"valid_from": ends, "data": data}), 3),
            share(4, "globex", category("provided.email")),
            share(5, "acme", category("provided.phone")),
        ]
    )
    question = Withdrawal(subject=whose, record=given.data.record)
    answer = both.ledger.ask(question, asker=ASKER)
    found = {(each.kind, each.name): (each.relied, each.since, each.permitted) for each in answer.rows}
    assert found == {("party", "acme"): (1, 0, 0), ("party", "globex"): (0, 1, 1), ("service", "shop"): (1, 1, 1)}
    assert (answer.ended_at, answer.categories, answer.notify) == (ends, ["provided.email"], ["acme", "globex"])
    before = both.ledger.ask(question.model_copy(update={"as_of": ends - timedelta(milliseconds=500)}), asker=ASKER)
    assert (before.ended_at, before.notify) == (None, ["acme"])


def test_what_nobody_gave_a_service_is_found(both: Both) -> None:
    """A use or share of what a service never collected and was never given is named, with some of its events."""
    LedgerWriter(both.store, "run").process(
        [
            _step(1, Kind.COLLECT, "shop", dataset="orders"),
            _step(2, Kind.USE, "shop"),
            _step(3, Kind.USE, "mailer", dataset="orders"),
            _step(4, Kind.SHARE, "shop", recipient="scorer"),
            _step(5, Kind.USE, "scorer"),
            _step(6, Kind.SHARE, "stranger", recipient="acme"),
            _step(7, Kind.SHARE, "stranger", recipient="acme", dataset="empty"),
        ]
    )
    (row,) = both.ledger.ask(Origin(), asker=ASKER).rows
    assert (row.service, row.category, row.kind, row.flows) == ("stranger", "provided.email", "share", 2)
    assert (row.recipients, row.datasets, row.came, row.first) == (["acme"], ["empty"], None, START.date())
    assert row.samples == ["e-0-6", "e-0-7"]
    strict = both.ledger.ask(Origin(by_dataset=False), asker=ASKER).rows
    assert {each.service for each in strict} == {"stranger", "mailer"}
