"""Groups of flows: what the engine says of them is what a ledger in memory says, whatever is asked."""

from __future__ import annotations

from datetime import timedelta
from itertools import product

import pytest

from flowtrack.adapters.clickhouse.ledger import ClickHouseLedger
from flowtrack.adapters.clickhouse.sink import SinkStore
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.audit.groups import OrphansAnswer, ReachAnswer, ReceivedAnswer, SituationsAnswer
from flowtrack.audit.ledger import Ledger
from flowtrack.audit.questions import (
    Changed,
    Coverage,
    Orphans,
    Overview,
    Period,
    Reach,
    Received,
    Shapes,
    Situations,
    Touched,
)
from flowtrack.domain.decision import Decision
from flowtrack.domain.facts import Facts, Particulars
from flowtrack.domain.names import Basis, Kind, Verdict
from flowtrack.testing.ledger import MemoryLedger
from flowtrack.tracking.ledger import LedgerStore, LedgerWriter
from flowtrack.tracking.records import Record
from flowtrack.tracking.rows import FLOWS, block_of, flow_rows
from tests.ledger.conftest import Both, clock
from tests.ledger.day import PACK, START, START_MS, a_day, category, decision, record, situation, subject_of

DAY = timedelta(days=1)
INSTANTS = (
    None,
    START - DAY,
    START + DAY,
    START + timedelta(hours=30),
    START.replace(hour=0) + 2 * DAY,
    START + 9 * DAY,
)


def fill(store: LedgerStore) -> None:
    """A week of events with datasets, references and facts, some of them judged anew later."""
    writer = LedgerWriter(store, "run")
    writer.process(a_day(120))
    writer.process(list(_a_week()))
    for number in range(0, 60, 9):
        first = _decision(number)
        later = record(first, 900 + number, at_ms=START_MS + 3 * 86_400_000 + number)
        verdict = Verdict.PERMIT if number % 2 else Verdict.DENY
        amended = first.model_copy(update={"revision": 1, "categories": [category("provided.email", verdict)]})
        taken_back = [row for row in flow_rows(first, later) if row[3] == "provided.email"]
        retracted = [(*row[:5], -1, *row[6:]) for row in taken_back]
        store.insert(block_of(FLOWS, [*retracted, *flow_rows(amended, later)]), f"amendment {number}")


def _a_week() -> list[Record]:
    found = []
    for number in range(60):
        each = _decision(number)
        for part in each.categories:
            found.append(record(situation(part), 2 * number))
        found.append(record(each, 2 * number + 1, at_ms=START_MS + number * 10_000_000))
    return found


def _decision(number: int) -> Decision:
    verdict = (Verdict.PERMIT, Verdict.DENY, Verdict.INDETERMINATE)[number % 3]
    kind = (Kind.STORE, Kind.USE, Kind.SHARE, Kind.COLLECT)[number % 4]
    each = decision(
        5_000 + number,
        category("provided.email", verdict, "r-1" if number % 5 else ""),
        category("provided.phone"),
        subject=subject_of(number % 7),
        kind=kind,
        happened_at=START + timedelta(hours=3 * number, microseconds=number),
    )
    return each.model_copy(
        update={
            "service": f"service-{number % 3}",
            "dataset": f"dataset-{number % 2}" if number % 4 < 3 else "",
            "recipient": f"party-{number % 5}" if kind is Kind.SHARE else "",
            "facts": Facts(basis=Basis.LAW) if number % 2 else Facts(),
            "particulars": Particulars(reference=f"order-{number % 2}") if number % 6 == 0 else Particulars(),
            "registry": "registry@1+more@2" if number % 10 == 0 else "registry@1",
        }
    )


@pytest.fixture
def ledgers(store: Store) -> tuple[Ledger, Ledger]:
    """The same rows in the engine and in memory."""
    memory = MemoryLedger(clock)
    for each in (memory, SinkStore(store)):
        fill(each)
    return ClickHouseLedger(store, clock=clock), memory


def periods() -> list[Period]:
    """Periods with ends on and off midnight, open and closed."""
    return [
        Period(since=since, until=until, known_at=known)
        for since, until, known in zip(
            INSTANTS, (*INSTANTS[2:], None, None), (*INSTANTS[3:], None, None, None), strict=True
        )
    ]


def plain(answer: SituationsAnswer) -> tuple[object, ...]:
    """The answer without the names that a ledger gives to groups, in one order."""
    flows = sorted(tuple(each.model_dump(exclude={"key"}).values()) for each in answer.flows)
    return flows, sorted(answer.judgements, key=lambda each: each.situation), answer.completeness


