"""No offset is guessed: gaps are recorded, and what only a person can judge stops the worker until one has looked."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic

from flowtrack.adapters.kafka import source as source_module
from flowtrack.adapters.kafka.acknowledge import acknowledge
from flowtrack.adapters.kafka.gaps import GapRecorder
from flowtrack.adapters.kafka.lag import GroupOffsets, start_offsets
from flowtrack.adapters.kafka.notes import Identity, Note, OperatorNeededError, Topics, read_note
from flowtrack.adapters.kafka.plan import Plan
from flowtrack.adapters.kafka.settings import KafkaSettings
from flowtrack.adapters.kafka.source import EXIT_OPERATOR
from flowtrack.errors import BrokerError
from flowtrack.tracking.alerts import opened
from flowtrack.tracking.records import Gap, Output, Topic
from flowtrack.wire.decisions import decode_finding
from tests.kafka.conftest import PARTITIONS, Copying, Rig, running, until


def _delete(rig: Rig, topic: str) -> None:
    admin = AdminClient(rig.settings.librdkafka())
    admin.delete_topics([topic])[topic].result(10)
    until(lambda: topic not in admin.list_topics(timeout=10).topics)


def _make(rig: Rig, topic: str) -> None:
    admin = AdminClient(rig.settings.librdkafka())
    admin.create_topics([NewTopic(topic, PARTITIONS, 1)])[topic].result(10)
    until(lambda: _there(rig, topic))


def _there(rig: Rig, topic: str) -> bool:
    try:
        return bool(Topics(rig.settings, [topic]).ask() and start_offsets(rig.settings, topic))
    except BrokerError:
        return False


def _commit(rig: Rig, group: str, position: TopicPartition) -> None:
    consumer = Consumer(rig.settings.consumer(group))
    consumer.commit(offsets=[position], asynchronous=False)
    consumer.close()


def _work(rig: Rig, plan: Plan, target: str, count: int) -> None:
    """Run a worker until it has worked so many records."""
    processor = Copying(target)
    with running(rig, plan, processor):
        until(lambda: len(processor.records) == count)


def _reason(rig: Rig, plan: Plan, target: str) -> str:
    """Run a worker that stops by itself for an operator, and give what it says."""
    with running(rig, plan, Copying(target)) as run:
        until(lambda: run.left == [EXIT_OPERATOR])
        return run.source.status.reason


def test_a_gap_is_recorded_once_and_passed(embedded: Rig) -> None:
    """What retention took is told with its offsets, in the same commit that passes it; the rest is worked."""
    events, copies, letters = embedded.topic("events"), embedded.topic("copies"), embedded.topic("letters")
    embedded.produce(events, [b"x" * 500_000] * 30, partition=2)
    start = start_offsets(embedded.settings, events)[2]
    assert start > 3, "the embedded broker has dropped the oldest"
    plan = embedded.plan(events)
    _commit(embedded, plan.group, TopicPartition(events, 2, 3))
    for _ in range(2):

        def on_gap(gap: Gap) -> list[Output]:
            return [Output(letters, gap.partition, None, f"{gap.topic} {gap.first} {gap.end}".encode())]

        with running(embedded, plan, Copying(copies), on_gap=on_gap) as run:
            until(lambda: embedded.committed(plan.group, events)[2] == 30)
            assert not run.left
    assert [r.value for r in embedded.read(letters)] == [f"{events} 3 {start}".encode()]
    assert len(embedded.read(copies)) == 30 - start


@pytest.mark.real_kafka
def test_a_gap_on_a_real_kafka_is_recorded_in_the_transaction(real: Rig) -> None:
    """Records deleted before they were read are told once, whatever is worked after them."""
    events, copies, letters = real.topic("events"), real.topic("copies"), real.topic("letters")
    plan = real.plan(events)
    real.produce(events, [b"x"] * 10, partition=1)
    _work(real, plan, copies, 10)
    real.produce(events, [b"x"] * 10, partition=1)
    admin = AdminClient(real.settings.librdkafka())
    cut = TopicPartition(events, 1, 15)
    admin.delete_records([cut])[cut].result(10)

    def on_gap(gap: Gap) -> list[Output]:
        return [Output(letters, gap.partition, None, b"%d %d" % (gap.first, gap.end))]

    with running(real, plan, Copying(copies), on_gap=on_gap):
        until(lambda: real.committed(plan.group, events)[1] == 20)
    assert [r.value for r in real.read(letters)] == [b"10 15"]
    assert len(real.read(copies)) == 15


def test_a_gaps_record_is_a_dead_letter_and_a_finding() -> None:
    """Both name topic, partition and offsets, and say what to do; so an alert follows by the usual way."""
    outputs = GapRecorder("e1", clock=lambda: datetime(2026, 3, 5, tzinfo=UTC))(Gap("flowtrack.events", 3, 10, 15))
    letter, finding = (json.loads(output.value or b"") for output in outputs)
    assert [(output.topic, output.partition) for output in outputs] == [(Topic.DEADLETTERS, 3), (Topic.FINDINGS, 3)]
    assert (letter["topic"], letter["epoch"], letter["partition"], letter["offset"]) == (
        "flowtrack.events",
        "e1",
        3,
        10,
    )
    assert "offsets 10 to 14 (5 records at most) were deleted by retention" in letter["detail"]
    assert letter["code"] == "records_lost"
    assert (finding["what"], finding["offset"], finding["severity"]) == ("dead_letter", 10, "high")
    alert = opened(decode_finding(outputs[1].value or b""), datetime(2026, 3, 5, tzinfo=UTC))
    assert (alert.title, alert.reasons) == ("records were lost before they were read", ["records_lost"])


@pytest.mark.real_kafka
def test_every_commit_carries_the_topics_it_belongs_to(real: Rig) -> None:
    """Also where nothing was read yet: from the first take-over on, no offset has to be assumed."""
    consents, events, copies = real.topic("consents"), real.topic("events"), real.topic("copies")
    plan = real.plan(events, consents, state_topic=consents)
    real.produce(events, [b"x"], partition=0)
    _work(real, plan, copies, 1)
    consumer = Consumer(real.settings.consumer(plan.group))
    places = [TopicPartition(topic, p) for topic in (consents, events) for p in range(PARTITIONS)]
    found = consumer.committed(places, 10)
    consumer.close()
    assert [position.offset for position in found] == [0] * 4 + [1, 0, 0, 0]
    note = Note("", Topics(real.settings, [consents, events]).ask())
    told = [read_note(position.metadata) for position in found]
    assert all(each is not None and each._replace(own="") == note for each in told)


def test_what_a_processor_notes_is_handed_on(rig: Rig) -> None:
    """Its words on a partition stand in the metadata of the partition's commits, on either broker."""
    events, copies = rig.topic("events"), rig.topic("copies")
    plan = rig.plan(events)
    rig.produce(events, [b"x"], partition=2)
    with running(rig, plan, Copying(copies)):
        until(lambda: rig.committed(plan.group, events).get(2) == 1)
    with GroupOffsets(rig.settings, plan.group) as group:
        assert group.notes([(events, 2), (copies, 2)]) == ["2:1"]


