"""What a subject's consent state costs in memory, and how long a worker takes to have it again.

A worker's histories for many subjects with three records each (account, terms, one consent), as they come from the
SDK: folded from the topic's records, written to a snapshot, restored from it, and looked up in random order.

Goals (TARGETS.md, "Checker"): at most 300 bytes a subject; a worker with 1M subjects judges again within 10 s.
Left out: fetching the topic from Kafka.  The peer is the state as plain Python objects, the way it was kept before.
"""

from __future__ import annotations

import gc
import random
import resource
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks.rig.telling import Figure, arguments, tell
from flowtrack.adapters.snapshots.folder import SnapshotFolder
from flowtrack.domain.consent import ConsentData
from flowtrack.domain.history import Entry, entry_of, with_entry
from flowtrack.domain.instants import BEGINNING_US, DAY_US, END_US
from flowtrack.tracking.packing import Packing
from flowtrack.tracking.snapshot import Snapshot
from flowtrack.tracking.standing import Standings
from flowtrack.tracking.state import PartitionState

NOW_US = 1_790_000_000_000_000
_RECORDS = (
    ConsentData.model_validate({"record": "account", "kind": "account", "state": "open", "country": "KR"}),
    ConsentData.model_validate({"record": "terms", "kind": "terms", "state": "accepted"}),
    ConsentData.model_validate(
        {
            "record": "consent-promotion",
            "kind": "consent",
            "state": "given",
            "scope": {"data": "contact", "purpose": "recommendation", "recipient": "partner"},
        }
    ),
)


def resident_bytes() -> int:
    """What this process holds in memory now."""
    gc.collect()
    return int(psutil.Process().memory_info().rss)


def subject_of(number: int) -> str:
    """A pseudonym: 32 hex digits, the same for the same number."""
    return f"{random.Random(number).getrandbits(128):032x}"


def entries_of(number: int) -> list[Entry]:
    """A subject's three entries, with ids as the SDK makes them."""
    ids = random.Random(-number - 1)
    return [
        entry_of(f"{ids.getrandbits(128):032x}", NOW_US - (number % 900 + age) * DAY_US, data)
        for age, data in enumerate(_RECORDS)
    ]


def measure(subjects: int, folder: Path) -> dict[tuple[str, str, str], float]:
    """One round."""
    before = resident_bytes()
    state = PartitionState(Packing(), Standings(), judged_to_us=BEGINNING_US, histories={})
    folded_s = 0.0
    for number in range(subjects):
        subject, entries = subject_of(number), entries_of(number)
        begun = time.process_time()
        for entry in entries:
            state.add(subject, entry)
        state.keep()
        folded_s += time.process_time() - begun
    packed = (resident_bytes() - before) / subjects
    snapshots = SnapshotFolder(folder)
    begun = time.monotonic()
    snapshots.write(Snapshot(partition=0, cursor=3 * subjects, epoch="", packing=state.packing, histories=state.packed))
    written_s = time.monotonic() - begun
    begun = time.monotonic()
    restored = snapshots.read(0, "", 3 * subjects)
    restored_s = time.monotonic() - begun
    if len(restored.histories) != subjects:
        raise AssertionError("the snapshot does not hold what was written")
    again = PartitionState(restored.packing, Standings(), judged_to_us=END_US, histories=restored.histories)
    wanted = [
        bytes.fromhex(subject_of(number))
        for number in random.Random(1).choices(range(subjects), k=min(subjects, 50_000))
    ]
    begun = time.process_time()
    for key in wanted:
        again.judge(key, NOW_US)
    looked_up_us = (time.process_time() - begun) / len(wanted) * 1e6
    return {
        ("memory, a subject of three records", "B", "<= 300"): packed,
        ("folding, records per CPU second", "records/s", ""): 3 * subjects / folded_s,
        ("snapshot written", "s", ""): written_s,
        ("snapshot restored", "s", "<= 10 at 1M"): restored_s,
        ("consent as of now, noted as judged, random order", "us", ""): looked_up_us,
    }


def objects(subjects: int) -> float:
    """The peer: bytes a subject as a dictionary of tuples."""
    before = resident_bytes()
    held: dict[str, tuple[Entry, ...]] = {}
    for number in range(subjects):
        history: tuple[Entry, ...] = ()
        for entry in entries_of(number):
            history = with_entry(history, entry)
        held[subject_of(number)] = history
    return (resident_bytes() - before) / len(held)


def main() -> None:
    """Measure, and tell."""
    options = arguments(__doc__)
    subjects, rounds = (2_000, 1) if options.tiny else (1_000_000, 1)
    values: dict[tuple[str, str, str], list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="flowtrack-bench-") as name:
        for _ in range(rounds):
            for key, value in measure(subjects, Path(name)).items():
                values.setdefault(key, []).append(value)
    figures = [Figure(name, unit, tuple(found), goal) for (name, unit, goal), found in values.items()]
    figures.append(Figure("peer: as plain objects, a subject", "B", (objects(min(subjects, 200_000)),)))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    figures.append(Figure("peak resident memory of this benchmark", "MiB", (peak / 2**20,)))
    tell(f"Consent state, {subjects:,} subjects", figures, options.json)


if __name__ == "__main__":
    main()
