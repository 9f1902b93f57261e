"""Snapshots in a folder: one file a partition, replaced as a whole."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import structlog

from flowtrack.tracking.snapshot import DamagedSnapshotError, Snapshot, decoded, empty, encoded, is_too_old

_log = structlog.get_logger(__name__)


class SnapshotFolder:
    """Keeps snapshots as `consents-<partition>.snapshot`.

    A file that is damaged, of another epoch or that cannot be read is left out, and logged: it only costs time.

    Args:
        folder: made when it is missing.
        tombstones_since: gives from when on consents/p has every tombstone, in milliseconds; an older snapshot is left
            out.
    """

    by_part = False

    def __init__(self, folder: Path, tombstones_since: Callable[[], int] = lambda: 0) -> None:
        self._folder = folder
        self._tombstones_since = tombstones_since

    def write(self, snapshot: Snapshot) -> None:
        """Write a snapshot beside the earlier one, and put it in its place once it is on the disk.

        One that cannot be written is logged: the earlier one stays, and the next start takes longer.
        """
        try:
            self._write(snapshot)
        except OSError as error:
            _log.error("snapshot not written", partition=snapshot.partition, why=error.strerror)

    def _write(self, snapshot: Snapshot) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._path(snapshot.partition)
        draft = path.with_suffix(f".{os.getpid()}.draft")
        try:
            with draft.open("wb") as file:
                for piece in encoded(snapshot):
                    file.write(piece)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)

    def read(self, partition: int, epoch: str, committed: int) -> Snapshot:
        """The partition's snapshot; an empty one where there is none that can be used."""
        path = self._path(partition)
        try:
            snapshot = decoded(path.read_bytes())
        except FileNotFoundError:
            return empty(partition, epoch)
        except (OSError, DamagedSnapshotError) as error:
            _log.warning("snapshot not used, the topic is folded anew", partition=partition, why=type(error).__name__)
            return empty(partition, epoch)
        if (snapshot.partition, snapshot.epoch) != (partition, epoch):
            _log.info("snapshot of another broker not used", partition=partition)
            return empty(partition, epoch)
        if snapshot.cursor > committed:
            _log.warning("snapshot ahead of what is committed not used", partition=partition)
            return empty(partition, epoch)
        if is_too_old(snapshot.cursor, snapshot.newest_ms, self._tombstones_since()):
            _log.warning("snapshot too old, the topic is folded anew", partition=partition)
            return empty(partition, epoch)
        return snapshot

    def release(self, partition: int) -> None:
        """Nothing is held open."""

    def _path(self, partition: int) -> Path:
        return self._folder / f"consents-{partition}.snapshot"
