"""Judging anew when things go wrong, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowtrack.errors import RuntimeStateError, StoreError
from flowtrack.testing.ledger import MemoryLedger
from flowtrack.tracking.amend_rules import RuleLibrary
from flowtrack.tracking.amend_store import Change, Job, Scope, Span
from flowtrack.tracking.records import Record, Topic
from flowtrack.tracking.rows import FLOWS, Block
from tests.ledger.amending import Messages, Pipeline, changes, cut, more_events, pack_change, registry_change
from tests.ledger.day import START_MS
from tests.policy import world


class FailingLedger(MemoryLedger):
    """Fails at one of its writes, before or after it took effect; again and again until told otherwise."""

    def __init__(self, fail_at: int, *, after: bool) -> None:
        super().__init__()
        self.writes_left = fail_at
        self._after = after

    def insert(self, block: Block, token: str, deadline_ms: int = 0) -> None:
        """Insert, or fail."""
        self._write(lambda: super(FailingLedger, self).insert(block, token, deadline_ms))

    def rewrite(
        self,
        scope: Scope,
        span: Span,
        changes: Sequence[Change],
        recorded_at_ms: int,
        token: str,
        deadline_ms: int = 0,
    ) -> None:
        """Rewrite, or fail."""
        self._write(
            lambda: super(FailingLedger, self).rewrite(scope, span, changes, recorded_at_ms, token, deadline_ms)
        )

    def note_job(self, job: Job) -> None:
        """Note, or fail."""
        self._write(lambda: super(FailingLedger, self).note_job(job))

    def _write(self, write: Any) -> None:
        self.writes_left -= 1
        fails = self.writes_left in {0, -1}  # the second time too, since the sink tries an insert twice at once
        if not fails or self._after:
            write()
        if fails:
            raise StoreError("no answer", help="ask again")


def a_history(random: Random, pipeline: Pipeline) -> None:
    """Consents, events and changes of rules in a log, none of it in the ledger yet."""
    learned = changes(random, 2)
    for number, batch in enumerate(cut(random, Messages.of(random, 6, 14).shuffled(random))):
        if number % 3 == 2 and learned:
            pipeline.learn(learned.pop())
        pipeline.check(batch)


def key(row: dict[str, Any]) -> tuple[Any, ...]:
    """An order for rows."""
    return (row["event_id"], row["category"], row["revision"], row["sign"])


@settings(max_examples=12)  # each has rules that have met nothing
@given(seed=st.integers(0, 2**32), fail_at=st.integers(1, 30), after=st.booleans(), killed=st.booleans())
def test_a_store_that_fails_anywhere_changes_nothing_in_the_end(
    seed: int, fail_at: int, *, after: bool, killed: bool
) -> None:
    """Wherever a write fails, with or without effect, the rows end as in an undisturbed run, and nothing is untold."""
    calm, disturbed = Pipeline(MemoryLedger()), Pipeline(FailingLedger(fail_at, after=after))
    for pipeline in (calm, disturbed):
        a_history(Random(seed), pipeline)
    calm.settle()
    while disturbed.unsettled:
        try:
            disturbed.go_on()
        except StoreError:
            if killed:
                disturbed.new_writer("next")
            else:
                disturbed.writer.aborted()
    assert sorted(disturbed.rows(), key=key) == sorted(calm.rows(), key=key)
    assert set(disturbed.published) == set(calm.published)


def policy(version: str, since: int, **how: bool) -> Record:
    """A pack on its topic."""
    return Record(Topic.POLICIES, 0, 0, START_MS, f"default:{version}".encode(), pack_change(version, since, **how))


def judged_under(*, stricter: bool) -> Pipeline:
    """Events in the ledger, then a pack that reaches back."""
    pipeline = Pipeline(MemoryLedger())
    pipeline.check(Messages.of(Random(6), 6, 40).in_order())
    pipeline.sink()
    pipeline.learn(policy("2", 0, stricter=stricter))
    pipeline.check(more_events(6, 1, 100))
    return pipeline


def test_rules_that_differ_are_written_by_situation() -> None:
    """Where only rules differ, hardly a row is judged one by one, and every row that stands cites the new pack."""
    pipeline = judged_under(stricter=True)
    pipeline.settle()
    assert {answer[3] for answer in pipeline.answers().values()} == {"default@2"}
    assert any(amendment.cause == "policy" and amendment.changed == "default@2" for amendment in pipeline.amendments)


def test_a_pack_that_says_the_same_is_told_to_nobody() -> None:
    """Rows cite the new version, and no amendment is published, since no answer is another."""
    pipeline = judged_under(stricter=False)
    pipeline.settle()
    assert {answer[3] for answer in pipeline.answers().values()} == {"default@2"}
    assert pipeline.amendments == []


def test_new_decisions_come_between_two_steps() -> None:
    """While a change is made step by step, what is decided meanwhile is in the ledger at once."""
    pipeline = judged_under(stricter=True)
    pipeline.sink()
    assert pipeline.writer.pending == 1
    before = len(pipeline.answers())
    pipeline.check(more_events(7, 5, 200))
    pipeline.sink()
    assert pipeline.writer.pending == 1
    assert len(pipeline.answers()) > before


def test_another_sink_goes_on_where_the_last_one_stopped() -> None:
    """A job that is under way is found in the ledger by who takes the partition over, and ends as if never dropped."""
    calm, moved = judged_under(stricter=True), judged_under(stricter=True)
    calm.settle()
    moved.sink()
    for number in range(4):
        moved.new_writer(f"run {number}")
        moved.go_on()
    moved.settle()
    assert sorted(moved.rows(), key=key) == sorted(calm.rows(), key=key)
    assert set(moved.published) == set(calm.published)


def test_rules_that_are_nowhere_stop_the_sink() -> None:
    """Without the documents that a marker names nothing is judged, and the message says what brings them back."""
    pipeline = judged_under(stricter=True)
    pipeline.library = RuleLibrary()
    pipeline.new_writer("run")
    with pytest.raises(RuntimeStateError, match="nowhere any more") as refused:
        pipeline.settle()
    assert "publish that very version again" in refused.value.help
    assert not any(row["sign"] < 0 for row in pipeline.rows())


def test_rules_that_compaction_took_are_had_from_the_ledger() -> None:
    """The topic has the document no longer; the ledger keeps every version, and that is enough."""
    pipeline = judged_under(stricter=True)
    document = policy("2", 0, stricter=True)
    pipeline.writer.process([document])
    pipeline.library = RuleLibrary(
        shelf=pipeline.store if isinstance(pipeline.store, MemoryLedger) else None,
        packs=[pipeline.the_pack],
        documents=[world.registry()],
    )
    pipeline.new_writer("run")
    pipeline.settle()
    assert {answer[3] for answer in pipeline.answers().values()} == {"default@2"}


def test_the_same_version_with_other_contents_is_not_taken_for_it() -> None:
    """What a marker names by digest is not replaced by a later document under the same name and version."""
    pipeline = judged_under(stricter=True)
    pipeline.library = RuleLibrary(packs=[pipeline.the_pack], documents=[world.registry()])
    pipeline.library.take(policy("2", 0, stricter=False))
    pipeline.new_writer("run")
    with pytest.raises(RuntimeStateError, match="default@2"):
        pipeline.settle()


def test_rows_that_do_not_tell_their_event_stay_as_they_are() -> None:
    """Rows from before the ledger kept facts cannot be judged anew: they are left, not judged by half."""
    pipeline = judged_under(stricter=True)
    old = [row for row in pipeline.store_rows(FLOWS) if row["kind"] in {"share", "store", "collect"}]
    for row in old:
        row["facts"] = row["particulars"] = ""
    registry = registry_change("2", 0, "no orders")
    pipeline.learn(Record(Topic.REGISTRY, 0, 0, START_MS, b"world:2", registry))
    pipeline.check(more_events(8, 1, 300))
    pipeline.settle()
    touched = {row["event_id"] for row in pipeline.rows() if row["sign"] < 0 and row["registry"] == "world@2"}
    assert old
    assert touched.isdisjoint({row["event_id"] for row in old})
