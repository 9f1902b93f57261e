"""The source: fetch a batch, have it worked, close it; again.

One thread owns the consumers and the producer.  The processor is called elsewhere (in a Faust agent, on the event
loop that also brings the control topics), one call at a time: the thread waits for each answer.
"""

from __future__ import annotations

import os
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

import structlog

from flowtrack.adapters.kafka import metrics
from flowtrack.adapters.kafka.beginnings import Beginning
from flowtrack.adapters.kafka.closing import OutputRefusedError, closing_for
from flowtrack.adapters.kafka.faults import BatchUndoneError
from flowtrack.adapters.kafka.lag import Place
from flowtrack.adapters.kafka.notes import OperatorNeededError
from flowtrack.adapters.kafka.plan import Plan
from flowtrack.adapters.kafka.reader import Batch, Reader
from flowtrack.adapters.kafka.settings import KafkaSettings
from flowtrack.adapters.kafka.status import SourceStatus
from flowtrack.errors import BrokerError, ContractError, DeliveryError, FlowtrackError, RuntimeStateError, StoreError
from flowtrack.tracking.records import Continuing, Gap, Output, Processor, Record

EXIT_FATAL = 70  # EX_SOFTWARE of sysexits.h: a supervisor starts the worker anew
EXIT_OPERATOR = 78  # EX_CONFIG: starting anew would not help, somebody has to look
_FAILURES_MAX = 3  # then it is not chance, and the batch is taken apart
_TAKEOVER_S = 600.0  # loading state is work, not silence
_LAG_EVERY_S = 5.0
_BACKOFF_S = (0.05, 0.2, 1.0, 5.0)  # between batches that are undone one after the other

_TOPIC_OF = attrgetter("topic")

_log = structlog.get_logger(__name__)

OnPoison = Callable[[Record, Exception], list[Output]]
OnGap = Callable[[Gap], list[Output]]


@dataclass(slots=True)
class Work:
    """A call to the processor, handed to whoever runs it, and its answer."""

    name: str
    call: Callable[[], Any]
    done: Future[Any] = field(default_factory=Future)

    def run(self) -> None:
        """Make the call; its result or its exception goes to who waits."""
        try:
            result = self.call()
        except Exception as error:  # noqa: BLE001 - whatever it was, the source decides what it means for the batch
            self.done.set_exception(error)
        else:
            self.done.set_result(result)


class ProcessingError(FlowtrackError):
    """The processor, or the broker's answer to what it made, refused a batch; nothing of it counts."""


