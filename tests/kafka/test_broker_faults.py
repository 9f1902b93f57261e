"""What the world does to a worker: brokers that die and come back, walls, frozen clocks; each with its outcome."""

from __future__ import annotations

import ast
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)
from pydantic import SecretStr

import flowtrack.adapters.kafka as adapter
from flowtrack.adapters.kafka.settings import KafkaSettings
from flowtrack.adapters.kafka.source import EXIT_FATAL
from tests.kafka.conftest import PARTITIONS, Copying, Rig, running, until
from tests.kafka.workers import Workers, ending, expected
from tests.rig.kafka_process import KafkaProcess, NoKafkaError

RECORDS = 20_000
_SASL = """
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT
sasl.enabled.mechanisms=PLAIN
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
listener.name.sasl_plaintext.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \
user_worker="secret";
"""


@pytest.fixture
def kafka(tmp_path: Path) -> Iterator[KafkaProcess]:
    """A Kafka of this test's own, that it may kill; it knows a user `worker` who may do nothing yet."""
    try:
        process = KafkaProcess(tmp_path, _SASL, "SASL_PLAINTEXT")
    except NoKafkaError as error:
        pytest.skip(str(error))
    with closing(process):
        process.start()
        yield process


@pytest.fixture
def own(kafka: KafkaProcess) -> Rig:
    """Topics on it."""
    return Rig(KafkaSettings(bootstrap_servers=kafka.address, partitions=PARTITIONS))


def _exact(workers: Workers, count: int) -> None:
    """Nothing is missing and nothing is there twice."""
    until(lambda: workers.done() == count, 60)
    until(lambda: workers.copied().total() >= count)
    copied = workers.copied()
    assert set(copied) == expected(count)
    assert copied.total() == count


@pytest.mark.real_kafka
@pytest.mark.slow
@pytest.mark.parametrize("away_s", [0.0, 15.0], ids=["restarted", "away for longer than a transaction may last"])
def test_a_broker_that_dies_costs_only_time(kafka: KafkaProcess, own: Rig, tmp_path: Path, away_s: float) -> None:
    """Killed in the middle of transactions and started again: nothing is lost, nothing twice.

    A worker may leave with status 70 when it cannot know what became of its transaction; the next one goes on.  It
    does not leave because there is no commit while the broker is away.
    """
    with ending(Workers(own, tmp_path)) as workers:
        own.produce(workers.events, [b"x"] * RECORDS)
        process = workers.start(COPYING_STUCK_AFTER_S="3")
        until(lambda: workers.done() > 1_000)
        kafka.kill()
        threading.Event().wait(away_s)
        assert process.poll() is None, workers.said()[-2_000:]
        kafka.start()
        until(lambda: process.poll() is not None or workers.done() == RECORDS, 60)
        if process.poll() is not None:
            assert process.returncode == EXIT_FATAL
            workers.start()
        _exact(workers, RECORDS)


@pytest.mark.real_kafka
@pytest.mark.slow
def test_a_broker_that_stands_still_is_waited_for(kafka: KafkaProcess, own: Rig, tmp_path: Path) -> None:
    """Frozen for longer than the session: the group's members were never gone, and the work goes on."""
    with ending(Workers(own, tmp_path)) as workers:
        own.produce(workers.events, [b"x"] * RECORDS)
        process = workers.start(COPYING_STUCK_AFTER_S="3")
        until(lambda: workers.done() > 1_000)
        kafka.send_signal(signal.SIGSTOP)
        threading.Event().wait(8)
        kafka.send_signal(signal.SIGCONT)
        until(lambda: process.poll() is not None or workers.done() == RECORDS, 60)
        if process.poll() is not None:
            assert process.returncode == EXIT_FATAL
            workers.start()
        _exact(workers, RECORDS)


def test_a_worker_that_has_work_and_commits_nothing_leaves(embedded: Rig, tmp_path: Path) -> None:
    """The broker answers, there is work, and nothing is committed: the process ends itself and says so."""
    with ending(Workers(embedded, tmp_path)) as workers:
        embedded.produce(workers.events, [b"x" * 100] * RECORDS)
        process = workers.start(COPYING_STUCK_AFTER_S="1", COPYING_UNREAD_BYTES="20000")
        until(lambda: process.poll() is not None)
        assert process.returncode == EXIT_FATAL
        assert "work to do and no commit" in workers.said()


