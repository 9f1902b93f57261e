"""What another pack would have decided: held against judging every event by that pack."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from flowtrack.apps.whatif import Limit, whatif
from flowtrack.audit.answers import CompleteUpTo
from flowtrack.audit.coverage import Coverage, cover
from flowtrack.audit.family import about
from flowtrack.audit.questions import Period
from flowtrack.audit.whatif import what_if
from flowtrack.domain.history import Entry, as_of, entry_of, with_entry
from flowtrack.errors import ConfigurationError
from flowtrack.policy.decide import decider_of
from flowtrack.policy.pack import Pack, load_pack
from flowtrack.policy.source import files_of_default_pack
from flowtrack.sample import SampleDay, SampleOptions, sample_day
from flowtrack.testing.ledger import MemoryLedger
from flowtrack.tracking.ledger import LedgerWriter
from flowtrack.wire.decode import decode_consent, decode_event, kind_of
from tests.ledger.checked import checked_records

FILES = files_of_default_pack()
OLD = load_pack(FILES)
DENIES = """
@id("try") @clause("3.1") @reason("no_rule_permits")
forbid ({principal}, action, resource in Category::"{category}") when {{ {when} }};
"""
CATEGORY = "vocabulary/category.yaml"


def pack_with(**changed: str) -> Pack:
    """The default pack with files changed."""
    return load_pack({**FILES, **changed})


def rule(principal: str = "principal", category: str = "automatic.ip", when: str = "true") -> dict[str, str]:
    """One more rule, that denies."""
    return {"policy/zz.cedar": DENIES.format(principal=principal, category=category, when=when)}


def moved(term: str, parents: str) -> dict[str, str]:
    """The category vocabulary with one term under other parents."""
    lines = FILES[CATEGORY].splitlines()
    found = [f"{term}: {{parents: [{parents}]}}" if line.startswith(f"{term}:") else line for line in lines]
    assert found != lines
    return {CATEGORY: "\n".join(found) + "\n"}


PACKS: Mapping[str, dict[str, str]] = {
    "the same": {},
    "a rule more": rule(),
    "a rule that names a service": rule('principal == Service::"account"', "personal"),
    "a rule that names a party": rule(category="personal", when='context.recipient == Recipient::"mobile-carrier"'),
    "a word more": {**rule(), CATEGORY: FILES[CATEGORY] + "\nautomatic.more: {parents: [automatic]}\n"},
    "a word elsewhere": moved("automatic.ip", "excluded"),
}


@pytest.fixture(scope="module")
def day() -> SampleDay:
    """A small day, with violations in it."""
    return sample_day(SampleOptions(seed=7, events=2_000, subjects=300))


@pytest.fixture(scope="module")
def ledger(day: SampleDay) -> MemoryLedger:
    """The day as the checker and the sink leave it."""
    memory = MemoryLedger(lambda: datetime(2026, 4, 1, tzinfo=UTC))
    LedgerWriter(memory, "run").process(checked_records(day))
    return memory


def verdicts(day: SampleDay, pack: Pack) -> dict[tuple[str, str, str], str]:
    """The verdict on each category of each event, by source and id, judged by a pack event by event."""
    histories: dict[str, tuple[Entry, ...]] = defaultdict(tuple)
    for item in day.consents():
        record = decode_consent(item.value)
        histories[item.subject] = with_entry(histories[item.subject], entry_of(record.id, item.time_us, record.data))
    decider = decider_of([pack], [day.registry])
    found = {}
    for item in day.events():
        event = decode_event(item.value)
        answer = decider.decide(kind_of(event.type), event, as_of(histories[item.subject], item.time_us))
        for each in answer.categories:
            found[event.source, event.id, each.category] = str(each.judged.verdict)
    return found


@pytest.mark.parametrize("name", PACKS)
def test_what_if_is_what_judging_every_event_says(name: str, day: SampleDay, ledger: MemoryLedger) -> None:
    """Whatever changes in a pack, each change of verdict is counted as judging the events anew would find it."""
    new = pack_with(**PACKS[name])
    answer = what_if(ledger, Period(), new, {OLD.label: OLD})
    before, after = verdicts(day, OLD), verdicts(day, new)
    events: dict[tuple[str, str], set[tuple[str, str]]] = defaultdict(set)
    flows: Counter[tuple[str, str]] = Counter()
    for at, was in before.items():
        if after[at] != was:
            flows[was, after[at]] += 1
            events[was, after[at]].add(at[:2])
    assert {(each.before, each.after): each.flows for each in answer.transitions} == flows
    assert {(each.before, each.after): each.events for each in answer.transitions} == {
        change: len(of) for change, of in events.items()
    }
    assert answer.unjudged == []
    assert answer.by_situation + answer.by_shape == answer.flows
    assert (answer.by_shape > 0) == (CATEGORY in PACKS[name])
    assert answer.changed == flows.total()
    assert bool(flows) == (name != "the same")


def test_changes_are_told_by_what_they_concern(ledger: MemoryLedger) -> None:
    """By category, service and clause the same flows are counted, and the samples are of them."""
    answer = what_if(ledger, Period(), pack_with(**rule()), {OLD.label: OLD})
    by = {name: sum(each.flows for each in answer.changes if each.by == name) for name in ("category", "service")}
    assert by == {"category": answer.changed, "service": answer.changed}
    assert {each.name for each in answer.changes if each.by == "category"} == {"automatic.ip"}
    assert {each.name for each in answer.changes if each.by == "clause" and each.after == "deny"} == {"3.1"}
    rows = {row["event_id"]: row for row in ledger.tables["flows"] if row["category"] == "automatic.ip"}
    assert all(event in rows for each in answer.transitions for event in each.sample_events)
    assert all(len(each.sample_subjects) <= 3 for each in answer.transitions)


def test_what_cannot_be_judged_is_counted(ledger: MemoryLedger) -> None:
    """Rows of a pack that nobody has, of an unknown registry, or without facts are told, and never taken for judged."""
    assert [each.reason for each in what_if(ledger, Period(), OLD, {}).unjudged] == ["pack_unknown"]
    word = pack_with(**PACKS["a word more"])
    bare = MemoryLedger()
    bare.tables = {name: [dict(row) for row in rows] for name, rows in ledger.tables.items()}
    for row in bare.tables["flows"]:
        row["facts"] = ""
    answer = what_if(bare, Period(), word, {OLD.label: OLD})
    assert [each.reason for each in answer.unjudged] == ["facts_missing"]
    assert 0 < answer.unjudged_flows == answer.flows - answer.by_shape - answer.by_situation
    bare.tables["documents"] = []
    answer = what_if(bare, Period(), word, {OLD.label: OLD})
    assert [each.reason for each in answer.unjudged] == ["registry_unknown"]


def test_limits_are_numbers_or_shares(ledger: MemoryLedger) -> None:
    """A limit is exceeded above its number of flows, or its share of the period's, and not at it."""
    answer = what_if(ledger, Period(), pack_with(**rule()), {OLD.label: OLD})
    denied = answer.flows_to("deny")
    assert denied > 0
    assert Limit.of(f"denied={denied}").exceeded(answer) == ""
    assert Limit.of(f"denied={denied - 1}").exceeded(answer)
    assert Limit.of("denied=0.0001%").exceeded(answer)
    assert Limit.of("changed=100%").exceeded(answer) == ""
    assert Limit.of("permitted=0").exceeded(answer) == ""
    for wrong in ("denied", "denied=many", "refused=3", "denied=-1", "denied=nan"):
        with pytest.raises(ConfigurationError, match="is no limit"):
            Limit.of(wrong)