@pytest.mark.real_kafka
def test_a_topic_made_anew_stops_the_worker_until_an_operator_has_looked(real: Rig) -> None:
    """Kafka forgets a deleted topic's offsets; the other topics' commits remember it.

    The operator needs a new epoch, since the offsets begin again; then the group goes on at the new log's start.
    """
    consents, events, copies = real.topic("consents"), real.topic("events"), real.topic("copies")
    plan = real.plan(events, consents, state_topic=consents)
    real.produce(events, [b"x"] * 40)
    real.produce(consents, [b"x"] * 8)
    _work(real, plan, copies, 48)
    _delete(real, events)
    assert "is not there" in _reason(real, plan, copies)
    _make(real, events)
    real.produce(events, [b"new"] * 40)
    reason = _reason(real, plan, copies)
    assert f"`{events}` was deleted and made anew" in reason
    assert f"flowtrack topics acknowledge --group {plan.group}" in reason
    with pytest.raises(OperatorNeededError, match="FLOWTRACK_KAFKA__EPOCH"):
        acknowledge(real.settings, plan.group, plan.topics)
    anew = replace(real, settings=real.settings.model_copy(update={"epoch": "second"}))
    told = acknowledge(anew.settings, plan.group, plan.topics)
    assert {(each.topic, each.offset) for each in told} == {(events, 0), (consents, 2)}
    _work(anew, plan, copies, 40)


