"""Snapshots: a worker that restores one is where it would be after folding everything anew."""

from __future__ import annotations

import multiprocessing
import tempfile
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowtrack.adapters.snapshots import stored as stored_module
from flowtrack.adapters.snapshots.folder import SnapshotFolder
from flowtrack.adapters.snapshots.stored import StoredStates
from flowtrack.domain.consent import ConsentData
from flowtrack.domain.history import entry_of
from flowtrack.domain.names import RecordKind, RecordState
from flowtrack.errors import RuntimeStateError
from flowtrack.tracking import check
from flowtrack.tracking.check import Checker
from flowtrack.tracking.records import Record, Topic
from flowtrack.tracking.rulebook import Rulebook
from flowtrack.tracking.snapshot import DamagedSnapshotError, Snapshot, Snapshots, decoded, empty, encoded
from flowtrack.wire.keys import consent_key

SUBJECTS = tuple(f"{number:032x}" for number in range(5))


class Remembering:
    """Snapshots in memory, through the bytes that a file would hold."""

    def __init__(self) -> None:
        self.kept: dict[int, bytes] = {}

    by_part = False

    def write(self, snapshot: Snapshot) -> None:
        """Keep it."""
        self.kept[snapshot.partition] = b"".join(encoded(snapshot))

    def read(self, partition: int, epoch: str, committed: int) -> Snapshot:
        """Give it back."""
        data = self.kept.get(partition)
        snapshot = empty(partition, epoch) if data is None else decoded(data)
        return snapshot if snapshot.epoch == epoch and snapshot.cursor <= committed else empty(partition, epoch)

    def release(self, partition: int) -> None:
        """Nothing is open."""


def record(offset: int, subject: str, state: str) -> Record:
    """A consent record as it stands on its topic."""
    name, event_id = "promotion", f"c-{offset}"
    value = (
        f'{{"specversion":"1.0","id":"{event_id}","source":"/services/consent","type":"flowtrack.consent.v1",'
        f'"subject":"{subject}","time":"2026-03-01T00:00:{offset:02}Z",'
        f'"data":{{"record":"{name}","kind":"consent","state":"{state}","scope":{{"purpose":"service"}}}}}}'
    )
    key = consent_key(subject, name, event_id).encode()
    return Record(Topic.CONSENTS, 0, offset, 1_772_400_000_000, key, value.encode())


def checker(snapshots: Snapshots | None) -> Checker:
    """A checker of one partition, with no rules: only its state is looked at."""
    return Checker(Rulebook(), 1, lambda _: False, snapshots=snapshots)


def take_over(worker: Checker, log: list[Record]) -> Checker:
    """Give a worker the partition, the way the source does."""
    begin = worker.resume_from(0, len(log))
    worker.assigned(0, log[begin:])
    return worker


def histories(worker: Checker) -> dict[str, object]:
    """What a worker knows of each subject."""
    return {subject: worker.state(0).history(subject) for subject in SUBJECTS}


@given(st.lists(st.tuples(st.sampled_from(SUBJECTS), st.sampled_from(["given", "withdrawn"])), max_size=40), st.data())
def test_snapshot_and_tail_equal_the_whole_fold(said: list[tuple[str, str]], data: st.DataObject) -> None:
    """Wherever the snapshot was made, restoring it and folding what follows gives the state of folding all."""
    log = [record(offset, *each) for offset, each in enumerate(said)]
    cut = data.draw(st.integers(0, len(log)))
    kept = Remembering()
    first = take_over(checker(kept), [])
    first.process(log[:cut])
    first.committed()
    first.revoked(0)
    assert histories(take_over(checker(kept), log)) == histories(take_over(checker(None), log))


@settings(max_examples=50)
@given(st.lists(st.tuples(st.sampled_from(SUBJECTS), st.sampled_from(["given", "withdrawn"])), max_size=40), st.data())
def test_stored_histories_equal_those_in_memory(said: list[tuple[str, str]], data: st.DataObject) -> None:
    """Whatever was written when, aborted, dropped from memory or lost by a kill: the state is the fold of the topic."""
    log = [record(offset, *each) for offset, each in enumerate(said)]
    committed = 0
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(check, "SNAPSHOT_EVERY", data.draw(st.integers(1, 10)))
        states = StoredStates(Path(folder), recent_max=2)
        worker = take_over(checker(states), [])
        while committed < len(log):
            batch = log[committed : committed + data.draw(st.integers(1, 8))]
            worker.process(batch)
            what = data.draw(st.sampled_from(["commit", "abort", "kill", "hand over"]))
            if what == "abort":
                worker.aborted()
                continue
            if what in {"commit", "hand over"}:
                worker.committed()
                committed += len(batch)
            if what == "hand over":
                worker.revoked(0)
            if what != "commit":
                states.release(0)
                states = StoredStates(Path(folder), recent_max=2)
                worker = take_over(checker(states), log[:committed])
        assert histories(worker) == histories(take_over(checker(None), log))
        states.release(0)