def test_a_gate_that_nothing_was_held_against_is_not_passed(
    ledger: MemoryLedger, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A period without a flow, or that ends before it begins: no limit is kept or broken, and the status says so."""

    @contextmanager
    def opened(_: Path) -> Iterator[MemoryLedger]:
        yield ledger

    monkeypatch.setattr("flowtrack.apps.whatif.open_ledger", opened)
    monkeypatch.setattr("flowtrack.apps.whatif.accepted_pack", lambda _: OLD)
    asked = partial(whatif, tmp_path, tmp_path, known_at="", as_json=True)
    late = "2036-01-01T00:00:00Z"
    assert asked(since=late, until="", fail_above=["denied=0"]) == 2
    assert "nothing to hold the limits against" in capsys.readouterr().err
    assert asked(since=late, until="", fail_above=[]) == 0
    assert asked(since="", until=late, fail_above=["denied=0"]) == 0
    with pytest.raises(ConfigurationError, match="ends before it begins"):
        asked(since=late, until="2026-01-01T00:00:00Z", fail_above=[])


def test_coverage_lists_what_decided_and_what_never_did(ledger: MemoryLedger) -> None:
    """Every rule and clause is listed; what decided is counted as in the rows, and some situations fall under none."""
    trial = pack_with(**{"policy/zz.cedar": '@mode("shadow")' + rule()["policy/zz.cedar"]})
    question = Coverage()
    report = cover(ledger, question, about(question, CompleteUpTo()), {trial.label: trial})
    assert {each.rule for each in report.rules} == {each.id for each in trial.rules}
    assert {each.clause for each in report.rows} == set(trial.clauses)
    shadow = next(each for each in report.rules if each.set == "shadow")
    assert shadow.decided == 0
    assert shadow.matched == sum(row["category"] == "automatic.ip" for row in ledger.tables["flows"])
    assert any(each.decided for each in report.rules)
    assert any(not each.matched for each in report.rules)
    bare = sum(each.flows for each in report.uncovered)
    assert bare == report.uncovered_flows
    assert all(each.sample_events and each.verdict in {"deny", "indeterminate"} for each in report.uncovered)
    assert (report.unknown_packs, report.unread) == ([], 0)
