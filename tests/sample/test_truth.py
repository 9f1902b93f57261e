"""The truth of a sample day against the engine: what was planted is found, and nothing else."""

from __future__ import annotations

from collections import defaultdict

import pytest

from flowtrack.domain.history import Entry, as_of, entry_of, with_entry
from flowtrack.domain.names import Gap, Reason, Verdict
from flowtrack.policy.decide import decider_of
from flowtrack.policy.judge import Judged
from flowtrack.policy.pack import default_pack
from flowtrack.sample import SampleDay, SampleOptions, sample_day
from flowtrack.sample.plants import Plant
from flowtrack.sample.violations import PLANTS
from flowtrack.wire.decode import decode_consent, decode_event, kind_of

# Every clause of CLAUSES.md that denies.
DENYING = {
    "0.1", "0.2", "2.2d", "2.3", "3.0", "3.2b", "3.2c", "3.4", "4.0a", "4.0b", "4.1", "4.2", "4.3", "4.4", "4.5", "4.6",
    "5.1", "5.2", "6.1", "6.2", "6.3", "6.4",
}  # fmt: skip
# Reasons of a denial that a day cannot hold, or that only a neighbour of them is planted for.
NOT_PLANTED_REASONS = {"consent_not_covering.storage"}
# A pack that is always in force, and rules that do not err.
NOT_PLANTED_GAPS = {"no_policy_in_force", "rule_error"}
PERMIT_REASONS = {
    "own_consent", "deemed_consent", "by_law", "legal_demand", "affiliate", "processor", "breach_disclosure",
    "lawful_interest", "protection", "within_custody",
    "third_party_service", "excluded_category", "kind_not_judged",
}  # fmt: skip


def _found(day: SampleDay) -> dict[tuple[str, str], Judged]:
    """Event id and category of everything that the engine does not let pass."""
    histories: dict[str, tuple[Entry, ...]] = defaultdict(tuple)
    for item in day.consents():
        record = decode_consent(item.value)
        histories[item.subject] = with_entry(histories[item.subject], entry_of(record.id, item.time_us, record.data))
    decider = decider_of([default_pack()], [day.registry])
    found = {}
    for item in day.events():
        event = decode_event(item.value)
        verdict = decider.decide(kind_of(event.type), event, as_of(histories[item.subject], item.time_us))
        for each in verdict.categories:
            if each.judged.verdict in {Verdict.DENY, Verdict.INDETERMINATE}:
                found[event.id, each.category] = each.judged
    return found


def _assert_found_is_planted(day: SampleDay) -> None:
    found = _found(day)
    planted = {(violation.event_id, violation.category): violation for violation in day.truth.violations}
    missed = {violation.planted for at, violation in planted.items() if at not in found}
    false = [found[at] for at in found.keys() - planted.keys()]
    assert not missed
    assert not false
    for at, violation in planted.items():
        judged = found[at]
        assert judged.verdict == violation.verdict, violation.planted
        assert not violation.clause or violation.clause in judged.clauses, violation.planted
        assert not violation.reason or violation.reason in judged.reasons, violation.planted
        assert not violation.gap or violation.gap in judged.gaps, violation.planted


@pytest.mark.parametrize("seed", range(1, 6))
def test_a_small_day_is_found_whole(seed: int) -> None:
    """Of a small day the engine finds exactly what was planted, with verdict, clause and reason."""
    _assert_found_is_planted(sample_day(SampleOptions(seed=seed, events=1_000, subjects=200)))


def test_a_wide_day_is_found_whole() -> None:
    """More services, parties and people than usual change nothing."""
    options = SampleOptions(seed=3, events=5_000, subjects=3_000, services=45, parties=81)
    _assert_found_is_planted(sample_day(options))


def test_the_full_day_is_found_whole(full_day: SampleDay) -> None:
    """Of the demo's day the engine finds exactly what was planted."""
    _assert_found_is_planted(full_day)


def test_every_denying_clause_is_planted(small_day: SampleDay) -> None:
    """Each clause that denies is planted several times."""
    events = defaultdict(set)
    for violation in small_day.truth.violations:
        if violation.verdict == "deny":
            events[violation.clause].add(violation.event_id)
    assert set(events) == DENYING
    assert min(len(ids) for ids in events.values()) >= 2


def test_every_reason_and_gap_is_planted(small_day: SampleDay) -> None:
    """Each reason that denies and each gap that a day can hold is planted."""
    reasons = {violation.reason for violation in small_day.truth.violations} - {""}
    gaps = {violation.gap for violation in small_day.truth.violations} - {""}
    assert reasons == {reason.value for reason in Reason} - PERMIT_REASONS - NOT_PLANTED_REASONS
    known = {gap.value for gap in Gap} - NOT_PLANTED_GAPS
    assert gaps & known == gaps
    assert gaps >= {
        "unknown_service", "unknown_party", "party_not_yet_registered", "unknown_purpose", "unknown_category",
        "unknown_region", "needs_undeclared", "subject_country_unknown",
    }  # fmt: skip


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.planted)
def test_each_kind_of_violation_occurs(plant: Plant, small_day: SampleDay) -> None:
    """Nothing in the table of plants stays out of a small day."""
    assert any(violation.planted == plant.planted for violation in small_day.truth.violations)


def test_violations_are_few(full_day: SampleDay) -> None:
    """About one event in a hundred is a violation."""
    events = sum(1 for _ in full_day.events())
    share = len({violation.event_id for violation in full_day.truth.violations}) / events
    assert 0.005 < share < 0.015
