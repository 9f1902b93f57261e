"""Judging anew: what was learned late corrects what the ledger says, without changing what it said then.

A marker says that everything before it on its partition was judged without something (tracking/late.py).  Here the
rows that it touches are found, judged by the same evaluator with what is known now, and where the answer differs, the
row is taken back and another stands in its place, both known from the marker on.

What is written is a function of the rows before the marker and of the marker.  So it does not matter how often it is
done: a second time finds the rows retracted already, and publishes the same amendments from what is there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence

import structlog

from flowtrack.domain.decision import Marker
from flowtrack.errors import ContractError
from flowtrack.tracking.amend_job import Rejudging, Sizes
from flowtrack.tracking.amend_judge import RowJudge
from flowtrack.tracking.amend_rows import FlowRow, Knowledge, blocks_of, standing
from flowtrack.tracking.amend_rules import RuleLibrary
from flowtrack.tracking.amend_store import AmendStore, Job, Scope
from flowtrack.tracking.amend_told import Judgements, SituationKey, amendments
from flowtrack.tracking.records import Output, Record
from flowtrack.tracking.rows import Block
from flowtrack.wire.decisions import decode_tracked
from flowtrack.wire.encode import encode

ROWS_MAX = 100_000
"""The most rows of a block; a subject has seven thousand at most, of millions."""

_log = structlog.get_logger(__name__)


class Amender:
    """Acts on markers: on those of consents at once, on those of rules and registry in steps.

    Args:
        store: the ledger.
        library: the rules behind markers and labels.
        epoch: which life of the broker the markers come from; rows of earlier lives are not theirs.
        sizes: of the steps in which rules and registry are acted on.
    """

    def __init__(self, store: AmendStore, library: RuleLibrary, *, epoch: str = "", sizes: Sizes | None = None) -> None:
        self._sizes = sizes or Sizes()
        self._store = store
        self._library = library
        self._epoch = epoch
        self._judge = RowJudge()
        self._jobs: dict[int, list[Rejudging]] = {}
        """By partition that is owned, the jobs that are not done, in the order of their markers."""

    # -- partitions --------------------------------------------------------------------------------------------

    def assigned(self, partition: int) -> None:
        """Take over a partition, with the jobs that its last owner left."""
        left = [job for job in self._store.jobs(self._epoch) if job.partition == partition and not job.done]
        self._jobs[partition] = [self._job(job, resumed=True) for job in sorted(left, key=lambda job: job.offset)]

    def revoked(self, partition: int) -> None:
        """Give a partition up; the next owner finds its jobs in the ledger."""
        self._jobs.pop(partition, None)

    @property
    def pending(self) -> int:
        """How many jobs are not done."""
        return sum(len(jobs) for jobs in self._jobs.values())

    # -- consents ----------------------------------------------------------------------------------------------

    def amend(self, markers: Sequence[tuple[Marker, Record]], deadline_ms: int = 0) -> tuple[list[Block], list[Output]]:
        """Judge anew what markers of consents touch; all of them in one look at the ledger.

        Everything before the markers must be in the ledger; what stands after them there does not matter.  Each
        marker is acted on by itself, in order, so that a question as of what was known between two of them is
        answered by the first.

        Args:
            markers: of consents, with their records, in the order of each partition.
            deadline_ms: of what jobs under way write for their subjects first (`tracking.intent.Intent`).

        Returns:
            The blocks to insert, all of them before the markers are committed, and what is to be published.

        Raises:
            StoreError: the store does not answer.
            RuntimeStateError: a marker's rules cannot be had.
        """
        partitions: dict[int, list[Knowledge]] = defaultdict(list)
        for marker, record in markers:
            partitions[record.partition].append(Knowledge.of(marker, record, self._epoch))
        blocks: list[Block] = []
        outputs: list[Output] = []
        for partition, learned in partitions.items():
            self._catch_up(partition, learned, deadline_ms)
            more_blocks, more_outputs = self._amend(partition, sorted(learned, key=lambda each: each.offset))
            blocks += more_blocks
            outputs += more_outputs
        return blocks, outputs

    def _catch_up(self, partition: int, learned: Iterable[Knowledge], deadline_ms: int) -> None:
        """Make what is still being changed over all subjects for these first: they are judged on top of it."""
        for job in self._jobs.get(partition, ()):
            subjects = {_subject(each) for each in learned if each.offset > job.knowledge.offset}
            if subjects:
                job.of_subjects(subjects, deadline_ms)

    def _amend(self, partition: int, learned: Sequence[Knowledge]) -> tuple[list[Block], list[Output]]:
        last = learned[-1].offset
        since_us = min(each.since_us for each in learned)
        scope = Scope(self._epoch, partition, last, since_us)
        rows: dict[str, list[FlowRow]] = defaultdict(list)
        for row in self._store.flows_of(scope, {_subject(each) for each in learned}):
            rows[row["subject"]].append(row)
        written: list[FlowRow] = []
        judgements: list[FlowRow] = []
        outputs: list[Output] = []

        def judged(keys: Collection[SituationKey]) -> Judgements:
            own = {(row["pack"], row["situation"]): row for row in judgements}  # not in the ledger yet
            return {**self._store.judgements([key for key in keys if key not in own]), **own}

        for each in learned:
            subject = _subject(each)
            of_subject = rows[subject]
            touched = standing(of_subject, each.offset, each.since_us)
            if touched:
                decider = self._library.decider(each.marker.rules)
                said, pairs = self._judge.answers(touched, decider, {subject: each.history()}, each)
                judgements += said
                written += pairs
                of_subject += pairs
            outputs += amendments(of_subject, each, judged)
        if learned:
            _log.info("judged anew", partition=partition, cause="consent", markers=len(learned), rows=len(written) // 2)
        return blocks_of(judgements, written, ROWS_MAX), outputs

    # -- rules and registry ------------------------------------------------------------------------------------

    def begin(self, marker: Marker, record: Record) -> None:
        """Write down that everything since an instant is to be judged anew; `step` does it.

        Again for the same marker it does nothing, whether the job is done or not.

        Raises:
            StoreError: the store does not answer.
        """
        known = {(job.partition, job.offset): job for job in self._store.jobs(self._epoch)}
        if (record.partition, record.offset) in known:
            return  # noted in a batch that came again: it was taken over with the partition, or is in hand
        job = Job(
            epoch=self._epoch,
            partition=record.partition,
            offset=record.offset,
            recorded_at_ms=record.timestamp_ms,
            marker=encode(marker),
            cursor="",
            done=False,
            steps=0,
        )
        self._store.note_job(job)
        self._jobs.setdefault(record.partition, []).append(self._job(job, resumed=False))

    def step(self, deadline_ms: int = 0) -> list[Output]:
        """Work through the next span of subjects of the oldest job; nothing where there is none.

        Args:
            deadline_ms: after which the store refuses what it writes (`tracking.intent.Intent`); 0 for none.

        Raises:
            StoreError: the store does not answer.
            RuntimeStateError: a marker's rules cannot be had.
        """
        for jobs in self._jobs.values():
            while jobs:
                outputs = jobs[0].step(deadline_ms)
                if not jobs[0].done:
                    return outputs
                jobs.pop(0)
        return []

    def committed(self) -> None:
        """What was given out last is published."""
        for jobs in self._jobs.values():
            for job in jobs:
                job.committed()

    def aborted(self) -> None:
        """What was done for the batch in hand is not committed, and comes again."""
        self._judge.forget()
        for jobs in self._jobs.values():
            for job in jobs:
                job.aborted()

    def _job(self, job: Job, *, resumed: bool) -> Rejudging:
        marker = decode_tracked(job.marker)
        if marker.type != "marker":
            raise ContractError("unknown_type", "a job holds something else than a marker", where="rejudging")
        knowledge = Knowledge(marker, job.partition, job.offset, job.recorded_at_ms, job.epoch)
        return Rejudging(self._store, self._library, knowledge, job, self._sizes, resumed=resumed)


def _subject(knowledge: Knowledge) -> str:
    subject = knowledge.marker.subject
    if subject is None:
        raise ContractError("missing_field", "a marker of a consent names no subject", field="subject")
    return subject
