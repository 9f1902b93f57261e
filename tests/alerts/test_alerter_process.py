"""The alerter as a process: from a finding on Kafka to whoever is told."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from confluent_kafka import Producer

from flowtrack.adapters.kafka.embedded import EmbeddedBroker
from flowtrack.adapters.kafka.replay import read_topic
from flowtrack.adapters.kafka.settings import KafkaSettings
from flowtrack.adapters.kafka.topics import create_topics
from flowtrack.apps.supervisor import Part, Supervisor
from flowtrack.domain.decision import Amendment, Finding
from flowtrack.domain.names import Kind, Verdict
from flowtrack.tracking.alerts import opened
from flowtrack.tracking.records import Topic
from flowtrack.wire.decisions import decode_finding
from tests.rig.kafka import NoKafkaError, real_kafka
from tests.rig.ports import free_ports

TOLD_WITHIN_S = 30.0


def finding(number: int) -> bytes:
    """One of several denied shares of one kind."""
    return (
        Finding(
            type="finding",
            what="denied",
            event_id=f"e-{number}",
            service="ads",
            kind="share",
            purpose="recommendation.send",
            recipient="broker",
            subject="5f0c8ad1b1d24c1e9e0f7a6b3c2d1e0f",
            categories=["provided.email"],
            clauses=["4.1"],
            reasons=["no_own_consent"],
            gaps=[],
            severity="high",
            happened_at=datetime(2026, 3, 2, tzinfo=UTC),
            epoch="e",
            partition=number % 4,
            offset=number,
        )
        .model_dump_json()
        .encode()
    )


@pytest.fixture
def told() -> Iterator[tuple[str, queue.Queue[dict[str, Any]]]]:
    """A webhook's address, and what it is told."""
    heard: queue.Queue[dict[str, Any]] = queue.Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            for alert in json.loads(self.rfile.read(int(self.headers["content-length"])))["alerts"]:
                heard.put(alert)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep the tests' output quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/", heard
    server.shutdown()
    server.server_close()
    thread.join()


def until_count(heard: queue.Queue[dict[str, Any]], count: int) -> dict[str, Any]:
    """Give the first alert heard with a count."""
    deadline_s = time.monotonic() + TOLD_WITHIN_S
    while True:
        alert = heard.get(timeout=max(0.01, deadline_s - time.monotonic()))
        if alert["count"] >= count:
            return alert


def kill(supervisor: Supervisor) -> None:
    """Kill the alerter as soon as it runs; it is started again."""
    deadline_s, pause = time.monotonic() + TOLD_WITHIN_S, threading.Event()
    while "alerter" not in supervisor.pids:
        assert time.monotonic() < deadline_s, "the alerter is not started again"
        pause.wait(0.02)
    os.kill(supervisor.pids["alerter"], signal.SIGKILL)


def until_ready_says(port: int, what: str) -> None:
    """Wait until a worker's readiness says something."""
    deadline_s, pause, said = time.monotonic() + 2 * TOLD_WITHIN_S, threading.Event(), ""
    while said != what:
        assert time.monotonic() < deadline_s, f"readiness says `{said}`"
        with contextlib.suppress(httpx.TransportError):
            said = httpx.get(f"http://127.0.0.1:{port}/readyz").text.strip()
        pause.wait(0.02)


def until_stands(kafka: KafkaSettings, count: int, **also: object) -> dict[str, Any]:
    """Give the alert that the topic ends with, once it has a count, and whatever else it should say."""
    deadline_s, pause = time.monotonic() + 2 * TOLD_WITHIN_S, threading.Event()
    while True:
        states = [json.loads(record.value or b"") for record in read_topic(kafka, Topic.ALERTS)]
        alert: dict[str, Any] = states[-1] if states else {"count": 0}
        if alert["count"] >= count and also.items() <= alert.items():
            return alert
        assert time.monotonic() < deadline_s, (
            f"the topic ends with {alert['count']} findings, {alert.get('lifted')} lifted"
        )
        pause.wait(0.1)


def amended(number: int, *, lifted: bool = False) -> bytes:
    """What late knowledge says of the same event: denied since, or permitted after all."""
    of = decode_finding(finding(number))
    verdicts = (Verdict.DENY, Verdict.PERMIT) if lifted else (Verdict.PERMIT, Verdict.DENY)
    return (
        Amendment(
            type="amendment",
            cause="consent",
            changed="",
            event_id=of.event_id,
            service=of.service,
            subject=of.subject,
            kind=Kind.SHARE,
            happened_at=of.happened_at,
            recorded_at=of.happened_at,
            epoch=of.epoch,
            partition=of.partition,
            offset=of.offset,
            decision_offset=1_000 + lifted,
            pack="default@1",
            registry="world@1",
            categories=[],
            verdict_before=verdicts[0],
            verdict=verdicts[1],
            finding=None if lifted else Finding.model_validate_json(finding(number)),
        )
        .model_dump_json()
        .encode()
    )


