"""Consent state beyond memory: ten million subjects of one worker in an embedded store, and what a look-up costs.

Subjects with three records each stand in eight partitions' stores (`FLOWTRACK_STATE__HISTORIES=disk`).  They are put in
packed, as folding them would take most of the time and is measured in `benchmarks.consent_state`; then events of
random subjects are judged by them, a consent of every twentieth is added, and everything is opened again.

Goal (DESIGN, "The checker"; the issue names 10M subjects): what the process holds for itself stays bounded, and a
worker judges again within 10 s.  Pages of the store's files that the system keeps in memory for it are told apart:
the system takes them back when it needs them.  Left out: Kafka.  The peer is the state in memory, for 1M subjects.
"""

from __future__ import annotations

import random
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks.consent_state import NOW_US, entries_of
from benchmarks.rig.telling import Figure, options_of, tell
from flowtrack.adapters.snapshots.stored import StoredStates
from flowtrack.domain.consent import ConsentData
from flowtrack.domain.history import entry_of
from flowtrack.domain.instants import BEGINNING_US
from flowtrack.domain.names import RecordKind, RecordState
from flowtrack.tracking.packing import Packing
from flowtrack.tracking.snapshot import Histories, Snapshot
from flowtrack.tracking.standing import Standings
from flowtrack.tracking.state import PartitionState

_PARTITIONS = 8
_RECENT_MAX = 100_000
_PATTERNS = 5_000  # histories that differ; which subject has which does not matter here
_WRITE_EVERY = 100_000
_WITHDRAWN = ConsentData(record="consent-promotion", kind=RecordKind.CONSENT, state=RecordState.WITHDRAWN)
_END = 1 << 62


def own_bytes() -> int:
    """What the process holds for itself: resident, without pages of files."""
    info = psutil.Process().memory_info()
    return int(info.rss - info.shared)


def subject_of(number: int) -> bytes:
    """A subject's bytes: scattered, and the same for the same number."""
    return random.Random(number).randbytes(16)


def filled(states: StoredStates, subjects: int) -> None:
    """Put every subject's history into its partition's store."""
    packing = Packing()
    packed = [packing.pack(0, entries_of(number)) for number in range(min(_PATTERNS, subjects))]
    for partition in range(_PARTITIONS):
        histories = states.read(partition, "", _END).histories
        own = range(partition, subjects, _PARTITIONS)
        for count, number in enumerate(own, 1):
            histories[subject_of(number)] = packed[number % len(packed)]
            if count % _WRITE_EVERY == 0 or count == len(own):
                states.write(Snapshot(partition, count, "", packing, histories))
        states.release(partition)


def opened(states: StoredStates) -> list[PartitionState]:
    """The state of all partitions, as a worker that starts again has it."""
    found = []
    for partition in range(_PARTITIONS):
        snapshot = states.read(partition, "", _END)
        histories: Histories = snapshot.histories
        found.append(PartitionState(snapshot.packing, Standings(), judged_to_us=BEGINNING_US, histories=histories))
    return found


def judged(partitions: list[PartitionState], subjects: int, events: int) -> tuple[float, float]:
    """Judge events of random subjects and withdraw every twentieth's consent: CPU and wall microseconds an event."""
    chosen = [(number, subject_of(number)) for number in random.Random(1).choices(range(subjects), k=events)]
    cpu, wall = time.process_time(), time.monotonic()
    for at, (number, subject) in enumerate(chosen):
        state = partitions[number % _PARTITIONS]
        state.judge(subject, NOW_US + at * 1_000)
        if at % 20 == 0:
            state.add(subject.hex(), entry_of(f"w-{at}", NOW_US + at * 1_000, _WITHDRAWN))
        state.keep()
    return (time.process_time() - cpu) / events * 1e6, (time.monotonic() - wall) / events * 1e6


def measure(subjects: int, events: int, folder: Path) -> list[Figure]:
    """One run."""
    before = own_bytes()
    states = StoredStates(folder, _RECENT_MAX)
    begun = time.process_time()
    filled(states, subjects)
    filled_us = (time.process_time() - begun) / subjects * 1e6
    begun = time.monotonic()
    partitions = opened(StoredStates(folder, _RECENT_MAX))
    opened_s = time.monotonic() - begun
    cpu, wall = zip(*(judged(partitions, subjects, events) for _ in range(3)), strict=True)
    held = own_bytes() - before
    size = sum(path.stat().st_size for path in folder.rglob("data.mdb"))
    return [
        Figure("put in, a subject", "us CPU", (filled_us,)),
        Figure("the store on disk, a subject", "B", (size / subjects,)),
        Figure("open again", "s", (opened_s,), "<= 10"),
        Figure("consent as of an event's time, a random subject", "us CPU", tuple(cpu)),
        Figure("the same, wall", "us", tuple(wall)),
        Figure("the process's own memory grew by", "MiB", (held / 2**20,), "bounded"),
        Figure("that is, a subject", "B", (held / subjects,)),
    ]


def main() -> None:
    """Measure, and tell."""
    parser = options_of(__doc__)
    parser.add_argument("--subjects", type=int, default=10_000_000)
    options = parser.parse_args()
    subjects, events = (4_000, 2_000) if options.tiny else (options.subjects, 300_000)
    with tempfile.TemporaryDirectory(prefix="flowtrack-bench-") as name:
        tell(f"Stored consent state, {subjects:,} subjects", measure(subjects, events, Path(name)), options.json)


if __name__ == "__main__":
    main()