def touched_by(ledger: Ledger, period: Period) -> object:
    """What a change touches that concerns every second group of situations and every third shape."""
    met = sorted(
        ledger.situations_met(Situations(**dict(period))).flows,
        key=lambda each: (each.situation, each.service, each.recipient),
    )
    edges = [1_772_500_000_000_000, 1_772_600_000_000_000]
    shapes = sorted(
        ledger.shapes_met(Shapes(**dict(period), packs=[PACK], edges_us=edges)).shapes,
        key=lambda each: tuple(map(str, each.model_dump(exclude={"key"}).values())),
    )
    changes = [
        Changed(name=0, situation_keys=sorted({each.key for each in met if each.verdict == "deny"})),
        Changed(
            name=4, shape_keys=[each.key for each in shapes if each.verdict == "permit" and each.service != "shop"]
        ),
    ]
    question = Touched(
        **dict(period),
        changes=changes,
        situations=sorted({each.situation for each in met}),
        edges_us=edges,
    )
    shown = [each.model_dump(exclude={"key"}) for each in shapes]
    return shown, ledger.touched(question)


def test_both_ledgers_group_flows_alike(ledgers: tuple[Ledger, Ledger]) -> None:
    """Situations, shapes and whom they touch are the same in both, in any period, as it was known at any instant."""
    real, expected = ledgers
    for period in periods():
        question = Situations(**dict(period))
        assert plain(real.situations_met(question)) == plain(expected.situations_met(question)), period
        assert touched_by(real, period) == touched_by(expected, period), period


def test_both_ledgers_count_alike(ledgers: tuple[Ledger, Ledger]) -> None:
    """Overview, coverage, reach and receipts are the same in both, at any two times."""
    real, expected = ledgers
    for as_of, known_at in product(INSTANTS, INSTANTS):
        times = {"as_of": as_of, "known_at": known_at}
        assert real.overview(Overview(**times)) == expected.overview(Overview(**times)), times
        assert real.coverage(Coverage(**times)) == expected.coverage(Coverage(**times)), times
        for party in ("party-2", "nobody"):
            question = Received(**times, recipient=party)
            assert real.received(question) == expected.received(question), times
        for start, name in (("dataset", "dataset-0"), ("service", "service-1"), ("recipient", "party-2")):
            reach = Reach(**times, start=start, name=name, since=START + timedelta(hours=7))
            assert real.reach(reach) == expected.reach(reach), times


def test_both_ledgers_find_the_same_orphans(ledgers: tuple[Ledger, Ledger]) -> None:
    """Packs, registries and consents that rows name and nobody has are named by both."""
    real, expected = ledgers
    answer: OrphansAnswer = real.orphans(Orphans())
    for each, same in zip(answer.orphans, expected.orphans(Orphans()).orphans, strict=True):
        assert each.model_dump(exclude={"sample_events"}) == same.model_dump(exclude={"sample_events"})
        assert 0 < len(set(each.sample_events)) == len(each.sample_events) <= 3
    assert {each.what for each in answer.orphans} == {"pack", "registry", "consent"}


def test_judgements_that_are_missing_are_named(both: Both) -> None:
    """A flow whose situation nobody defined, and one whose judgement is gone, are two orphans."""
    only_judged, unknown = category("provided.email"), category("provided.phone", Verdict.DENY)
    LedgerWriter(both.store, "run").process([record(decision(1, only_judged), 0)])
    stray = flow_rows(decision(2, unknown), record(decision(2, unknown), 1))
    both.store.insert(block_of(FLOWS, stray), "stray")
    found = {each.what: each for each in both.ledger.orphans(Orphans()).orphans}
    assert found["definition"].name == f"{PACK} {only_judged.situation}"
    assert (found["judgement"].flows, found["judgement"].sample_events) == (1, ["e-0-2"])


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
    answer: ReachAnswer = both.ledger.reach(Reach(start="dataset", name="orders", since=START))
    found = [(each.kind, each.name, each.hops, each.flows, each.subjects) for each in answer.reached]
    assert found == [("dataset", "orders", 0, 0, 2), ("service", "mailer", 1, 1, 1), ("recipient", "acme", 2, 1, 1)]
    near: ReachAnswer = both.ledger.reach(Reach(start="dataset", name="orders", since=START, hops_max=1))
    assert [each.name for each in near.reached] == ["orders", "mailer"]
    received: ReceivedAnswer = both.ledger.received(Received(recipient="acme"))
    assert (received.flows, received.subjects, received.services) == (2, 2, ["mailer"])
