"""The disks of simulated machines: snapshots of consent state, which may be lost, spoilt, or those of last week."""

from __future__ import annotations

import random

from flowtrack.tracking.snapshot import DamagedSnapshotError, Snapshot, decoded, empty, encoded


class Disk:
    """Keeps snapshots as `adapters.snapshots.folder` does, as bytes."""

    by_part = False

    def __init__(self) -> None:
        self._files: dict[int, bytes] = {}
        self._backups: dict[int, bytes] = {}

    def write(self, snapshot: Snapshot) -> None:
        """Keep a snapshot, and the one before it as a backup would."""
        if snapshot.partition in self._files:
            self._backups[snapshot.partition] = self._files[snapshot.partition]
        self._files[snapshot.partition] = b"".join(encoded(snapshot))

    def read(self, partition: int, epoch: str, committed: int) -> Snapshot:
        """The partition's snapshot; an empty one where there is none that can be used."""
        try:
            snapshot = decoded(self._files.get(partition, b""))
        except DamagedSnapshotError:
            return empty(partition, epoch)
        return snapshot if self.usable(snapshot, partition, epoch, committed) else empty(partition, epoch)

    def usable(self, snapshot: Snapshot, partition: int, epoch: str, committed: int) -> bool:
        """Whether a sound snapshot is of this partition, and not ahead of what is committed."""
        return (snapshot.partition, snapshot.epoch) == (partition, epoch) and snapshot.cursor <= committed

    def release(self, partition: int) -> None:
        """Nothing is held open."""

    def suffer(self, chance: random.Random) -> str:
        """Lose, spoil or set back a file; gives what happened."""
        if not self._files:
            return "nothing"
        partition = chance.choice(sorted(self._files))
        what = chance.choice(["lost", "cut", "flipped", "set back"])
        data = self._files[partition]
        if what == "lost":
            del self._files[partition]
        elif what == "set back":
            self._files[partition] = self._backups.get(partition, data)
        else:
            at = chance.randrange(len(data))
            spoilt = data[:at] if what == "cut" else data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
            self._files[partition] = spoilt
        return what
