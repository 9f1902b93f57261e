"""The source: batches, closings, failures."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Sequence

import pytest
from confluent_kafka import Consumer, TopicPartition

from flowtrack.adapters.kafka import metrics
from flowtrack.adapters.kafka.source import EXIT_FATAL, EXIT_OPERATOR, Source, Work
from flowtrack.errors import StoreError
from flowtrack.tracking.records import Output, Record
from tests.kafka.conftest import PARTITIONS, Copying, Rig, running, until


def _values(count: int) -> list[bytes]:
    return [b"%d" % number for number in range(count)]


def test_every_record_is_worked_once_and_in_order(rig: Rig) -> None:
    """What is produced comes out once, in each partition's order, and its offsets are committed."""
    events, copies = rig.topic("events"), rig.topic("copies")
    rig.produce(events, _values(1_000))
    plan = rig.plan(events)
    with running(rig, plan, Copying(copies)):
        until(lambda: sum(rig.committed(plan.group, events).values()) == 1_000)
    copied = [(r.partition, r.value) for r in rig.read(copies)]
    assert copied == [(p, b"%s@%d" % (events.encode(), n)) for p in range(PARTITIONS) for n in range(250)]


def test_a_second_life_goes_on_where_the_first_stopped(rig: Rig) -> None:
    """After a graceful stop nothing comes again, and partitions were given up before the end."""
    events, copies = rig.topic("events"), rig.topic("copies")
    plan = rig.plan(events)
    first, second = Copying(copies), Copying(copies)
    for processor in (first, second):
        rig.produce(events, _values(100))
        with running(rig, plan, processor) as run:
            until(lambda: len(processor.records) == 100)  # noqa: B023 - called within the loop's turn
            run.stop()
        assert processor.calls[-1].startswith("revoked")
        assert sum(call.startswith("revoked") for call in processor.calls) == PARTITIONS
    assert len(rig.read(copies)) == 200


def test_state_comes_before_the_events_of_its_batch(rig: Rig) -> None:
    """State acknowledged before an event was sent is worked before it, in every batch."""
    consents, events, copies = rig.topic("consents"), rig.topic("events"), rig.topic("copies")
    processor = Copying(copies)
    with running(rig, rig.plan(events, consents, state_topic=consents), processor):
        until(lambda: len(processor.history) == PARTITIONS)
        waits_exceeded = metrics.OVERTAKEN.labels("test")._value.get()
        for number in range(20):
            rig.produce(consents, [b"%d" % number], partition=number % PARTITIONS)
            rig.produce(events, [b"%d" % number], partition=number % PARTITIONS)
        until(lambda: len(processor.records) == 40)
        waits_exceeded = metrics.OVERTAKEN.labels("test")._value.get() - waits_exceeded
    seen: set[tuple[int, bytes | None]] = set()
    overtaken = 0
    for record in processor.records:
        if record.topic == consents:
            seen.add((record.partition, record.value))
        else:
            overtaken += (record.partition, record.value) not in seen
    assert overtaken <= waits_exceeded, "only a broker slower than 50 ms may let an event overtake, and it is counted"


def test_a_backlog_of_state_is_read_whole_before_the_first_event(rig: Rig) -> None:
    """More state than a batch holds goes in batches of its own; the events wait for all of it."""
    consents, events, copies = rig.topic("consents"), rig.topic("events"), rig.topic("copies")
    rig.produce(consents, _values(2_000))
    rig.produce(events, _values(40))
    processor = Copying(copies)
    with running(rig, rig.plan(events, consents, state_topic=consents, batch_records_max=100), processor):
        until(lambda: len(processor.records) == 2_040)
    topics = [record.topic for record in processor.records]
    assert topics == [consents] * 2_000 + [events] * 40


def test_a_takeover_folds_state_up_to_the_committed_offset(rig: Rig) -> None:
    """The next owner of p gets consents/p from its beginning to its committed offset, and the rest as a batch."""
    consents, events, copies = rig.topic("consents"), rig.topic("events"), rig.topic("copies")
    plan = rig.plan(events, consents, state_topic=consents)
    rig.produce(consents, _values(80))
    first, second = Copying(copies), Copying(copies)
    with running(rig, plan, first):
        until(lambda: sum(rig.committed(plan.group, consents).values()) == 80)
    rig.produce(consents, _values(8))
    with running(rig, plan, second):
        until(lambda: len(second.records) == 8)
    assert not any(first.history.values())
    assert {p: [r.offset for r in h] for p, h in second.history.items()} == {p: list(range(20)) for p in range(4)}
    assert {r.offset for r in second.records} == {20, 21}


