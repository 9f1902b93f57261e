"""A change of rules or registry over all subjects: judged anew in bounded steps, while new decisions keep coming.

A step takes one span of subjects.  How far it has come is noted after the step's outputs are durable, so a kill
repeats a step at most, which finds nothing left to write and publishes its amendments once more.

A consent marker that comes meanwhile builds on this change: for its subjects the change is made first, out of turn.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from hashlib import blake2b
from typing import NamedTuple

import structlog

from flowtrack.policy.decide import Decider
from flowtrack.tracking.amend_judge import RowJudge
from flowtrack.tracking.amend_plan import Planner, eras_of
from flowtrack.tracking.amend_rows import FlowRow, Knowledge, blocks_of, standing
from flowtrack.tracking.amend_rules import RuleLibrary
from flowtrack.tracking.amend_store import AmendStore, Job, Scope, Span
from flowtrack.tracking.amend_told import amendments
from flowtrack.tracking.records import Output
from flowtrack.tracking.rows import JUDGEMENTS

BLOCK_ROWS = 100_000
_TRIES_MAX = 2

_log = structlog.get_logger(__name__)


class Sizes(NamedTuple):
    """How much one step does; none takes much longer than a second."""

    situations: int = 500
    """Judged before any row is touched: a millisecond each, where no pack has met it yet."""
    engine_rows: int = 50_000
    """That the engine writes by situation: half a CPU second; much less than what surely is one block."""
    judged_rows: int = 5_000
    """Of a span in which rows are judged one by one."""


class Rejudging:
    """One marker's job.

    Args:
        store: the ledger.
        library: the rules behind markers and labels.
        knowledge: the marker.
        job: how far it has come.
        sizes: of its steps.
        resumed: whether somebody worked on it before: what they wrote last is looked for.
    """

    def __init__(
        self, store: AmendStore, library: RuleLibrary, knowledge: Knowledge, job: Job, sizes: Sizes, *, resumed: bool
    ) -> None:
        self._sizes = sizes
        self.knowledge = knowledge
        self.job = job
        self.scope = Scope(knowledge.epoch, knowledge.partition, knowledge.offset, knowledge.since_us)
        self._store = store
        self._library = library
        self._judge = RowJudge()
        self._plan: Planner | None = None
        self._worked: Job | None = None
        self._next: Job | None = None
        self._doubt = resumed
        self._out_of_turn = 0
        self._told = False
        self._deadline_ms = 0

    @property
    def done(self) -> bool:
        """Whether nothing is left to do, and that is written down."""
        return self.job.done

    def step(self, deadline_ms: int = 0) -> list[Output]:
        """Work through the next span of subjects, and give what is to be published of it.

        Args:
            deadline_ms: see `tracking.intent.Intent`: a sink that was given up and wakes up writes nothing.

        Raises:
            StoreError: the store does not answer; the step comes again.
            RuntimeStateError: the marker's rules cannot be had.
        """
        self._deadline_ms = deadline_ms
        self._note()
        if self.done:
            return []
        decider = self._library.decider(self.knowledge.marker.rules)
        plan = self._planned(decider)
        if not plan.done:
            return []
        rows = self._sizes.judged_rows if plan.one_by_one else self._sizes.engine_rows
        after = self.job.cursor
        upto = self._store.span_end(self.scope, after, rows) if plan.changes or plan.one_by_one else ""
        if not upto:
            self._worked = self.job._replace(done=True, steps=self.job.steps + 1)
            return []
        span = Span(after, upto)
        if plan.changes:
            self._surely(lambda token: self._rewrite(plan, span, token), f"e{after}")
        if plan.one_by_one:
            self._surely(lambda token: self._one_by_one(sorted(plan.one_by_one), span, decider, token), f"r{after}")
        self._doubt = False
        self._worked = self.job._replace(cursor=upto, steps=self.job.steps + 1)
        if not plan.tells:
            return []
        return list(amendments(self._store.brought_in(self.scope, span), self.knowledge, self._store.judgements))

    def of_subjects(self, subjects: Collection[str], deadline_ms: int = 0) -> None:
        """Make the change for some subjects out of turn; it is published when their turn comes."""
        self._deadline_ms = deadline_ms
        decider = self._library.decider(self.knowledge.marker.rules)
        rows = standing(self._store.flows_of(self.scope, subjects), self.scope.offset, self.scope.since_us)
        named = blake2b("".join(sorted(subjects)).encode(), digest_size=8).hexdigest()
        self._write(rows, decider, lambda number: self._token(f"s{named}:{self._out_of_turn}:{number}"))
        self._out_of_turn += self._doubt

    def _note(self) -> None:
        """Write down how far the last step came whose outputs are durable."""
        if self._next is not None:
            self._store.note_job(self._next)
            self.job, self._next = self._next, None
            if self.done:
                counts = dict(self._judge.counts)
                _log.info("judged anew", partition=self.job.partition, cause=self.knowledge.marker.cause, **counts)

    def committed(self) -> None:
        """The last step's outputs are published."""
        self._next, self._worked = self._worked or self._next, None

    def aborted(self) -> None:
        """The last step's outputs are not published: it comes again."""
        self._worked = None
        self._doubt = True
        self._judge.forget()

    def _planned(self, decider: Decider) -> Planner:
        """Judge some more of the situations; they are written down with the last of them."""
        plan = self._plan
        if plan is None:
            eras = eras_of(decider, self.scope.since_us)
            seen = self._store.seen(self.scope, [era.since_us for era in eras[1:]])
            plan = self._plan = Planner(seen, eras, self._library, self.knowledge.recorded_at_ms)
        plan.judge(self._sizes.situations)
        if plan.done and not self._told:
            for number, block in enumerate(blocks_of(list(plan.judgements.values()), (), BLOCK_ROWS)):
                self._store.insert(block, self._token(f"{JUDGEMENTS}:{number}:{self.job.steps}"), self._deadline_ms)
            _log.info(
                "judging anew",
                partition=self.job.partition,
                cause=self.knowledge.marker.cause,
                changed=len(plan.changes),
                unchanged=plan.unchanged,
                one_by_one=len(plan.one_by_one),
            )
            self._told = True
        return plan

    def _rewrite(self, plan: Planner, span: Span, token: str) -> bool:
        at_ms = self.knowledge.recorded_at_ms
        self._store.rewrite(self.scope, span, plan.changes, at_ms, token, self._deadline_ms)
        return self._doubt

    def _one_by_one(self, situations: Sequence[int], span: Span, decider: Decider, token: str) -> bool:
        rows = self._store.flows_in(self.scope, span, situations)
        pairs = self._write(
            standing(rows, self.scope.offset, self.scope.since_us), decider, lambda number: f"{token}:{number}"
        )
        return self._doubt and bool(pairs)

    def _surely(self, write: Callable[[str], bool], name: str) -> None:
        """Write until nothing is left to write; once is enough where nothing is in doubt.

        A token keeps two writers of one step from writing it twice.  After a kill the engine may remember the token
        and have lost the rows (STORE: exactness): so where that may be, the ledger is looked at again, and what is
        still to be written gets another token.
        """
        for attempt in range(_TRIES_MAX):
            if not write(self._token(f"{name}:{attempt}")):
                return

    def _write(self, rows: Sequence[FlowRow], decider: Decider, token: Callable[[int], str]) -> list[FlowRow]:
        if not rows:
            return []
        histories = self._store.histories(self.scope, {row["subject"] for row in rows})
        judgements, pairs = self._judge.answers(rows, decider, histories, self.knowledge)
        for number, block in enumerate(blocks_of(judgements, pairs, BLOCK_ROWS)):
            self._store.insert(block, token(number), self._deadline_ms)
        return pairs

    def _token(self, name: str) -> str:
        scope = self.scope
        return f"amend:{scope.epoch}:{scope.partition}:{scope.offset}:{name}"