class Source:
    """Feeds a processor from Kafka and closes its batches.

    Args:
        submit: hands a piece of work to whoever runs it.
        on_poison: gives the outputs for a record that the processor cannot work, e.g. a dead letter; without it,
            such a record ends the process.
        on_gap: gives the outputs for records that retention took before they were read; without it, a gap ends the
            process.
        leave: ends the process when its state is unknown; the broker undoes what was open.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        plan: Plan,
        processor: Processor,
        *,
        submit: Callable[[Work], None],
        on_poison: OnPoison | None = None,
        on_gap: OnGap | None = None,
        status: SourceStatus | None = None,
        leave: Callable[[int], object] = os._exit,
    ) -> None:
        self.status = status or SourceStatus()
        self._plan = plan
        self._processor = processor
        self._submit = submit
        self._on_poison = on_poison
        self._leave = leave
        self._stopping = threading.Event()
        self._on_gap = on_gap
        self._reader = Reader(
            settings,
            plan,
            self.status,
            resumed=self._resumed,
            gained=self._gained,
            lost=self._lost,
            gaps_recorded=on_gap is not None,
        )
        self._closing = closing_for(settings, plan, self._stopping.is_set)
        self._undone = 0
        self._lag_asked_s = 0.0

    def stop(self) -> None:
        """Ask for the end: the batch in hand is finished, then `run` returns."""
        self._stopping.set()

    def run(self) -> None:
        """Work until stopped; whatever goes wrong for good ends the process."""
        try:
            self._closing.open()
            self._reader.open()
            while not self._stopping.is_set():
                self._step()
            self._leave_off()
            self._reader.close()
            self._closing.end()
        except BaseException as error:  # noqa: BLE001 - an unknown state is left by leaving: the broker aborts
            self.status.reason = named(error)
            _log.error("worker ends", worker=self._plan.name, error=named(error))
            self._leave(EXIT_OPERATOR if isinstance(error, OperatorNeededError) else EXIT_FATAL)

    def _step(self) -> None:
        batch = self._reader.fetch()
        if self._reader.opening.unwritten and not self._write_opening(self._reader.opening):
            return
        if batch.ends and not batch.records:
            raise RuntimeStateError("a batch has offsets but no records")
        if batch.records or self._is_pending():
            self.status.busy_since_s = time.monotonic()
            self._work(batch)
        self._watch_lag()

    def _is_pending(self) -> bool:
        return isinstance(self._processor, Continuing) and self._processor.pending > 0

    def _leave_off(self) -> None:
        """Finish what is still to be committed; here, every batch is when it is done."""

    # -- a batch -----------------------------------------------------------------------------------------------

    def _work(self, batch: Batch) -> None:
        """Close a batch, if need be in parts."""
        try:
            for attempt in range(1, _FAILURES_MAX + 1):
                try:
                    self._close(batch)
                except ProcessingError as error:
                    if isinstance(error.__cause__, StoreError):
                        self._await_store(error)
                        return
                    _log.warning("batch failed", worker=self._plan.name, attempt=attempt, error=str(error))
                    self._backoff(attempt)
                else:
                    break
            else:
                self._take_apart(batch)
        except BatchUndoneError as error:
            self._undo(error)

    def _write_opening(self, opening: Beginning) -> bool:
        """Commit where partitions begin that have no commit yet, with a record of what is missing before it.

        So a gap is told once, and from then on no offset of these partitions has to be assumed.  False when the
        partitions have gone meanwhile, or come again.
        """
        notes = self._call("note", lambda: self._notes(opening.unwritten))
        try:
            self._closing.close(self._told_gaps(opening), opening.unwritten, self._reader.consumer, notes)
        except BatchUndoneError as error:
            self._undo(error)
            return False
        self._opened(opening)
        return True

    def _told_gaps(self, opening: Beginning) -> list[Output]:
        take = self._on_gap
        return [output for gap in opening.gaps for output in (take(gap) if take is not None else ())]

    def _opened(self, opening: Beginning) -> None:
        metrics.LOST.labels(self._plan.name).inc(sum(gap.end - gap.first for gap in opening.gaps))
        self._reader.opening = Beginning({}, {})

    def _await_store(self, error: ProcessingError) -> None:
        """Go back and try again later, as long as it takes: the store is away, and no record is to blame."""
        self.status.outside = str(error.__cause__)
        _log.warning("waiting for the store", worker=self._plan.name, error=str(error.__cause__))
        self._undo(error)

    def _undo(self, error: FlowtrackError) -> None:
        """Go back after a batch was undone, a little later each time."""
        _log.warning("batch undone", worker=self._plan.name, error=str(error))
        metrics.ABORTS.labels(self._plan.name).inc()
        self.status.busy_since_s = None
        self._undone += 1
        self._backoff(self._undone)
        self._reader.rewind()

    def _close(self, batch: Batch) -> None:
        """Process a batch and make its outputs and offsets durable.

        Raises:
            ProcessingError: the processor failed, or an output can never be written.
            BatchUndoneError: the same records come again.
        """
        began_s = time.monotonic()
        try:
            outputs, notes = self._call("process", lambda: self._process(batch))
        except Exception as error:
            self._call("aborted", self._processor.aborted)
            raise ProcessingError(named(error), where=first_of(batch)) from error
        self._finish(batch, outputs, notes)
        metrics.BATCH_SECONDS.labels(self._plan.name).observe(time.monotonic() - began_s)

    def _process(self, batch: Batch) -> tuple[list[Output], dict[Place, str]]:
        """Call the processor, in its thread: the batch's outputs, and the notes to be committed with it."""
        return self._processor.process(batch.records), self._notes(batch.ends)

    def _notes(self, ends: Mapping[Place, int]) -> dict[Place, str]:
        own = {p: self._reader.note(self._processor.note(p)) for p in {at[1] for at in ends}}
        return {at: own[at[1]] for at in ends}

    def _finish(self, batch: Batch, outputs: list[Output], notes: Mapping[Place, str]) -> None:
        try:
            self._closing.close(outputs, batch.ends, self._reader.consumer, notes)
        except OutputRefusedError as error:
            self._call("aborted", self._processor.aborted)
            raise ProcessingError(str(error), where=first_of(batch)) from error
        except BatchUndoneError:
            self._call("aborted", self._processor.aborted)
            raise
        self._call("committed", self._processor.committed)
        self._worked()
        self._count(batch, outputs)

    def _worked(self) -> None:
        """Note that things go well."""
        self.status.committed()
        self._undone = 0

    def _take_apart(self, batch: Batch) -> None:
        """Close a failing batch in halves, each in order, until the culprit stands alone.

        Raises:
            RuntimeStateError: nobody takes culprits, or what failed is not the record but the world around it.
        """
        if not batch.records:
            raise RuntimeStateError(
                "what the processor has to do between batches fails again and again",
                where=self._plan.name,
                help="mend what the log names; the worker starts anew and goes on there",
            )
        if len(batch.records) == 1:
            self._quarantine(batch)
            return
        middle = len(batch.records) // 2
        for half in (Batch.of(batch.records[:middle]), Batch.of(batch.records[middle:])):
            try:
                self._close(half)
            except ProcessingError as error:
                self._require_poison(error)
                self._take_apart(half)

    def _quarantine(self, batch: Batch) -> None:
        """Have one record's outputs made by `on_poison`, since the processor cannot."""
        record = batch.records[0]
        try:
            self._close(batch)  # alone it may pass: what failed may have been the batch as a whole
        except ProcessingError as error:
            cause = self._require_poison(error)
            take = self._on_poison
            if take is None:
                raise
            _log.error("record quarantined", worker=self._plan.name, place=place_of(record), error=str(error))
            outputs, notes = self._call("quarantine", lambda: (take(record, cause), self._notes(batch.ends)))
            self._finish(batch, outputs, notes)
            metrics.QUARANTINED.labels(self._plan.name).inc()

    def _require_poison(self, error: ProcessingError) -> Exception:
        """Give what failed, unless it says nothing about the record.

        A store or a broker that does not answer would make every record a culprit.
        """
        cause = error.__cause__
        if self._on_poison is None and isinstance(cause, ContractError):
            raise OperatorNeededError(
                f"a record cannot be taken: {cause.what}",
                where=cause.where or error.where,
                help=f"{cause.help}; the worker goes on at that record when it is started again",
            ) from error
        if self._on_poison is None or not isinstance(cause, Exception) or isinstance(cause, StoreError | DeliveryError):
            raise RuntimeStateError(
                f"the processor fails again and again: {error.what}",
                where=error.where,
                help="mend what it names; the worker starts anew and goes on at the same record",
            ) from error
        return cause

    # -- the processor -------------------------------------------------------------------------------------------

    def _resumed(self, partition: int, committed: int) -> int:
        offset: int = self._call("resume_from", lambda: self._processor.resume_from(partition, committed), _TAKEOVER_S)
        return offset

    def _gained(self, partition: int, history: Iterable[Record]) -> None:
        self._call("assigned", lambda: self._processor.assigned(partition, history), _TAKEOVER_S)

    def _lost(self, partition: int) -> None:
        self._call("revoked", lambda: self._processor.revoked(partition))

    def _call(self, name: str, call: Callable[[], Any], within_s: float | None = None) -> Any:  # noqa: ANN401 - the call's own result
        within_s = self._plan.answer_within_s if within_s is None else within_s
        work = Work(name, call)
        self._submit(work)
        try:
            return work.done.result(within_s)
        except TimeoutError as error:
            if work.done.done():
                raise  # the processor's own
            # BaseException, so that nobody takes it for a failed batch and goes on beside an agent that still works.
            raise SystemExit(f"the agent has not answered `{name}` within {within_s:g} s") from error

    # -- watching ------------------------------------------------------------------------------------------------

    def _count(self, batch: Batch, outputs: list[Output]) -> None:
        worker = self._plan.name
        metrics.BATCHES.labels(worker).inc()
        metrics.OUTPUTS.labels(worker).inc(len(outputs))
        for topic, count in Counter(map(_TOPIC_OF, batch.records)).items():
            metrics.RECORDS.labels(worker, topic).inc(count)

    def _watch_lag(self) -> None:
        now_s = time.monotonic()
        if now_s - self._lag_asked_s < _LAG_EVERY_S:
            return
        self._lag_asked_s = now_s
        try:
            self._reader.check_topics()
            lags = self._reader.lag_records()
        except OperatorNeededError:
            raise
        except BrokerError as error:
            self.status.broker_down = str(error)
            return
        for topic, records in lags.items():
            metrics.LAG_RECORDS.labels(self._plan.name, topic).set(records)
        self.status.lagging(sum(lags.values()))

    def _backoff(self, failures: int) -> None:
        self._stopping.wait(_BACKOFF_S[min(failures, len(_BACKOFF_S)) - 1])


def place_of(record: Record) -> str:
    """Where a record stands, for logs."""
    return f"{record.topic}/{record.partition}@{record.offset}"


def first_of(batch: Batch) -> str:
    """Where a batch begins, for logs."""
    return place_of(batch.records[0]) if batch.records else "between batches"


def named(error: BaseException) -> str:
    """Name an error and its place, without its text unless it is ours: foreign texts may quote what a record holds."""
    if isinstance(error, FlowtrackError | SystemExit):
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)
    at = f" in {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return f"`{type(error).__name__}`{at}"
