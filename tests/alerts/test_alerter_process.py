"""The alerter as a process: from a finding on Kafka to whoever is told."""

from __future__ import annotations

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

import pytest
from confluent_kafka import Producer

from flowtrack.adapters.kafka.embedded import EmbeddedBroker
from flowtrack.adapters.kafka.settings import KafkaSettings
from flowtrack.adapters.kafka.topics import create_topics
from flowtrack.apps.supervisor import Part, Supervisor
from flowtrack.domain.decision import Finding
from flowtrack.tracking.records import Topic

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
        assert supervisor.stop("alerter", 30)
    broker.stop()
