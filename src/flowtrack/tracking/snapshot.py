"""Snapshots of a partition's consent state: so that a worker judges again in seconds after it was killed.

A snapshot is the fold of consents/p up to a cursor.  It is never needed for being right: one that is damaged, of
another broker or missing only costs the time of folding the topic anew.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Protocol

from flowtrack.tracking.packing import Packing

_MAGIC = b"flowtrack-state-3\n"
_LENGTH = struct.Struct("<I")
_SUBJECT_BYTES = 16
_DIGEST_BYTES = 16
_CHUNK = 8_192


class HistoryStore(Protocol):
    """What takes the place of a dictionary from a subject's bytes to its packed history."""

    def __len__(self) -> int:
        """How many subjects there are."""
        ...

    def __setitem__(self, subject: bytes, packed: bytes, /) -> None:
        """Keep a subject's history."""
        ...

    def get(self, subject: bytes, default: Any = None, /) -> Any:  # noqa: ANN401 - as a dictionary's
        """A subject's history, or the default."""
        ...

    def pop(self, subject: bytes, default: Any = None, /) -> Any:  # noqa: ANN401 - as a dictionary's
        """Take back a subject that was not there before."""
        ...


Histories = dict[bytes, bytes] | HistoryStore
"""Packed histories by the subject's bytes: all in memory, or in a store."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """State of one partition, as of an offset of the consents topic."""

    partition: int
    cursor: int
    """Offset of the first consent record that is not in it."""
    epoch: str
    """Which life of the broker the cursor is of."""
    packing: Packing
    histories: Histories
    newest_ms: int = 0
    """When the last consent record in it was appended to the topic."""


class Snapshots(Protocol):
    """Where snapshots are kept."""

    @property
    def by_part(self) -> bool:
        """Whether writing costs only what changed since the last time, not the whole state."""
        ...

    def write(self, snapshot: Snapshot) -> None:
        """Keep a snapshot in place of the partition's earlier one, all of it or nothing."""
        ...

    def read(self, partition: int, epoch: str, committed: int) -> Snapshot:
        """The partition's snapshot: of the broker's present life, not ahead of what is committed, and not `is_too_old`.

        Where there is none that can be used it is empty, and its cursor 0.
        """
        ...

    def release(self, partition: int) -> None:
        """The partition goes to another worker; harmless where it was not read."""
        ...


def empty(partition: int, epoch: str) -> Snapshot:
    """The state before any record, in memory."""
    return Snapshot(partition, 0, epoch, Packing(), {})


def is_too_old(cursor: int, newest_ms: int, since_ms: int) -> bool:
    """Whether the topic may no longer have all that came after a snapshot.

    Args:
        cursor: of the snapshot.
        newest_ms: when the last record in it was appended.
        since_ms: from when on the topic has every tombstone: compaction may have taken earlier ones, and with them the
            only sign that a consent in the snapshot was erased.
    """
    return cursor > 0 and newest_ms < since_ms


class DamagedSnapshotError(Exception):
    """Bytes that are no whole snapshot."""


def encoded(snapshot: Snapshot) -> Iterator[bytes]:
    """A snapshot as bytes, piece by piece; the last piece is a checksum of the others."""
    histories = snapshot.histories
    if not isinstance(histories, dict):
        raise TypeError("histories that are not in memory are no matter of a file")
    digest = blake2b(digest_size=_DIGEST_BYTES)
    head = json.dumps(
        {
            "partition": snapshot.partition,
            "cursor": snapshot.cursor,
            "epoch": snapshot.epoch,
            "newest_ms": snapshot.newest_ms,
            "subjects": len(histories),
            **snapshot.packing.words(),
        }
    ).encode()
    for piece in (_MAGIC + _LENGTH.pack(len(head)) + head, *_pieces(histories)):
        digest.update(piece)
        yield piece
    yield digest.digest()


def _pieces(histories: dict[bytes, bytes]) -> Iterator[bytes]:
    piece: list[bytes] = []
    for subject, packed in histories.items():
        piece += (subject, _LENGTH.pack(len(packed)), packed)
        if len(piece) >= _CHUNK:
            yield b"".join(piece)
            piece.clear()
    yield b"".join(piece)


def decoded(data: bytes) -> Snapshot:
    """The snapshot behind bytes.

    Raises:
        DamagedSnapshotError: they are no whole snapshot of this version.
    """
    body, checksum = data[:-_DIGEST_BYTES], data[-_DIGEST_BYTES:]
    if not body.startswith(_MAGIC) or blake2b(body, digest_size=_DIGEST_BYTES).digest() != checksum:
        raise DamagedSnapshotError("it has another form, or its checksum is wrong")
    at = len(_MAGIC)
    (length,) = _LENGTH.unpack_from(body, at)
    at += _LENGTH.size
    head = json.loads(body[at : at + length])
    at += length
    histories: dict[bytes, bytes] = {}
    for _ in range(head["subjects"]):
        (length,) = _LENGTH.unpack_from(body, at + _SUBJECT_BYTES)
        begin = at + _SUBJECT_BYTES + _LENGTH.size
        histories[body[at : at + _SUBJECT_BYTES]] = body[begin : begin + length]
        at = begin + length
    packing = Packing(head["records"], head["countries"], head["scopes"])
    return Snapshot(head["partition"], head["cursor"], head["epoch"], packing, histories, head["newest_ms"])
