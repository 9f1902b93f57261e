"""The two closings, where their difference shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException
from prometheus_client import REGISTRY

from flowtrack.adapters.kafka.closing import Checkpoint, OutputRefusedError, Transactional, closing_for
from flowtrack.adapters.kafka.faults import BatchUndoneError
from flowtrack.adapters.kafka.lag import end_offsets
from flowtrack.errors import BrokerError
from flowtrack.tracking.records import Output
from tests.kafka.conftest import Copying, Rig, running, until


class Refusing:
    """A consumer whose commits the group refuses."""

    def __init__(self, code: int) -> None:
        self.code = code

    def commit(self, **_: Any) -> None:
        """Refuse."""
        raise KafkaException(KafkaError(self.code, "as the test wants"))


def _close(closing: Checkpoint, code: int) -> None:
    consumer: Any = Refusing(code)
    closing.open()
    closing.close([], {("events", 0): 1}, consumer)


def test_the_embedded_broker_gets_a_checkpoint_whatever_the_plan_says(embedded: Rig) -> None:
    """It has no transactions: closing there is flush, then commit."""
    plan = embedded.plan("events", closing="transactional")
    assert isinstance(closing_for(embedded.settings, plan, lambda: False), Checkpoint)


@pytest.mark.real_kafka
def test_a_plan_may_ask_for_a_checkpoint_on_a_real_kafka(real: Rig) -> None:
    """A worker whose outputs are elsewhere consumes and commits in its group without transactions."""
    assert isinstance(closing_for(real.settings, real.plan("events"), lambda: False), Transactional)
    events, copies = real.topic("events"), real.topic("copies")
    real.produce(events, [b"x"] * 100)
    plan = real.plan(events, closing="checkpoint")
    with running(real, plan, Copying(copies)):
        until(lambda: sum(real.committed(plan.group, events).values()) == 100)
    assert len(real.read(copies)) == 100


@pytest.mark.real_kafka
def test_transaction_markers_are_no_lag(real: Rig) -> None:
    """A reader of what transactions wrote has no lag once it has every record, though markers end the log."""
    events, copies, none = real.topic("events"), real.topic("copies"), real.topic("none")
    real.produce(events, [b"x"] * 100)
    reader = real.plan(copies, closing="checkpoint")
    with (
        running(real, real.plan(events), Copying(copies)),
        running(real, replace(reader, group="r"), Copying(none)) as r,
    ):
        until(lambda: sum(real.committed("r", copies).values()) == 100)
        until(lambda: r.source._reader.lag_records() == {copies: 0})
        assert sum(end_offsets(real.settings, copies).values()) > 100, "there are markers"


@pytest.mark.parametrize("code", [KafkaError.ILLEGAL_GENERATION, KafkaError.REBALANCE_IN_PROGRESS])
def test_a_commit_that_the_group_refuses_undoes_the_batch(embedded: Rig, code: int) -> None:
    """The partitions are going elsewhere: the records come again, here or there."""
    with pytest.raises(BatchUndoneError):
        _close(Checkpoint(embedded.settings, embedded.plan("events")), code)


def test_a_commit_that_is_not_allowed_ends_the_worker(embedded: Rig) -> None:
    """An error that will not pass is told with its help, and the batch is not tried again."""
    with pytest.raises(BrokerError, match="consumer group") as caught:
        _close(Checkpoint(embedded.settings, embedded.plan("events")), KafkaError.GROUP_AUTHORIZATION_FAILED)
    assert not isinstance(caught.value, BatchUndoneError)


def test_a_closing_must_be_opened(embedded: Rig) -> None:
    """Closing a batch without having opened is refused, whichever closing it is."""
    consumer = Consumer(embedded.settings.consumer("group"))
    ends: Mapping[tuple[str, int], int] = {}
    for closing in (Checkpoint, Transactional):
        with pytest.raises(BrokerError, match="not open"):
            closing(embedded.settings, embedded.plan("events")).close([], ends, consumer)
    consumer.close()


def test_an_output_that_is_too_large_is_told_apart(embedded: Rig) -> None:
    """It would be refused again, so it is no undone batch."""
    closing = Checkpoint(embedded.settings, embedded.plan("events"))
    closing.open()
    consumer: Any = Refusing(KafkaError.ILLEGAL_GENERATION)
    with pytest.raises(OutputRefusedError):
        closing.close([Output("copies", 0, None, b"x" * 3_000_000)], {}, consumer)


def test_metrics_count_what_was_closed(embedded: Rig) -> None:
    """Records by topic, outputs and batches are counted once closed; lag and partitions are shown."""

    def value(name: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(f"flowtrack_source_{name}", {"worker": "test", **labels}) or 0.0

    events, copies = embedded.topic("events"), embedded.topic("copies")
    outputs, batches = value("outputs_total"), value("batches_total")
    embedded.produce(events, [b"x"] * 100)
    with running(embedded, embedded.plan(events), Copying(copies)):
        until(lambda: value("records_total", topic=events) == 100)
        assert value("partitions") == 4
    assert value("outputs_total") - outputs == 100
    assert value("batches_total") > batches