@pytest.mark.parametrize("snapshot", [12, 20])
def test_a_takeover_folds_only_what_a_snapshot_lacks(embedded: Rig, snapshot: int) -> None:
    """A processor that restored a snapshot is asked before it is assigned, and gets the state topic from there on."""
    consents, events, copies = embedded.topic("consents"), embedded.topic("events"), embedded.topic("copies")
    plan = embedded.plan(events, consents, state_topic=consents)
    embedded.produce(consents, _values(80))
    with running(embedded, plan, Copying(copies)):
        until(lambda: sum(embedded.committed(plan.group, consents).values()) == 80)
    restored = Copying(copies)
    restored.snapshot = snapshot
    with running(embedded, plan, restored):
        until(lambda: len(restored.history) == PARTITIONS)
    assert {p: [r.offset for r in h] for p, h in restored.history.items()} == {
        p: list(range(snapshot, 20)) for p in range(PARTITIONS)
    }
    assert restored.calls[:2] == ["resume_from 0 20", "assigned 0"]


def test_a_snapshot_ahead_of_what_is_committed_is_refused(embedded: Rig) -> None:
    """State of records that are not committed would count them twice: the worker ends and says so."""
    consents, events, copies = embedded.topic("consents"), embedded.topic("events"), embedded.topic("copies")
    ahead = Copying(copies)
    ahead.snapshot = 1
    with running(embedded, embedded.plan(events, consents, state_topic=consents), ahead) as run:
        until(lambda: run.left == [EXIT_FATAL])
        assert "ahead of what is committed" in run.source.status.reason


def test_a_failing_batch_is_undone_and_tried_again(rig: Rig) -> None:
    """An exception undoes the batch; when it was chance, the batch passes and counts once."""
    events, copies = rig.topic("events"), rig.topic("copies")
    rig.produce(events, _values(100))
    failures = iter([True, True])
    processor = Copying(copies, failing=lambda _: next(failures, False))
    with running(rig, rig.plan(events), processor) as run:
        until(lambda: len(rig.read(copies)) == 100)
        assert not run.left
    calls = [call for call in processor.calls if not call.startswith(("assigned", "revoked"))]
    assert calls[:6] == ["process", "aborted", "process", "aborted", "process", "committed"]


def test_a_record_that_always_fails_is_quarantined_and_its_neighbours_pass(rig: Rig) -> None:
    """After three failures the batch is taken apart: culprits go to `on_poison`, every other record is worked."""
    events, copies, letters = rig.topic("events"), rig.topic("copies"), rig.topic("letters")
    rig.produce(events, _values(200))
    culprits = {b"13", b"77", b"78"}
    processor = Copying(copies, failing=lambda record: record.value in culprits)
    plan = rig.plan(events)

    def on_poison(record: Record, error: Exception) -> list[Output]:
        return [Output(letters, record.partition, record.value, type(error).__name__.encode())]

    with running(rig, plan, processor, on_poison) as run:
        until(lambda: sum(rig.committed(plan.group, events).values()) == 200)
        assert not run.left
    assert {r.key for r in rig.read(letters)} == culprits
    assert {r.value for r in rig.read(letters)} == {b"ValueError"}
    copied = Counter((r.partition, r.value) for r in rig.read(copies))
    assert len(copied) == 197
    assert set(copied.values()) == {1}


def test_without_a_taker_of_culprits_the_worker_ends(embedded: Rig) -> None:
    """Nothing is skipped: where nobody takes culprits, the process ends at the record and nothing is committed."""
    events, copies = embedded.topic("events"), embedded.topic("copies")
    embedded.produce(events, _values(10))
    plan = embedded.plan(events)
    with running(embedded, plan, Copying(copies, failing=lambda r: r.value == b"3")) as run:
        until(lambda: run.left == [EXIT_FATAL])
    assert embedded.committed(plan.group, events).get(3, 0) == 0


def test_a_store_that_is_away_makes_no_record_a_culprit(embedded: Rig) -> None:
    """A store that is away is waited for: nothing is quarantined, readiness says why, and it goes on by itself."""
    events, copies = embedded.topic("events"), embedded.topic("copies")
    plan = embedded.plan(events)
    embedded.produce(events, _values(10))
    poisoned: list[Record] = []
    away = threading.Event()
    away.set()

    class Storing(Copying):
        def process(self, records: Sequence[Record]) -> list[Output]:
            if away.is_set():
                raise StoreError("the store does not answer", help="start it")
            return super().process(records)

    def on_poison(record: Record, _error: Exception) -> list[Output]:
        poisoned.append(record)
        return []

    with running(embedded, plan, Storing(copies), on_poison) as run:
        until(lambda: "start it" in run.source.status.outside)
        assert run.source.status.stuck_for_s() == 0
        away.clear()
        until(lambda: sum(embedded.committed(plan.group, events).values()) == 10)
        assert not run.source.status.outside
        assert not run.left
    assert not poisoned