def test_an_aborted_batch_is_in_no_snapshot() -> None:
    """A snapshot holds committed records only, and its cursor stands behind the last of them."""
    kept = Remembering()
    worker = take_over(checker(kept), [])
    worker.process([record(0, SUBJECTS[0], "given")])
    worker.committed()
    worker.process([record(1, SUBJECTS[1], "given")])
    worker.aborted()
    worker.revoked(0)
    snapshot = kept.read(0, "", 9)
    assert (snapshot.cursor, len(snapshot.histories)) == (1, 1)


def test_a_snapshot_is_made_after_so_many_records(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that is killed has a snapshot of not long ago."""
    monkeypatch.setattr(check, "SNAPSHOT_EVERY", 3)
    kept = Remembering()
    worker = take_over(checker(kept), [])
    for offset in range(7):
        worker.process([record(offset, SUBJECTS[offset % 5], "given")])
        worker.committed()
    snapshot = kept.read(0, "", 9)
    assert snapshot.cursor == 6


@pytest.mark.parametrize("kind", ["memory", "folder", "stored"])
def test_a_snapshot_ahead_of_what_is_committed_is_not_used(kind: str, tmp_path: Path) -> None:
    """Where the group was set back, the fold is that of the committed offset, not of a later one."""
    kept: Snapshots = Remembering()
    if kind != "memory":
        kept = SnapshotFolder(tmp_path) if kind == "folder" else StoredStates(tmp_path, recent_max=10)
    worker = take_over(checker(kept), [])
    worker.process([record(offset, SUBJECTS[0], "given") for offset in range(4)])
    worker.committed()
    worker.revoked(0)
    assert checker(kept).resume_from(0, 4) == 4
    assert checker(kept).resume_from(0, 3) == 0


@pytest.mark.parametrize("kind", ["folder", "stored"])
def test_a_snapshot_older_than_the_tombstones_brings_nobody_back(kind: str, tmp_path: Path) -> None:
    """A consent that was erased after the snapshot, and whose tombstone compaction has taken, stays erased."""

    def kept(since_ms: int) -> Snapshots:
        since = partial(int, since_ms)
        return SnapshotFolder(tmp_path, since) if kind == "folder" else StoredStates(tmp_path, 10, since)

    log = [record(0, SUBJECTS[0], "given"), record(1, SUBJECTS[1], "given")]
    worker = take_over(checker(kept(0)), [])
    worker.process(log)
    worker.committed()
    worker.revoked(0)
    at_ms = log[-1].timestamp_ms
    compacted = log[1:]  # neither the first record nor its tombstone at offset 2 is left
    for since_ms, resumed in ((at_ms, 2), (at_ms + 1, 0)):
        again = checker(kept(since_ms))
        assert again.resume_from(0, 3) == resumed
        again.assigned(0, compacted if resumed == 0 else [])
        assert bool(again.state(0).history(SUBJECTS[0])) == (resumed == 2)
        assert again.state(0).history(SUBJECTS[1])
        again.revoked(0)


@given(st.integers(0, 400), st.integers(1, 255))
def test_every_damage_is_seen(place: int, change: int) -> None:
    """A snapshot with a changed byte, or cut short, is told from a whole one."""
    kept = Remembering()
    worker = take_over(checker(kept), [])
    worker.process([record(0, SUBJECTS[0], "given")])
    worker.committed()
    worker.revoked(0)
    whole = kept.kept[0]
    damaged = bytearray(whole)
    damaged[place % len(whole)] ^= change
    for data in (bytes(damaged), whole[: place % len(whole)]):
        with pytest.raises(DamagedSnapshotError):
            decoded(data)


def test_files_are_replaced_as_a_whole_and_damage_only_costs_time(tmp_path: Path) -> None:
    """A folder gives back what was written last; a damaged, missing or foreign file is left out."""
    folder = SnapshotFolder(tmp_path / "state")
    assert folder.read(0, "", 9).cursor == 0
    worker = take_over(checker(folder), [])
    worker.process([record(0, SUBJECTS[0], "given")])
    worker.committed()
    worker.revoked(0)
    assert folder.read(0, "", 9).cursor == 1
    assert folder.read(0, "another life of the broker", 9).cursor == 0
    (path,) = (tmp_path / "state").iterdir()
    path.write_bytes(path.read_bytes()[:-1])
    assert folder.read(0, "", 9).cursor == 0
    assert histories(take_over(checker(folder), [record(0, SUBJECTS[0], "given")]))[SUBJECTS[0]]


def test_a_snapshot_that_cannot_be_written_ends_nobody(tmp_path: Path) -> None:
    """Where the folder cannot be made the worker goes on without a snapshot."""
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    worker = take_over(checker(SnapshotFolder(tmp_path / "file")), [])
    worker.process([record(0, SUBJECTS[0], "given")])
    worker.committed()
    worker.revoked(0)
    assert (tmp_path / "file").read_text(encoding="utf-8") == "in the way"


def stored(folder: Path, recent_max: int = 10) -> tuple[StoredStates, Checker]:
    """A store with one subject's consent in it, and the worker that has it open."""
    kept = StoredStates(folder, recent_max)
    worker = take_over(checker(kept), [])
    worker.process([record(0, SUBJECTS[0], "given")])
    worker.committed()
    return kept, worker


def test_a_damaged_store_is_made_anew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Damage costs the time of folding the topic, and is said."""
    _, worker = stored(tmp_path)
    worker.revoked(0)
    (path,) = tmp_path.iterdir()
    (path / "data.mdb").write_bytes(b"no store" * 1_000)
    again = StoredStates(tmp_path, 10)
    assert again.read(0, "", 9).cursor == 0
    assert "folded anew" in capsys.readouterr().out
    again.release(0)
    assert StoredStates(tmp_path, 10).read(0, "another life of the broker", 9).cursor == 0


def succeed(folder: Path) -> None:
    """Another process takes the store over."""
    take_over(checker(StoredStates(folder, 10)), [record(0, SUBJECTS[0], "given")]).revoked(0)


def test_a_replaced_worker_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A worker that wakes up after its successor took the partition over leaves the successor's store as it is."""
    kept, zombie = stored(tmp_path)
    successor = multiprocessing.get_context("spawn").Process(target=succeed, args=(tmp_path,))
    successor.start()
    successor.join(30)
    assert successor.exitcode == 0
    zombie.process([record(1, SUBJECTS[1], "given")])
    zombie.committed()
    zombie.revoked(0)
    assert "another worker has the partition" in capsys.readouterr().out
    assert kept.read(0, "", 9).cursor == 1


def test_who_was_judged_and_forgotten_is_taken_for_judged_late(tmp_path: Path) -> None:
    """A consent of a subject that dropped out of memory marks what may have been judged, rather than too little."""
    kept = StoredStates(tmp_path, recent_max=2)
    worker = take_over(checker(kept), [])
    state = worker.state(0)
    minute_us = 60_000_000
    for number in range(50):
        state.judge(number.to_bytes(16, "big"), number * minute_us)
    state.keep()
    assert state.reaches_back(SUBJECTS[0], 10 * minute_us)
    assert not state.reaches_back(SUBJECTS[0], 60 * minute_us)


def test_a_full_disk_ends_the_worker_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the store cannot grow the worker says so, and what it holds is folded anew later."""
    monkeypatch.setattr(stored_module, "_MAP_BYTES", 64 * 1024)
    monkeypatch.setattr(check, "SNAPSHOT_EVERY", 1)
    worker = take_over(checker(StoredStates(tmp_path, 10)), [])
    accepted = ConsentData(record="r", kind=RecordKind.TERMS, state=RecordState.ACCEPTED)
    for number in range(2_000):
        worker.state(0).add(f"{number << 96:032x}", entry_of("e", 0, accepted))
    worker.process([record(0, SUBJECTS[0], "given")])
    with pytest.raises(RuntimeStateError, match="cannot be written: `MapFullError`"):
        worker.committed()
