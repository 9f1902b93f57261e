"""Judging: the outcomes, their precedence, and that nothing passes because a rule could not be evaluated."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from flowtrack.domain.consent import ConsentData
from flowtrack.domain.history import NOTHING, Entry, entry_of
from flowtrack.domain.instants import instant_us
from flowtrack.domain.names import Gap, Kind, Note, Verdict
from flowtrack.policy.decide import Decider, decider_of
from flowtrack.policy.judge import Judge
from flowtrack.policy.pack import Pack, default_pack
from flowtrack.policy.situation import attributes, from_attributes, situation_id
from tests.policy.small_pack import NOW, decided, event, files, shop, small_pack

ERRING = """
@id("overflows") @clause("2")
{effect} (principal, action == Action::"use", resource)
when {{ 9223372036854775807 + (if context.deemed then 0 else 1) > 0 }};
"""
USING = (
    entry_of(
        "t", instant_us(NOW) - 1, ConsentData.model_validate({"record": "t", "kind": "terms", "state": "accepted"})
    ),
)


@pytest.mark.parametrize("effect", ["forbid", "permit"])
def test_a_rule_that_errs_is_a_gap(effect: str) -> None:
    """A rule that cannot be evaluated, here for an overflow, leaves no permission beside it: fail closed."""
    pack = small_pack({"cases/use.yaml": None}, more_rules=ERRING.format(effect=effect))
    judged = decided(pack, event()).judged
    assert (judged.verdict, judged.gaps) == (Verdict.INDETERMINATE, (Gap.RULE_ERROR,))
    assert judged.severity == "medium"


def test_a_rule_that_errs_only_sometimes_is_a_gap_only_then() -> None:
    """Where the same rule can be evaluated, it decides."""
    pack = small_pack({"cases/use.yaml": None}, more_rules=ERRING.format(effect="forbid"))
    judged = decided(pack, event(), history=USING).judged
    assert (judged.verdict, judged.rules, judged.gaps) == (Verdict.DENY, ("overflows",), ())


def test_a_prohibition_beside_a_rule_that_errs_still_denies() -> None:
    """The error is named beside the denial."""
    pack = small_pack({"cases/use.yaml": None}, more_rules=ERRING.format(effect="forbid"))
    judged = decided(pack, event(purpose="outside")).judged
    assert (judged.verdict, judged.rules, judged.gaps) == (Verdict.DENY, ("no-outside",), (Gap.RULE_ERROR,))


@pytest.mark.parametrize("path", ["policy/scope.cedar", "policy/gaps.cedar"])
def test_an_error_in_a_rule_of_scope_or_gaps_is_a_gap(path: str) -> None:
    """A scope or gap rule that cannot be evaluated might have matched."""
    rule = ERRING.format(effect="forbid").replace('@clause("2")', '@clause("2") @gap("unknown_party")')
    pack = small_pack({"cases/use.yaml": None, path: rule})
    judged = decided(pack, event()).judged
    assert (judged.verdict, judged.gaps) == (Verdict.INDETERMINATE, (Gap.RULE_ERROR,))


@pytest.mark.parametrize("path", ["policy/notes.cedar", "policy/grounds.cedar", "policy/denials.cedar"])
def test_an_error_in_what_only_adds_words_decides_nothing(path: str) -> None:
    """A note, ground or citation that cannot be evaluated is left out; verdicts stay."""
    rule = ERRING.format(effect="forbid" if "denials" in path else "permit")
    pack = small_pack({path: rule})
    assert decided(pack, event()).judged.verdict is Verdict.PERMIT
    assert decided(pack, event(purpose="purpose")).judged.verdict is Verdict.DENY


def test_an_erring_shadow_rule_decides_nothing() -> None:
    """A rule that is only tried out can harm nobody, even when it cannot be evaluated."""
    rule = '@mode("shadow")' + ERRING.format(effect="forbid")
    judged = decided(small_pack(more_rules=rule), event()).judged
    assert (judged.verdict, judged.gaps, judged.notes) == (Verdict.PERMIT, (), ())


def test_a_shadow_rule_never_decides() -> None:
    """A shadow forbid is noted beside the permission; a shadow permit changes no denial."""
    forbid = '@id("tried") @mode("shadow") @clause("2") @severity("critical") forbid (principal, action, resource);'
    permit = '@id("tried") @mode("shadow") @clause("2") permit (principal, action, resource);'
    noted = decided(small_pack(more_rules=forbid), event()).judged
    assert (noted.verdict, noted.notes, noted.rules) == (Verdict.PERMIT, (Note.SHADOW_DENY,), ("use-service",))
    assert noted.severity == ""
    for purpose in ("outside", "purpose"):
        judged = decided(small_pack(more_rules=permit), event(purpose=purpose)).judged
        assert (judged.verdict, judged.notes) == (Verdict.DENY, ())


def test_scope_comes_before_everything() -> None:
    """What is out of scope is not applicable, beside prohibitions, gaps and permissions."""
    scope = (
        '@id("out") @clause("2") @reason("excluded_category") forbid (principal, action, resource == Category::"name");'
    )
    pack = small_pack({"policy/scope.cedar": scope, "cases/use.yaml": None})
    for purpose in ("service", "outside", "unheard.of"):
        judged = decided(pack, event(purpose=purpose)).judged
        assert (judged.verdict, judged.rules) == (Verdict.NOT_APPLICABLE, ("out",))


def test_a_prohibition_outweighs_a_gap_and_names_it() -> None:
    """An unknown service doing what is forbidden is denied, and said to be unknown."""
    judged = decided(small_pack(), event(source="/services/ghost", purpose="outside")).judged
    assert (judged.verdict, judged.gaps) == (Verdict.DENY, (Gap.UNKNOWN_SERVICE,))


def test_a_gap_outweighs_a_permission() -> None:
    """An unknown service doing what is permitted is indeterminate."""
    judged = decided(small_pack(), event(source="/services/ghost")).judged
    assert (judged.verdict, judged.gaps, judged.severity) == (Verdict.INDETERMINATE, (Gap.UNKNOWN_SERVICE,), "medium")


def test_nothing_that_no_rule_permits_passes() -> None:
    """Without a rule that permits, a known event is denied, with a reason."""
    judged = decided(small_pack(), event(purpose="purpose")).judged
    assert (judged.verdict, judged.reasons, judged.rules) == (Verdict.DENY, ("no_rule_permits",), ())


@pytest.mark.parametrize(
    ("change", "gap"),
    [
        ({"categories": ["unheard.of"]}, Gap.UNKNOWN_CATEGORY),
        ({"categories": ["unknown"]}, Gap.UNKNOWN_CATEGORY),
        ({"purpose": "unheard.of"}, Gap.UNKNOWN_PURPOSE),
        ({"purpose": "unknown"}, Gap.UNKNOWN_PURPOSE),
        ({"purpose": "none"}, Gap.UNKNOWN_PURPOSE),
        ({"combined_with": ["ghost"]}, Gap.UNKNOWN_SERVICE),
    ],
)
def test_unknown_names_are_gaps_whether_a_rule_says_so_or_not(change: dict[str, Any], gap: Gap) -> None:
    """Nothing passes by a name that nobody knows, not even by the names that situations use for such."""
    judged = decided(small_pack(), event(**change)).judged
    assert judged.verdict is Verdict.INDETERMINATE
    assert gap in judged.gaps


@pytest.mark.parametrize(
    ("recipient", "region", "gap"),
    [
        ("ghost", "KR", Gap.UNKNOWN_PARTY),
        ("later", "KR", Gap.PARTY_NOT_YET_REGISTERED),
        ("paycorp", "ZZ", Gap.UNKNOWN_REGION),
    ],
)
def test_unknown_parties_and_regions_are_gaps(recipient: str, region: str, gap: Gap) -> None:
    """A recipient that nobody registered, or not yet, and a place that is none are told apart."""
    permit = '@id("share") @clause("1") permit (principal, action == Action::"share", resource);'
    later = {"type": "affiliate", "since": (NOW + timedelta(microseconds=1)).isoformat()}
    registry = shop(parties={"paycorp": {"type": "affiliate"}, "later": later})
    share = event(Kind.SHARE, recipient=recipient, destination=region, basis="affiliate", channel={"encrypted": True})
    pack = small_pack(more_rules=permit)
    judged = decided(pack, share, registry=registry).judged
    assert (judged.verdict, judged.gaps) == (Verdict.INDETERMINATE, (gap,))


def test_norway_is_a_place() -> None:
    """`NO` unquoted in YAML is Norway, not false: in vocabularies, and so in decisions."""
    pack = small_pack()
    assert "NO" in pack.vocabularies.storage
    assert "False" not in pack.vocabularies.storage


def test_without_a_pack_in_force_nothing_passes() -> None:
    """Before the first pack, and without any, an event is indeterminate and the gap says why."""
    pack = small_pack()
    for decider, at in ((decider_of([pack]), pack.effective_from - timedelta(microseconds=1)), (Decider([]), NOW)):
        verdict = decider.decide(Kind.USE, event(at=at, categories=["name", "phone"]), NOTHING)
        assert verdict.verdict is Verdict.INDETERMINATE
        assert [each.judged.gaps for each in verdict.categories] == [(Gap.NO_POLICY_IN_FORCE,)] * 2
    assert decided(pack, event(at=pack.effective_from)).judged.verdict is Verdict.PERMIT


def test_the_pack_in_force_at_the_event_decides() -> None:
    """Of several versions the last that had begun decides; of two that begin together the one given last."""
    later = files()
    later["pack.yaml"] = later["pack.yaml"].replace('"1"', '"2"').replace("2020-01-01", "2026-03-02")
    mended = {**later, "pack.yaml": later["pack.yaml"].replace('"2"', '"3"')}
    packs = [small_pack(), small_pack(later), small_pack(mended)]
    begin = packs[1].effective_from
    found = [
        decider_of(given, [shop()]).decide(Kind.USE, event(at=at), NOTHING).pack
        for given in (packs, [packs[2], packs[1], packs[0]])
        for at in (begin - timedelta(microseconds=1), begin)
    ]
    assert found == ["small@1", "small@3", "small@1", "small@2"]


def test_kinds_that_are_not_judged_are_kept() -> None:
    """Erasures and incidents are not applicable, whatever the rules say."""
    forbid = '@id("never") @clause("2") forbid (principal, action, resource);'
    interval = {"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z"}
    pack = small_pack({"cases/use.yaml": None}, more_rules=forbid)
    incident: dict[str, Any] = {"interval": interval, "party": "paycorp"}
    for kind, data in ((Kind.ERASE, {}), (Kind.INCIDENT, incident)):
        judged = decided(pack, event(kind, categories=None, purpose=None, **data)).judged
        assert (judged.verdict, judged.reasons) == (Verdict.NOT_APPLICABLE, ("kind_not_judged",))


def test_a_retention_without_end_is_compared_not_refused() -> None:
    """A store to be kept for millennia, or until yesterday, is judged like any other."""
    pack = default_pack()
    scope = {"storage": {"duration": {"max_days": 30}}}
    history = (_own(scope),)
    day = timedelta(days=1)
    permitted = [
        kept
        for kept in (-400 * day, -day, 0 * day, 29 * day, 30 * day, 30 * day + timedelta.resolution, 2_000_000 * day)
        if _stored(pack, history, NOW + kept) is Verdict.PERMIT
    ]
    assert permitted == [-400 * day, -day, 0 * day, 29 * day, 30 * day]
    assert _stored(pack, history, None) is Verdict.DENY


def _own(scope: dict[str, Any]) -> Entry:
    data = ConsentData.model_validate({"record": "own", "kind": "consent", "state": "given", "scope": scope})
    return entry_of("c", instant_us(NOW) - 1, data)


def _stored(pack: Pack, history: tuple[Entry, ...], until: datetime | None) -> Verdict:
    store = event(
        Kind.STORE,
        categories=["provided.name"],
        purpose="service.provide",
        basis="consent",
        dataset="d",
        custodian="platform",
        location="KR",
        channel={"encrypted": True},
        retain_until=until,
    )
    return decided(pack, store, history=history).judged.verdict


def test_a_situation_is_its_attributes() -> None:
    """A situation written as attributes and read again is the same, under the same number, which never changes."""
    situation = decided(small_pack(), event(source="/services/ghost", categories=["unheard.of"])).situation
    assert situation is not None
    again = from_attributes(attributes(situation))
    assert again == situation
    assert situation_id(again) == situation_id(situation)
    assert situation_id(situation) == "6df74ab21e32aca9"


def test_a_situation_holds_nobody() -> None:
    """Subject, event id, time, reference and session are in no situation."""
    one = event(reference="order-1", actor={"type": "staff", "id": "a", "session": "s-1"})
    other = one.model_copy(update={"id": "f", "subject": "f" * 32, "time": NOW + timedelta(days=1)})
    pack = small_pack()
    assert decided(pack, one).situation == decided(pack, other).situation
    assert "order-1" not in repr(decided(pack, one).situation)


def test_a_warm_judge_does_not_ask_again() -> None:
    """Situations are judged once."""
    judge = Judge(small_pack())
    decider = Decider([judge], [shop()])
    for number in range(5):
        decider.decide(Kind.USE, event(at=NOW + timedelta(seconds=number)), NOTHING)
    assert (judge.cold_count, judge.memo_size) == (1, 1)
