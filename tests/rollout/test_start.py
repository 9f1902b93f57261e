"""A checker begins with its rules, and waits where there are none."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from flowtrack.adapters.kafka.embedded import EmbeddedBroker
from flowtrack.adapters.kafka.replay import read_topic
from flowtrack.adapters.kafka.settings import KafkaSettings
from flowtrack.adapters.kafka.topics import create_topics
from flowtrack.apps.documents import Document, as_registry_document, pack_document, publish
from flowtrack.apps.keys import make_pair, public_half
from flowtrack.apps.ports import free_port
from flowtrack.policy.signing import read_signing_key
from flowtrack.tracking.records import Output, Topic
from flowtrack.wire.decisions import decode_tracked
from tests.rollout.scene import SUBJECT, USE, event_message, files_of, registry

WITHIN_S = 60.0
REGISTRY = registry(services={"shop": {"controller": "platform", "regions": ["KR"]}})


def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    deadline_s, pause = time.monotonic() + WITHIN_S, threading.Event()
    while not condition():
        if time.monotonic() > deadline_s:
            pytest.fail(f"did not come true within {WITHIN_S:g} s")
        pause.wait(0.1)


@pytest.fixture
def kafka() -> Iterator[KafkaSettings]:
    """An embedded broker with its topics."""
    broker = EmbeddedBroker(epoch="test")
    settings = KafkaSettings(bootstrap_servers=broker.start(), embedded=True, epoch="test")
    create_topics(settings)
    yield settings
    broker.stop()


@contextmanager
def checker(settings: KafkaSettings, port: int, **env: str) -> Iterator[subprocess.Popen[bytes]]:
    """A checker as a process."""
    said = {
        "FLOWTRACK_KAFKA__BOOTSTRAP_SERVERS": settings.bootstrap_servers,
        "FLOWTRACK_KAFKA__EMBEDDED": "true",
        "FLOWTRACK_KAFKA__EPOCH": settings.epoch,
        "FLOWTRACK_HEALTH__PORT": str(port),
    }
    process = subprocess.Popen([sys.executable, "-m", "flowtrack", "worker", "checker"], env=os.environ | said | env)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(WITHIN_S)


def readiness(port: int) -> str:
    """What the worker says of its readiness; empty while it does not answer."""
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz").text.strip()
    except httpx.TransportError:
        return ""


def small_pack(folder: Path) -> Path:
    """The default pack without its cases, as a folder."""
    for path, text in files_of("1").items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return folder


def events(count: int) -> list[Output]:
    """Events of one subject, on its partition."""
    happened = datetime.now(UTC) - timedelta(minutes=1)
    return [
        Output(Topic.EVENTS, 0, SUBJECT.encode(), event_message("use", "shop", happened, USE, number))
        for number in range(count)
    ]


def verdicts(settings: KafkaSettings) -> list[tuple[str, list[str]]]:
    """Verdict and gaps of each decision so far."""
    found = [decode_tracked(record.value or b"") for record in read_topic(settings, Topic.DECISIONS)]
    return [(str(each.verdict), [*each.categories[0].gaps]) for each in found if each.type == "decision"]


def test_a_checker_without_rules_waits_for_them(kafka: KafkaSettings, tmp_path: Path) -> None:
    """Nothing is judged before there is a pack that can be taken; then what waited is judged by it and the registry."""
    private, port = tmp_path / "policy.pem", free_port()
    make_pair(private)
    pack = small_pack(tmp_path / "pack")
    document = as_registry_document(
        REGISTRY.name, REGISTRY.version, REGISTRY.model_dump_json(exclude_none=True).encode()
    )
    publish(kafka, events(20))
    with checker(kafka, port, FLOWTRACK_POLICY__PUBLIC_KEYS=str(public_half(private))) as process:
        until(lambda: readiness(port) == "no policy in force: no pack is published")
        _publish(kafka, document, pack_document(pack))
        until(lambda: "bad_signature" in readiness(port))
        assert verdicts(kafka) == []
        _publish(kafka, pack_document(pack, read_signing_key(private)))
        until(lambda: len(verdicts(kafka)) == 20)
        until(lambda: readiness(port) == "ready")
        metrics = httpx.get(f"http://127.0.0.1:{port}/metrics").text
    assert process.returncode == 0
    assert not [gaps for _, gaps in verdicts(kafka) if gaps]
    assert 'kind="policy",name="default",state="in_force",version="1"' in metrics


def test_a_waiting_checker_ends_when_told(kafka: KafkaSettings) -> None:
    """SIGTERM ends the waiting in order."""
    port = free_port()
    with checker(kafka, port) as process:
        until(lambda: "no policy in force" in readiness(port))
    assert process.returncode == 0


def _publish(settings: KafkaSettings, *documents: Document) -> None:
    publish(settings, [document.output() for document in documents])
