"""Snapshots: a worker that restores one is where it would be after folding everything anew."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtrack.adapters.snapshots.folder import SnapshotFolder
from flowtrack.tracking import check
from flowtrack.tracking.check import Checker
from flowtrack.tracking.records import Record, Topic
from flowtrack.tracking.rulebook import Rulebook
from flowtrack.tracking.snapshot import DamagedSnapshotError, Snapshot, Snapshots, decoded, encoded
from flowtrack.wire.keys import consent_key

SUBJECTS = tuple(f"{number:032x}" for number in range(5))


class Remembering:
    """Snapshots in memory, through the bytes that a file would hold."""

    def __init__(self) -> None:
        self.kept: dict[int, bytes] = {}

    def write(self, snapshot: Snapshot) -> None:
        """Keep it."""
        self.kept[snapshot.partition] = b"".join(encoded(snapshot))

    def read(self, partition: int, epoch: str) -> Snapshot | None:
        """Give it back."""
        data = self.kept.get(partition)
        snapshot = None if data is None else decoded(data)
        return snapshot if snapshot is not None and snapshot.epoch == epoch else None


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


def test_an_aborted_batch_is_in_no_snapshot() -> None:
    """A snapshot holds committed records only, and its cursor stands behind the last of them."""
    kept = Remembering()
    worker = take_over(checker(kept), [])
    worker.process([record(0, SUBJECTS[0], "given")])
    worker.committed()
    worker.process([record(1, SUBJECTS[1], "given")])
    worker.aborted()
    worker.revoked(0)
    snapshot = kept.read(0, "")
    assert snapshot is not None
    assert (snapshot.cursor, len(snapshot.histories)) == (1, 1)


def test_a_snapshot_is_made_after_so_many_records(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that is killed has a snapshot of not long ago."""
    monkeypatch.setattr(check, "SNAPSHOT_EVERY", 3)
    kept = Remembering()
    worker = take_over(checker(kept), [])
    for offset in range(7):
        worker.process([record(offset, SUBJECTS[offset % 5], "given")])
        worker.committed()
    snapshot = kept.read(0, "")
    assert snapshot is not None
    assert snapshot.cursor == 6


def test_a_snapshot_ahead_of_what_is_committed_is_not_used() -> None:
    """Where the group was set back, the fold is that of the committed offset, not of a later one."""
    kept = Remembering()
    worker = take_over(checker(kept), [])
    worker.process([record(offset, SUBJECTS[0], "given") for offset in range(4)])
    worker.committed()
    worker.revoked(0)
    assert checker(kept).resume_from(0, 3) == 0
    assert checker(kept).resume_from(0, 4) == 4


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
    assert folder.read(0, "") is None
    worker = take_over(checker(folder), [])
    worker.process([record(0, SUBJECTS[0], "given")])
    worker.committed()
    worker.revoked(0)
    found = folder.read(0, "")
    assert found is not None
    assert found.cursor == 1
    assert folder.read(0, "another life of the broker") is None
    (path,) = (tmp_path / "state").iterdir()
    path.write_bytes(path.read_bytes()[:-1])
    assert folder.read(0, "") is None
    assert histories(take_over(checker(folder), [record(0, SUBJECTS[0], "given")]))[SUBJECTS[0]]


def test_a_snapshot_that_cannot_be_written_ends_nobody(tmp_path: Path) -> None:
    """Where the folder cannot be made the worker goes on without a snapshot."""
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    worker = take_over(checker(SnapshotFolder(tmp_path / "file")), [])
    worker.process([record(0, SUBJECTS[0], "given")])
    worker.committed()
    worker.revoked(0)
    assert (tmp_path / "file").read_text(encoding="utf-8") == "in the way"