def test_a_finding_reaches_the_webhook_and_a_killed_alerter_goes_on(
    tmp_path: Path, told: tuple[str, queue.Queue[dict[str, Any]]]
) -> None:
    """Findings become one alert that the webhook hears of; killed and back, the alerter tells it anew and counts on."""
    url, heard = told
    broker = EmbeddedBroker("e")
    address = broker.start()
    with Supervisor(tmp_path) as supervisor:
        kafka = KafkaSettings(bootstrap_servers=address, embedded=True, epoch="e")
        create_topics(kafka)
        env = {
            "FLOWTRACK_KAFKA__BOOTSTRAP_SERVERS": address,
            "FLOWTRACK_KAFKA__EMBEDDED": "true",
            "FLOWTRACK_KAFKA__EPOCH": "e",
            "FLOWTRACK_ALERTS__WEBHOOK_URL": url,
            "FLOWTRACK_ALERTS__TERMINAL": "false",
        }
        supervisor.start(Part("alerter", (sys.executable, "-m", "flowtrack.apps.worker", "alerter"), env))
        supervisor.wait_ready("alerter", 60)
        producer = Producer({**kafka.librdkafka(), "linger.ms": 0})
        producer.produce(Topic.FINDINGS, finding(0), b"k", 0)
        producer.flush()
        first = until_count(heard, 1)
        assert first["title"] == "not allowed: ads → broker: no_own_consent"
        assert first["titles"]["4.1"].startswith("1) 사전에 귀하의 동의나")
        assert "5f0c8ad1" not in json.dumps(first)
        for number in range(1, 10):
            producer.produce(Topic.FINDINGS, finding(number), b"k", number % 4)
        producer.flush()
        assert until_count(heard, 10)["identity"] == first["identity"]
        os.kill(supervisor.pids["alerter"], signal.SIGKILL)
        assert until_count(heard, 10)["identity"] == first["identity"]
        producer.produce(Topic.AMENDMENTS, amended(10), b"k", 2)
        for number in range(11):
            producer.produce(Topic.AMENDMENTS, amended(number, lifted=True), b"k", number % 4)
        producer.flush()
        ended = until_stands(kafka, 11, state="resolved")
        assert (ended["identity"], ended["amended"], ended["lifted"]) == (first["identity"], 1, 11)
        assert supervisor.stop("alerter", 30)
    broker.stop()


@pytest.fixture
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaSettings]:
    """A real Kafka with its topics."""
    with contextlib.ExitStack() as stack:
        try:
            address = stack.enter_context(real_kafka(tmp_path_factory.mktemp("kafka")))
        except NoKafkaError as error:
            pytest.skip(str(error))
        settings = KafkaSettings(bootstrap_servers=address)
        create_topics(settings)
        yield settings


@pytest.mark.real_kafka
def test_what_stands_behind_a_dead_alerters_transaction_is_recalled(
    tmp_path: Path, kafka: KafkaSettings, told: tuple[str, queue.Queue[dict[str, Any]]]
) -> None:
    """An alerter that starts behind an open transaction waits for its end, says so, and counts on from everything."""
    url, heard = told
    dead = Producer({**kafka.librdkafka(), "transactional.id": "a-dead-alerter", "transaction.timeout.ms": 60_000})
    dead.init_transactions(30)
    dead.begin_transaction()
    dead.produce(Topic.ALERTS, b"never committed", b"k", 0)
    dead.flush()
    counted = opened(decode_finding(finding(0)), datetime.now(UTC)).model_copy(update={"count": 7})
    producer = Producer({**kafka.librdkafka(), "linger.ms": 0})
    producer.produce(Topic.ALERTS, counted.model_dump_json().encode(), counted.identity.encode(), 0)
    producer.produce(Topic.FINDINGS, finding(1), b"k", 1)
    producer.flush()
    (port,) = free_ports(1)
    env = {
        "FLOWTRACK_KAFKA__BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "FLOWTRACK_HEALTH__PORT": str(port),
        "FLOWTRACK_ALERTS__WEBHOOK_URL": url,
        "FLOWTRACK_ALERTS__TERMINAL": "false",
    }
    with Supervisor(tmp_path) as supervisor:
        supervisor.start(Part("alerter", (sys.executable, "-m", "flowtrack.apps.worker", "alerter"), env))
        until_ready_says(port, "waiting for an open transaction in flowtrack.alerts/0 to end")
        dead.abort_transaction(30)
        supervisor.wait_ready("alerter", 60)
        assert heard.get(timeout=TOLD_WITHIN_S)["count"] == 7, "what was open is told anew"
        until_ready_says(port, "ready")
        assert until_stands(kafka, 8)["identity"] == counted.identity
        assert supervisor.stop("alerter", 30)


@pytest.mark.real_kafka
def test_amendments_count_once_though_the_alerter_and_the_sink_are_killed(
    tmp_path: Path, kafka: KafkaSettings, told: tuple[str, queue.Queue[dict[str, Any]]]
) -> None:
    """Killed again and again among amendments that come twice, it counts each once, and ends when all are lifted."""
    url, heard = told
    env = {
        "FLOWTRACK_KAFKA__BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "FLOWTRACK_KAFKA__INSTANCE": "one",
        "FLOWTRACK_ALERTS__WEBHOOK_URL": url,
        "FLOWTRACK_ALERTS__TERMINAL": "false",
    }
    with Supervisor(tmp_path) as supervisor:
        supervisor.start(Part("alerter", (sys.executable, "-m", "flowtrack.apps.worker", "alerter"), env))
        supervisor.wait_ready("alerter", 60)
        producer = Producer({**kafka.librdkafka(), "linger.ms": 0})
        for start in range(0, 200, 100):
            for number in (*range(start, start + 100), *range(start, start + 50)):  # a sink's step, some of it again
                producer.produce(Topic.AMENDMENTS, amended(number), b"k", number % 4)
            producer.flush()
            until_count(heard, 1)
            kill(supervisor)
        open_alert = until_stands(kafka, 200)
        assert (open_alert["count"], open_alert["amended"], len(open_alert["followed"])) == (200, 200, 200)
        for number in range(200):
            producer.produce(Topic.AMENDMENTS, amended(number, lifted=True), b"k", number % 4)
            if number == 100:
                producer.flush()
                kill(supervisor)
        producer.flush()
        ended = until_stands(kafka, 200, state="resolved")
        assert (ended["count"], ended["lifted"], ended["followed"]) == (200, 200, [])
        assert supervisor.stop("alerter", 30)