@pytest.mark.real_kafka
def test_a_topic_deleted_while_a_worker_runs_ends_it(real: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is noticed within seconds, whether made anew or not, and named with what to do."""
    monkeypatch.setattr(source_module, "_LAG_EVERY_S", 0.2)
    events, copies = real.topic("events"), real.topic("copies")
    plan = real.plan(events)
    real.produce(events, [b"x"] * 4)
    processor = Copying(copies)
    with running(real, plan, processor) as run:
        until(lambda: len(processor.records) == 4)
        _delete(real, events)
        until(lambda: run.left)
        reason = run.source.status.reason
    assert events in reason
    assert "deleted" in reason or "flowtrack topics" in reason


@pytest.mark.real_kafka
def test_another_partition_count_stops_the_worker(real: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Subjects would change their partition: while it runs and at every start the worker refuses."""
    monkeypatch.setattr(source_module, "_LAG_EVERY_S", 0.2)
    events, copies = real.topic("events"), real.topic("copies")
    plan = real.plan(events)
    processor = Copying(copies)
    with running(real, plan, processor) as run:
        until(lambda: len(processor.history) == PARTITIONS)
        until(lambda: len(real.committed(plan.group, events)) == PARTITIONS)
        admin = AdminClient(real.settings.librdkafka())
        admin.create_partitions([NewPartitions(events, 6)])[events].result(10)
        until(lambda: run.left == [EXIT_OPERATOR])
        assert "had 4 partitions and has 6" in run.source.status.reason
    assert "had 4 partitions and has 6" in _reason(real, plan, copies)


@pytest.mark.real_kafka
def test_a_log_that_lost_its_end_stops_the_worker(real: Rig) -> None:
    """A committed offset beyond the end is not guessed away; acknowledged, the group goes on at the end."""
    events, copies = real.topic("events"), real.topic("copies")
    plan = real.plan(events)
    note = Note("", Topics(real.settings, [events]).ask())
    _commit(real, plan.group, TopicPartition(events, 0, 7, note.text()))
    assert "its end was lost" in _reason(real, plan, copies)
    assert acknowledge(real.settings, plan.group, [events])[0].reason == "end lost"
    real.produce(events, [b"x"] * 4)
    _work(real, plan, copies, 4)


@pytest.mark.real_kafka
def test_an_offset_that_somebody_else_committed_is_not_taken(real: Rig) -> None:
    """Another program in the group, or a hand: the worker stops and names both ways on."""
    events, copies = real.topic("events"), real.topic("copies")
    plan = real.plan(events)
    real.produce(events, [b"x"] * 4)
    _commit(real, plan.group, TopicPartition(events, 0, 1))
    reason = _reason(real, plan, copies)
    assert "was not written by flowtrack" in reason
    assert "another program uses this group" in reason
    acknowledge(real.settings, plan.group, [events])
    _work(real, plan, copies, 3)


@pytest.mark.real_kafka
@pytest.mark.parametrize(
    ("strategy", "topics", "text"),
    [
        ("roundrobin", lambda events, _: [events], "another program, or a worker of another version"),
        ("range", lambda events, _: [events], "another program uses this group"),
    ],
    ids=["other protocol", "other topics"],
)
def test_a_group_with_a_stranger_in_it_is_left(
    real: Rig, strategy: str, topics: Callable[[str, str], list[str]], text: str
) -> None:
    """A stranger would take partitions away unread: the worker ends and says who may be in its group."""
    consents, events, copies = real.topic("consents"), real.topic("events"), real.topic("copies")
    plan = real.plan(events, consents, state_topic=consents)
    stranger = Consumer({**real.settings.consumer(plan.group), "partition.assignment.strategy": strategy})
    stranger.subscribe(topics(events, consents))
    until(lambda: stranger.poll(0.05) is None and stranger.assignment())
    with running(real, plan, Copying(copies)) as run:
        until(lambda: stranger.poll(0.05) is None and run.left)
        assert text in run.source.status.reason
    stranger.close()


def test_what_is_no_note_is_none() -> None:
    """Metadata of others, of whatever form, is told from ours."""
    note = Note("e", {"flowtrack.events": Identity("abc/def+_-", 8)})
    assert read_note(note.text()) == note
    for text in (None, "", "x", "{}", "[]", "1", '{"topics":{"a":1}}', '{"topics":{"a":"b"},"epoch":""}'):
        assert read_note(text) is None
    assert len(note.text()) < 100


def test_the_embedded_broker_has_no_topic_ids(embedded: Rig) -> None:
    """Its topics die with it, so nothing is asked and commits carry no note."""
    assert Topics(KafkaSettings(bootstrap_servers="127.0.0.1:1", embedded=True), ["x"]).ask() == {}
    events, copies = embedded.topic("events"), embedded.topic("copies")
    with running(embedded, embedded.plan(events), Copying(copies)) as run:
        until(lambda: run.source.status.partitions)
        assert run.source._reader.note("") == ""
