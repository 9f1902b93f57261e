"""A sample day through the SDK, and as files."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest

from flowtrack.domain.registry import RegistryDocument
from flowtrack.errors import DeliveryError, RuntimeStateError
from flowtrack.sample import SampleDay
from flowtrack.sample.emit import Emitted, emit
from flowtrack.sample.files import truth_document, write_day
from flowtrack.sdk import CONSENTS_TOPIC, EVENTS_TOPIC
from flowtrack.testing import MemoryTransport
from flowtrack.wire.decode import decode_consent, decode_event
from flowtrack.wire.partition import partition_of


def _emitted(day: SampleDay, transport: MemoryTransport, *, bad_messages: bool = True) -> Emitted:
    return asyncio.run(emit(day, transport, bad_messages=bad_messages))


def test_everything_is_published_once(small_day: SampleDay) -> None:
    """What was sent is what the day holds, on the right topics, and the report counts it."""
    transport = MemoryTransport()
    report = _emitted(small_day, transport, bad_messages=False)
    sent = Counter((record.topic, record.key.decode(), record.value) for record in transport.sent)
    held = Counter((CONSENTS_TOPIC if item.consent else EVENTS_TOPIC, item.key, item.value) for item in small_day.items)
    assert sent == held
    assert report.events == sum(1 for _ in small_day.events())
    assert report.consents == sum(1 for _ in small_day.consents())
    assert report.value_bytes == sum(len(item.value) for item in small_day.items)
    assert report.bad_messages == 0


def test_a_consent_is_published_before_what_rests_on_it(small_day: SampleDay) -> None:
    """On its way no event overtakes a consent record of its subject that takes effect before it."""
    transport = MemoryTransport()
    _emitted(small_day, transport, bad_messages=False)
    published: Counter[str] = Counter()
    effects: dict[str, list[datetime]] = {}
    for item in small_day.consents():
        effects.setdefault(item.subject, []).append(decode_consent(item.value).time)
    for record in transport.sent:
        if record.topic == CONSENTS_TOPIC:
            published[record.key.decode().split(":")[0]] += 1
        else:
            event = decode_event(record.value)
            due = sum(1 for effect in effects.get(event.subject, []) if effect <= event.time)
            assert published[event.subject] >= due


def test_records_stand_on_their_partition(small_day: SampleDay) -> None:
    """Every record but the one that is planted is on its subject's partition."""
    transport = MemoryTransport(partitions=8)
    report = _emitted(small_day, transport)
    elsewhere = [
        record for record in transport.sent if record.partition != partition_of(record.key.decode()[:32], partitions=8)
    ]
    assert len(elsewhere) == 1
    assert report.bad_messages == len(small_day.truth.bad_messages)


def test_one_partition_has_no_wrong_one(small_day: SampleDay) -> None:
    """On topics of one partition the message for a wrong one is left out."""
    report = _emitted(small_day, MemoryTransport(partitions=1))
    assert report.bad_messages == len(small_day.truth.bad_messages) - 1


def test_windows_hold_the_emitter_back(small_day: SampleDay) -> None:
    """Each event asks the window, with its partition and size."""
    asked: list[tuple[int, int]] = []

    async def window(partition: int, size: int) -> None:
        asked.append((partition, size))

    transport = MemoryTransport(windows={EVENTS_TOPIC: window})
    _emitted(small_day, transport, bad_messages=False)
    events = [record for record in transport.sent if record.topic == EVENTS_TOPIC]
    assert asked == [(record.partition, len(record.key) + len(record.value)) for record in events]


def test_a_failed_delivery_ends_the_emitter(small_day: SampleDay) -> None:
    """What is not acknowledged is not counted as published."""
    transport = MemoryTransport()
    transport.fail()
    with pytest.raises(DeliveryError):
        _emitted(small_day, transport)


def test_progress_reaches_the_end(small_day: SampleDay) -> None:
    """Whoever waits is told how far it is."""
    told: list[tuple[int, int]] = []
    asyncio.run(emit(small_day, MemoryTransport(), progress=lambda done, total: told.append((done, total))))
    assert told[-1] == (len(small_day.items), len(small_day.items))
    assert told == sorted(told)


def test_files_hold_the_day(small_day: SampleDay, tmp_path: Path) -> None:
    """Events and consents stand a line each, the registry reads back, the truth lists every violation."""
    sizes = write_day(small_day, tmp_path / "day")
    events = (tmp_path / "day" / "events.jsonl").read_bytes().splitlines()
    consents = (tmp_path / "day" / "consents.jsonl").read_bytes().splitlines()
    assert events == [item.value for item in small_day.events()]
    assert consents == [item.value for item in small_day.consents()]
    registry = RegistryDocument.model_validate_json((tmp_path / "day" / "registry.json").read_bytes())
    assert registry == small_day.registry
    truth = json.loads((tmp_path / "day" / "truth.json").read_bytes())
    assert len(truth["violations"]) == len(small_day.truth.violations)
    assert truth == json.loads(json.dumps(truth_document(small_day)))
    assert all((tmp_path / "day" / name).stat().st_size == size for name, size in sizes.items())


def test_a_folder_that_is_a_file_is_refused(small_day: SampleDay, tmp_path: Path) -> None:
    """Where the day cannot be written, the folder is named."""
    (tmp_path / "day").write_text("in the way")
    with pytest.raises(RuntimeStateError, match="cannot write the sample day"):
        write_day(small_day, tmp_path / "day")
