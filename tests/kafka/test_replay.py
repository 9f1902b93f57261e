"""Bounded reads, offsets, and what readers of committed records see."""

from __future__ import annotations

import pytest
from confluent_kafka import Producer

from flowtrack.adapters.kafka.lag import LogOffsets, end_offsets, start_offsets
from flowtrack.adapters.kafka.replay import read_partition, read_settled
from flowtrack.adapters.kafka.settings import KafkaSettings
from flowtrack.errors import BrokerError
from tests.kafka.conftest import Rig


def test_a_read_keeps_to_its_bounds(rig: Rig) -> None:
    """Offsets [start, end) come, in order, and nothing else; an empty range asks nobody."""
    topic = rig.topic("events")
    rig.produce(topic, [b"%d" % n for n in range(100)], partition=1)
    assert [r.offset for r in read_partition(rig.settings, topic, 1, 10, 90)] == list(range(10, 90))
    assert not list(read_partition(rig.settings, topic, 1, 5, 5))


def test_a_record_keeps_what_it_was_sent_with(rig: Rig) -> None:
    """Key, value, headers, tombstones and the broker's time arrive."""
    topic = rig.topic("events")
    producer = Producer(rig.settings.librdkafka())
    producer.produce(topic, b"v", b"k", 2, headers=[("ce_type", b"flowtrack.use.v1")])
    producer.produce(topic, None, b"gone", 2)
    producer.flush()
    first, second = rig.read(topic)
    assert (first.key, first.value, first.headers) == (b"k", b"v", (("ce_type", b"flowtrack.use.v1"),))
    assert first.timestamp_ms > 1_600_000_000_000
    assert (second.key, second.value, second.headers) == (b"gone", None, ())


def test_offsets_of_an_empty_and_a_filled_log(rig: Rig) -> None:
    """Ends count records, starts stay where the log begins."""
    topic = rig.topic("events")
    assert end_offsets(rig.settings, topic) == dict.fromkeys(range(4), 0)
    rig.produce(topic, [b"x"] * 8)
    assert end_offsets(rig.settings, topic) == dict.fromkeys(range(4), 2)
    assert start_offsets(rig.settings, topic) == dict.fromkeys(range(4), 0)


@pytest.mark.real_kafka
def test_aborted_records_are_not_read_and_do_not_hold_up_the_end(real: Rig) -> None:
    """A read up to an end that lies behind aborted records and markers returns the committed ones, at once."""
    topic = real.topic("decisions")
    producer = Producer({**real.settings.librdkafka(), "transactional.id": f"{real.name}-t"})
    producer.init_transactions(30)
    for values, close in (
        ([b"a", b"b"], producer.commit_transaction),
        ([b"c"], producer.abort_transaction),
        ([b"d"], producer.commit_transaction),
        ([b"e"], producer.abort_transaction),
    ):
        producer.begin_transaction()
        for value in values:
            producer.produce(topic, value, b"k", 0)
        producer.flush()
        close(30)
    end = end_offsets(real.settings, topic)[0]
    assert end == 9, "five records and four markers"
    assert [r.value for r in read_partition(real.settings, topic, 0, 0, end)] == [b"a", b"b", b"d"]


@pytest.mark.real_kafka
def test_a_settled_read_waits_for_open_transactions(real: Rig) -> None:
    """What was committed behind an open transaction is read once that has ended, and who asks hears of the wait."""
    topic = real.topic("alerts")
    open_one = Producer({**real.settings.librdkafka(), "transactional.id": f"{real.name}-dead"})
    open_one.init_transactions(30)
    open_one.begin_transaction()
    open_one.produce(topic, b"never", b"k", 0)
    open_one.flush()
    real.produce(topic, [b"behind"], partition=0)
    assert real.read(topic) == [], "a plain read ends before the transaction"
    said: list[str] = []

    def waiting(what: str) -> None:
        said.append(what)
        if len(said) == 3:
            open_one.abort_transaction(30)

    assert [r.value for r in read_settled(real.settings, topic, waiting)] == [b"behind"]
    assert said[0] == f"waiting for an open transaction in {topic}/0 to end"
    assert said[-1] == ""


@pytest.mark.real_kafka
def test_a_transaction_that_stays_open_is_not_waited_for_without_end(real: Rig) -> None:
    """After the time given, the error names the partition, and what ends the transaction."""
    topic = real.topic("alerts")
    open_one = Producer({**real.settings.librdkafka(), "transactional.id": f"{real.name}-hangs"})
    open_one.init_transactions(30)
    open_one.begin_transaction()
    open_one.produce(topic, b"never", b"k", 0)
    open_one.flush()
    with pytest.raises(BrokerError, match=rf"{topic}/0.*kafka-transactions"):
        list(read_settled(real.settings, topic, lambda _: None, within_s=0.2))
    open_one.abort_transaction(30)


def test_a_settled_read_of_a_log_without_transactions_is_a_plain_one(rig: Rig) -> None:
    """Where nothing is open, nothing is waited for."""
    topic = rig.topic("alerts")
    rig.produce(topic, [b"%d" % n for n in range(8)])
    said: list[str] = []
    assert list(read_settled(rig.settings, topic, said.append)) == rig.read(topic)
    assert said == [""]


def test_a_broker_that_is_not_there_is_named() -> None:
    """The error says what failed and which setting to look at."""
    with pytest.raises(BrokerError, match=r"FLOWTRACK_KAFKA__BOOTSTRAP_SERVERS"):
        LogOffsets(KafkaSettings(bootstrap_servers="127.0.0.1:1")).partitions("flowtrack.events", timeout_s=0.5)


@pytest.mark.real_kafka
def test_a_topic_that_is_not_there_is_named(real: Rig) -> None:
    """The error says how to create the topics."""
    with pytest.raises(BrokerError, match=r"flowtrack topics create"):
        LogOffsets(real.settings).partitions(f"{real.name}.absent")
