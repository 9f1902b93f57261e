"""A rule on trial is judged and recorded, and decides nothing."""

from __future__ import annotations

import pytest

from flowtrack.policy.pack import load_pack
from flowtrack.tracking.check import Checker
from flowtrack.tracking.rulebook import Rulebook
from flowtrack.wire.decisions import Tracked
from tests.rollout.scene import USE, Feed, day, event_message, files_of, registry

SHOP = registry(services={"shop": {"controller": "platform", "regions": ["KR"]}})
ON_TRIAL = """
@id("no-names-for-personalisation") @clause("1.1") @mode("%s") @reason("excessive")
forbid (principal, action == Action::"use", resource in Category::"provided.name");
@id("let-names-pass") @clause("1.1") @mode("%s")
permit (principal, action == Action::"use", resource in Category::"provided.name");
"""


def judged(mode: str) -> list[Tracked]:
    """What is written of an event that the rules on trial match."""
    files = {**files_of("1"), "policy/trial.cedar": ON_TRIAL % (mode, mode)}
    checker = Checker(Rulebook([load_pack(files)], [SHOP]), 1, lambda _: False)
    checker.assigned(0, ())
    return Feed(checker).batch([event_message("use", "shop", day(1), USE)])


@pytest.mark.parametrize("mode", ["shadow", "enforce"])
def test_a_shadow_rule_is_recorded_and_does_not_decide(mode: str) -> None:
    """In shadow mode the verdict rests on other rules, and situation and note name what would have denied."""
    found = judged(mode)
    [situation] = [each for each in found if each.type == "situation"]
    [category] = next(each for each in found if each.type == "decision").categories
    if mode == "shadow":
        assert situation.shadow == ["no-names-for-personalisation", "let-names-pass"]
        assert "no-names-for-personalisation" not in category.rules
        assert "shadow_deny" in category.notes
    else:
        assert situation.shadow == []
        assert category.rules == ["no-names-for-personalisation"]
        assert category.verdict == "deny"
