"""A service that publishes a file of records by the SDK, slice by slice, and goes on where it stopped when killed.

Usage: python -m benchmarks.rig.publishing BOOTSTRAP RECORDS PROGRESS PER_SECOND

A line of RECORDS is service, subject, key, `c` or `e` for consent or event, and value, between tabs.  PROGRESS holds
the byte up to which everything is acknowledged: after a kill the slice in flight is published again.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from itertools import islice
from pathlib import Path

from flowtrack.sample.day import SampleDay
from flowtrack.sdk.client import Flowtrack
from flowtrack.sdk.kafka import KafkaTransport

SLICE = 250


def write_records(day: SampleDay, target: Path) -> int:
    """Write a day's records in the order of time; gives how many."""
    with target.open("wb") as file:
        for item in day.items:
            head = "\t".join((item.service, item.subject, item.key, "c" if item.consent else "e"))
            file.write(head.encode() + b"\t" + item.value + b"\n")
    return len(day.items)


def progress_of(path: Path) -> int:
    """The byte up to which everything is acknowledged."""
    return int(path.read_text(encoding="utf-8")) if path.exists() else 0


async def publish(bootstrap: str, records: Path, progress: Path, per_second: float) -> None:
    """Publish what is left of the file, at most at a rate."""
    transport = KafkaTransport(bootstrap)
    await transport.start()
    async with AsyncExitStack() as stack:
        clients: dict[str, Flowtrack] = {}
        with records.open("rb") as file:
            file.seek(progress_of(progress))
            due_s = time.monotonic()
            while lines := list(islice(iter(file.readline, b""), SLICE)):
                rows = [line.rstrip(b"\n").split(b"\t", 4) for line in lines]
                for service in {row[0].decode() for row in rows} - set(clients):
                    clients[service] = await stack.enter_async_context(Flowtrack(service=service, transport=transport))
                await _send(clients, rows, b"c")  # safe before the events that rest on them are sent
                await _send(clients, rows, b"e")
                part = progress.with_name(progress.name + ".part")
                part.write_text(str(file.tell()), encoding="utf-8")
                part.replace(progress)
                due_s = max(due_s + len(lines) / per_second, time.monotonic() - 1)
                await asyncio.sleep(max(0.0, due_s - time.monotonic()))
    await transport.stop()


async def _send(clients: dict[str, Flowtrack], rows: Iterable[Sequence[bytes]], kind: bytes) -> None:
    sent = []
    for service, subject, key, found, value in rows:
        if found != kind:
            continue
        client = clients[service.decode()]
        if kind == b"c":
            sent.append(await client.publish_encoded_consent(subject.decode(), key.decode(), value))
        else:
            sent.append(await client.publish_encoded(subject.decode(), value))
    await asyncio.gather(*sent)


def main() -> None:
    bootstrap, records, progress, per_second = sys.argv[1:]
    asyncio.run(publish(bootstrap, Path(records), Path(progress), float(per_second)))


if __name__ == "__main__":
    main()
