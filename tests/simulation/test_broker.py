"""The broker in memory keeps Kafka's rules."""

from __future__ import annotations

import pytest

from flowtrack.testing.broker import (
    GenerationFencedError,
    MemoryBroker,
    MemoryMember,
    ProducerFencedError,
    UnstableOffsetsError,
)
from flowtrack.tracking.records import Output, Record

IN, OUT = ("in", 0), ("out", 0)


@pytest.fixture
def broker() -> MemoryBroker:
    """A broker with two topics."""
    return MemoryBroker({"in": 2, "out": 1}, lambda: 7)


def output(value: bytes, key: bytes = b"k") -> Output:
    """A record to be written."""
    return Output("out", 0, key, value)


def values(records: list[Record]) -> list[bytes | None]:
    """What the records hold."""
    return [record.value for record in records]


def settled(*members: MemoryMember) -> list[tuple[tuple[str, int], ...]]:
    """What each member has once all have gone through a rebalance."""
    for _ in range(3):
        for member in members:
            member.poll()
    return [member.places for member in members]


def test_an_open_transaction_hides_what_follows_it(broker: MemoryBroker) -> None:
    """A reader of committed records sees nothing of an open transaction, nor what others wrote behind it."""
    slow = broker.producer("slow")
    slow.begin()
    slow.send(output(b"slow"))
    broker.send(output(b"later"))
    assert values(broker.read(OUT, 0)) == []
    assert broker.stable_end(OUT) == 0
    slow.commit()
    assert values(broker.read(OUT, 0)) == [b"slow", b"later"]


def test_an_aborted_record_is_never_seen_and_keeps_its_offset(broker: MemoryBroker) -> None:
    """Aborted records and the ends of transactions take offsets that are no records."""
    producer = broker.producer("one")
    producer.begin()
    producer.send(output(b"aborted"))
    producer.abort()
    producer.begin()
    producer.send(output(b"committed"))
    producer.commit()
    assert [(record.offset, record.value) for record in broker.read(OUT, 0)] == [(2, b"committed")]
    assert broker.end(OUT) == 4
    assert values(broker.read(OUT, 0, committed_only=False)) == [b"aborted", b"committed"]


def test_offsets_of_a_transaction_count_with_it(broker: MemoryBroker) -> None:
    """They cannot be asked for while it is open, and are what they were when it is aborted."""
    member = broker.join("group", ["in"])
    settled(member)
    producer = broker.producer("one")
    producer.begin()
    producer.send_offsets(member, {IN: 3})
    with pytest.raises(UnstableOffsetsError):
        broker.committed("group", [IN])
    producer.abort()
    assert broker.committed("group", [IN]) == {}
    producer.begin()
    producer.send_offsets(member, {IN: 3})
    producer.commit()
    assert broker.committed("group", [IN]) == {IN: 3}


def test_a_commit_says_what_goes_with_it(broker: MemoryBroker) -> None:
    """A note counts with its commit, in a transaction or not, until the next commit of its place."""
    member = broker.join("g", ["in"])
    settled(member)
    member.commit({IN: 1, ("in", 1): 1}, {IN: "one"})
    assert broker.notes("g", [IN, ("in", 1)]) == {IN: "one"}
    producer = broker.producer("p")
    producer.begin()
    producer.send_offsets(member, {IN: 2}, {IN: "two"})
    assert broker.notes("g", [IN]) == {IN: "one"}
    producer.commit()
    assert broker.notes("g", [IN]) == {IN: "two"}
    member.commit({IN: 3})
    assert broker.notes("g", [IN]) == {}


def test_a_member_that_was_given_up_is_fenced(broker: MemoryBroker) -> None:
    """Neither its plain commits nor those in a transaction are taken, until it has joined again."""
    member, other = broker.join("group", ["in"]), broker.join("group", ["in"])
    settled(member, other)
    broker.evict(member)
    producer = broker.producer("one")
    producer.begin()
    with pytest.raises(GenerationFencedError):
        member.commit({IN: 1})
    with pytest.raises(GenerationFencedError):
        producer.send_offsets(member, {IN: 1})
    change = member.poll()
    assert change is not None
    assert not change.assigned


def test_a_rebalance_waits_for_every_member(broker: MemoryBroker) -> None:
    """Nobody is assigned anything before all have given up theirs; until then what they do still counts."""
    first = broker.join("group", ["in"])
    assert settled(first) == [(IN, ("in", 1))]
    second = broker.join("group", ["in"])
    assert second.poll() is None
    first.commit({IN: 1})
    assert settled(first, second) == [(IN,), (("in", 1),)]


def test_a_producer_is_fenced_by_a_later_one_and_by_a_timeout(broker: MemoryBroker) -> None:
    """Its open transaction is aborted, and it can do nothing more."""
    first = broker.producer("one")
    first.begin()
    first.send(output(b"lost"))
    second = broker.producer("one")
    with pytest.raises(ProducerFencedError):
        first.commit()
    second.begin()
    broker.expire("one")
    with pytest.raises(ProducerFencedError):
        second.send(output(b"late"))
    assert broker.open_transactions == []
    assert values(broker.read(OUT, 0)) == []


def test_compaction_keeps_the_last_of_each_key_where_it_stood(broker: MemoryBroker) -> None:
    """What was replaced is gone, offsets stay, and nothing behind an open transaction is touched."""
    for key, value in ((b"a", b"1"), (b"b", b"2"), (b"a", b"3")):
        broker.send(output(value, key))
    producer = broker.producer("one")
    producer.begin()
    producer.send(output(b"4", b"b"))
    broker.compact(OUT)
    assert [(record.offset, record.value) for record in broker.read(OUT, 0)] == [(1, b"2"), (2, b"3")]
    producer.commit()
    broker.compact(OUT)
    assert [(record.offset, record.value) for record in broker.read(OUT, 1)] == [(2, b"3"), (3, b"4")]
