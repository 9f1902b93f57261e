"""A sample day as files: what `flowtrack check` reads, and the truth to compare its answers with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import msgspec

from flowtrack.errors import RuntimeStateError
from flowtrack.sample.day import SampleDay
from flowtrack.sample.diary import Item
from flowtrack.wire.encode import encode


def write_day(day: SampleDay, folder: Path) -> dict[str, int]:
    """Write `events.jsonl`, `consents.jsonl`, `registry.json` and `truth.json`; an older day there is replaced.

    Returns:
        Bytes by file name.

    Raises:
        RuntimeStateError: the folder cannot be written to.
    """
    contents = {
        "events.jsonl": _lines(day.events()),
        "consents.jsonl": _lines(day.consents()),
        "registry.json": encode(day.registry) + b"\n",
        "truth.json": msgspec.json.format(msgspec.json.encode(truth_document(day)), indent=1) + b"\n",
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return {name: (folder / name).write_bytes(content) for name, content in contents.items()}
    except OSError as error:
        raise RuntimeStateError(
            f"cannot write the sample day: {error.strerror}",
            where=str(folder),
            help="name a folder that can be written to",
        ) from error


def truth_document(day: SampleDay) -> dict[str, object]:
    """What was planted, and how much there is of everything, as plain values."""
    truth, options = day.truth, day.options
    kinds = Counter(item.kind for item in day.items)
    return {
        "options": {
            "seed": options.seed,
            "events": options.events,
            "subjects": options.subjects,
            "services": options.services,
            "parties": options.parties,
            "day": options.day.isoformat(),
        },
        "records": dict(sorted(kinds.items())),
        "violations": [violation._asdict() for violation in truth.violations],
        "incidents": truth.incidents,
        "repeats": truth.repeats,
        "bad_messages": [{"code": bad.code, "partition_shift": bad.partition_shift} for bad in truth.bad_messages],
    }


def _lines(items: Iterable[Item]) -> bytes:
    return b"".join(item.value + b"\n" for item in items)