_ALL = (
    (ResourceType.TOPIC, AclOperation.READ, "events"),
    (ResourceType.TOPIC, AclOperation.WRITE, "copies"),
    (ResourceType.GROUP, AclOperation.READ, ""),
    (ResourceType.TRANSACTIONAL_ID, AclOperation.WRITE, ""),
)


@pytest.mark.real_kafka
def test_what_a_worker_may_not_do_is_named(kafka: KafkaProcess, own: Rig) -> None:
    """Each right that is missing ends the worker with what to grant; with all of them it works."""
    events, copies = own.topic("events"), own.topic("copies")
    own.produce(events, [b"x"] * 8)
    barred = KafkaSettings(
        bootstrap_servers=kafka.more_address,
        partitions=PARTITIONS,
        security_protocol="SASL_PLAINTEXT",
        sasl_mechanism="PLAIN",
        sasl_username="worker",
        sasl_password=SecretStr("secret"),
    )
    helps = (
        "read and write on the topic",
        "read and write on the topic",
        "read on the consumer group",
        "write on the transactional id",
    )
    for missing, said in enumerate(helps):
        rights = _ALL[:missing] + _ALL[missing + 1 :]
        bound = _grant(own, rights)
        with running(replace(own, settings=barred), own.plan(events), Copying(copies)) as run:
            until(lambda: run.left == [EXIT_FATAL])
            assert f"grant this user {said}" in run.source.status.reason, missing
        admin = AdminClient(own.settings.librdkafka())
        for future in admin.delete_acls([_filter(each) for each in bound]).values():
            future.result(10)
    _grant(own, _ALL)
    plan = own.plan(events)
    with running(replace(own, settings=barred), plan, Copying(copies)):
        until(lambda: sum(own.committed(plan.group, events).values()) == 8)
    assert len(own.read(copies)) == 8


def _filter(bound: AclBinding) -> AclBindingFilter:
    """Name just that binding."""
    return AclBindingFilter(
        bound.restype,
        bound.name,
        bound.resource_pattern_type,
        bound.principal,
        bound.host,
        bound.operation,
        bound.permission_type,
    )


def _grant(rig: Rig, rights: tuple[tuple[ResourceType, AclOperation, str], ...]) -> list[AclBinding]:
    """Grant rights to the user `worker`, and wait until they hold."""
    bindings = [
        AclBinding(
            resource,
            f"{rig.name}{'.' if name else ''}{name}",
            ResourcePatternType.PREFIXED,
            "User:worker",
            "*",
            operation,
            AclPermissionType.ALLOW,
        )
        for resource, operation, name in rights
    ]
    admin = AdminClient(rig.settings.librdkafka())
    for future in admin.create_acls(bindings).values():
        future.result(10)
    return bindings


def test_a_clock_that_jumps_changes_nothing(embedded: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A day forward, two back, while a worker works: no watchdog barks, nothing is lost or worked twice."""
    real_time = time.time
    jump = [0.0]
    monkeypatch.setattr(time, "time", lambda: real_time() + jump[0])
    events, copies = embedded.topic("events"), embedded.topic("copies")
    processor = Copying(copies)
    with running(embedded, embedded.plan(events), processor) as run:
        for number, jump[0] in enumerate((86_400.0, -172_800.0, 0.0), start=1):
            embedded.produce(events, [b"x"] * 100)
            until(lambda: len(processor.records) == 100 * number)  # noqa: B023 - called within the loop's turn
            assert run.source.status.stuck_for_s() < 60
        assert not run.left
    assert len(embedded.read(copies)) == 300


def test_durations_are_measured_by_the_monotonic_clock() -> None:
    """Nothing in the adapter asks the wall clock, but for what others read by theirs.

    That is the instant that a gap's record bears, and the deadline of an insert, which the store holds to its clock.
    """
    folder = Path(adapter.__file__).parent
    asking = {
        f"{path.name}:{node.attr}"
        for path in folder.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
        and (node.attr in {"now", "utcnow"} or (node.attr == "time" and ast.unparse(node.value) == "time"))
    }
    assert asking == {"gaps.py:now", "planned.py:time"}
