"""Groups of flows: what the engine says of them is what a ledger in memory says, whatever is asked."""

from __future__ import annotations

from itertools import product

import pytest

from flowtrack.adapters.clickhouse.ledger import ClickHouseLedger
from flowtrack.adapters.clickhouse.sink import SinkStore
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.audit.groups import OrphansAnswer, SituationsAnswer
from flowtrack.audit.ledger import Ledger
from flowtrack.audit.overview import Overview
from flowtrack.audit.questions import (
    Changed,
    Orphans,
    Period,
    Shapes,
    Situations,
    Touched,
)
from flowtrack.domain.names import Verdict
from flowtrack.testing.ledger import MemoryLedger
from flowtrack.tracking.ledger import LedgerWriter
from flowtrack.tracking.rows import FLOWS, block_of, flow_rows
from tests.ledger.conftest import ASKER, Both, clock
from tests.ledger.counting import rules_hit
from tests.ledger.day import PACK, category, decision, record
from tests.ledger.week import INSTANTS, fill


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
    """Overview and coverage are the same in both, at any two times."""
    real, expected = ledgers
    for as_of, known_at in product(INSTANTS, INSTANTS):
        times = {"as_of": as_of, "known_at": known_at}
        counted = Overview(**times, events=True)
        assert real.ask(counted, asker=ASKER) == expected.ask(counted, asker=ASKER), times
        assert rules_hit(real, **times) == rules_hit(expected, **times), times


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
