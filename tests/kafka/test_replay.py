"""Bounded reads, offsets, and what readers of committed records see."""

from __future__ import annotations

import pytest
from confluent_kafka import Producer

from flowtrack.adapters.kafka.lag import LogOffsets, end_offsets, start_offsets
from flowtrack.adapters.kafka.replay import read_partition
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


def test_a_broker_that_is_not_there_is_named() -> None:
    """The error says what failed and which setting to look at."""
    with pytest.raises(BrokerError, match=r"FLOWTRACK_KAFKA__BOOTSTRAP_SERVERS"):
        LogOffsets(KafkaSettings(bootstrap_servers="127.0.0.1:1")).partitions("flowtrack.events", timeout_s=0.5)


@pytest.mark.real_kafka
def test_a_topic_that_is_not_there_is_named(real: Rig) -> None:
    """The error says how to create the topics."""
    with pytest.raises(BrokerError, match=r"flowtrack topics create"):
        LogOffsets(real.settings).partitions(f"{real.name}.absent")
