"""Behind a plain checkpoint decisions are seen before they are committed: who comes next reckons with them."""

from __future__ import annotations

from random import Random

import pytest

from flowtrack.tracking.check import Checker
from flowtrack.tracking.records import Output, Record, Topic
from flowtrack.tracking.succession import judged_beyond
from tests.policy import world
from tests.tracking.checking import consent_record, event_record, rulebook, told

SUBJECT = "00000000" + "5eed" * 6


def use(at: int) -> dict[str, object]:
    """An event at a minute of the world's day."""
    return world.event(Random(1), 0, subject=SUBJECT, at=at)


def terms(at: int) -> dict[str, object]:
    """A consent record that takes effect at a minute of the world's day."""
    message = world.consent(Random(1), 0, subject=SUBJECT, at=at)
    return {**message, "data": {"record": "terms", "kind": "terms", "state": "accepted"}}


def checker(*, seen_early: bool) -> Checker:
    """A checker of one partition that nobody had before."""
    made = Checker(rulebook(), 1, lambda _: False, seen_early=seen_early)
    made.assigned(0, ())
    return made


def as_read(outputs: list[Output]) -> list[Record]:
    """What stands on decisions/0 afterwards."""
    written = [each for each in outputs if each.topic == Topic.DECISIONS]
    return [Record(Topic.DECISIONS, 0, offset, 0, each.key, each.value) for offset, each in enumerate(written)]


def test_a_decision_beyond_what_is_committed_is_seen() -> None:
    """Only decisions count, and only those of events that the group has not committed."""
    decisions = as_read(checker(seen_early=True).process([event_record(offset, use(5)) for offset in range(3)]))
    assert judged_beyond(decisions, 2)
    assert not judged_beyond(decisions, 3)
    copies = as_read(checker(seen_early=True).process([consent_record(7, terms(1))]))
    assert copies
    assert not judged_beyond(copies, 0)


@pytest.mark.parametrize("seen_early", [True, False], ids=["checkpoint", "transaction"])
def test_what_was_judged_in_an_aborted_batch_counts_where_it_was_seen(*, seen_early: bool) -> None:
    """A consent that reaches back behind it is announced by a marker; where nobody saw it there is nothing to amend."""
    made = checker(seen_early=seen_early)
    made.process([event_record(0, use(5))])
    made.aborted()
    found = told(made.process([consent_record(0, terms(1)), event_record(0, use(5))]))
    assert len(found.markers) == int(seen_early)


@pytest.mark.parametrize(("resumed", "end", "markers"), [(True, 1, 1), (True, 0, 0), (False, 1, 0)])
def test_a_record_may_have_replaced_one_that_compaction_took(*, resumed: bool, end: int, markers: int) -> None:
    """What stood in the log at a takeover is taken to reach back as far as can be, where others judged before.

    Published again under its key with a later time, a record makes a difference from its earlier time on, which whoever
    takes over after compaction cannot see.
    """
    note = "0.0..1772323200000000.0"  # judged up to the first minute of the world's day, before the record's effect
    made = Checker(rulebook(), 1, lambda _: resumed, noted=lambda _: [note] * resumed, consents_end=lambda _: end)
    made.assigned(0, ())
    assert (
        len([each for each in told(made.process([consent_record(0, terms(60))])).markers if each["subject"]]) == markers
    )