def test_an_output_too_large_quarantines_its_record(rig: Rig) -> None:
    """An output that Kafka can never take does not stop the partition: its record is a culprit like any other."""
    events, copies, letters = rig.topic("events"), rig.topic("copies"), rig.topic("letters")
    rig.produce(events, _values(40))
    plan = rig.plan(events)

    class Blowing(Copying):
        def process(self, records: Iterable[Record]) -> list[Output]:
            return [Output(copies, r.partition, r.key, b"x" * (3_000_000 if r.value == b"17" else 10)) for r in records]

    with running(rig, plan, Blowing(copies), lambda r, _: [Output(letters, r.partition, r.key, r.value)]):
        until(lambda: sum(rig.committed(plan.group, events).values()) == 40)
    assert [r.value for r in rig.read(letters)] == [b"17"]
    if rig.transactions:
        assert len(rig.read(copies)) == 39


@pytest.mark.parametrize(
    ("offset", "status"), [(5_000, EXIT_OPERATOR), (0, EXIT_FATAL)], ids=["beyond the end", "below the start"]
)
def test_a_committed_offset_out_of_range_is_refused(embedded: Rig, offset: int, status: int) -> None:
    """No offset is guessed: the worker ends and names group, topic, partition, offset and what to do."""
    events, copies = embedded.topic("events"), embedded.topic("copies")
    if not offset:  # more than the embedded broker keeps: the beginning is lost
        embedded.produce(events, [b"x" * 500_000] * 30, partition=2)
    plan = embedded.plan(events)
    consumer = Consumer(embedded.settings.consumer(plan.group))
    consumer.commit(offsets=[TopicPartition(events, 2, offset)], asynchronous=False)
    consumer.close()
    with running(embedded, plan, Copying(copies)) as run:
        until(lambda: run.left == [status])
        reason = run.source.status.reason
    assert f"{events}/2" in reason
    assert f"committed offset {offset}" in reason
    assert "by hand" in reason


def test_an_agent_that_does_not_answer_ends_the_worker(embedded: Rig) -> None:
    """A silent agent is dead: the process leaves, so that the group can take over."""
    events, copies = embedded.topic("events"), embedded.topic("copies")
    embedded.produce(events, _values(4))
    left: list[int] = []

    def submit(work: Work) -> None:
        if work.name != "process":
            work.run()

    plan = embedded.plan(events, answer_within_s=0.2)
    source = Source(embedded.settings, plan, Copying(copies), submit=submit, leave=left.append)
    thread = threading.Thread(target=source.run)
    thread.start()
    thread.join(10)
    assert left == [EXIT_FATAL]
    assert "has not answered `process`" in source.status.reason


def test_a_foreign_errors_text_is_not_repeated(embedded: Rig) -> None:
    """What a foreign exception says may quote a record; the reason names its type and place only."""
    events, copies = embedded.topic("events"), embedded.topic("copies")
    embedded.produce(events, [b"marker-7f3a"])

    class Quoting(Copying):
        def process(self, records: Iterable[Record]) -> list[Output]:
            raise ValueError(next(iter(records)).value)

    with running(embedded, embedded.plan(events), Quoting(copies)) as run:
        until(lambda: run.left)
        assert "marker-7f3a" not in run.source.status.reason
        assert "ValueError" in run.source.status.reason


@pytest.mark.real_kafka
def test_one_worker_owns_p_of_every_topic(real: Rig) -> None:
    """Two workers share the partitions, and each owns the same ones of both topics; together they miss nothing."""
    consents, events, copies = real.topic("consents"), real.topic("events"), real.topic("copies")
    plan = real.plan(events, consents, state_topic=consents)
    first, second = Copying(copies), Copying(copies)
    with running(real, plan, first) as one, running(real, plan, second) as two:
        until(lambda: one.source.status.partitions and two.source.status.partitions)
        until(lambda: len(one.source.status.partitions) + len(two.source.status.partitions) == PARTITIONS)
        real.produce(consents, _values(40))
        real.produce(events, _values(40))
        until(lambda: len(first.records) + len(second.records) == 80)
    for processor in (first, second):
        by_topic = {t: {r.partition for r in processor.records if r.topic == t} for t in (events, consents)}
        assert by_topic[events] == by_topic[consents]
        assert by_topic[events]
