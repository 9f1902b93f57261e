"""Consent state beyond memory: the histories of each partition in an embedded store (LMDB), recent ones at hand.

The store of a partition is its snapshot: it holds the fold of consents/p up to its cursor, and whatever came later
stands in memory until it is written, all of it or nothing, together with the cursor that it leads to.
"""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import lmdb
import structlog

from flowtrack.errors import RuntimeStateError
from flowtrack.tracking.packing import EMPTY, Packing, judged_minute, with_judged_minute, without_judged_minute
from flowtrack.tracking.snapshot import Snapshot, is_too_old

FORM = 4
"""The form of packed histories that a store holds; one of another form is made anew."""
_HEAD = b"\x00head"  # shorter than a subject's 16 bytes, so it is none
_MAP_BYTES = 1 << 38  # address space, not memory: 256 GiB
_FAULTS = (lmdb.Error, OSError)
_DAMAGE = (lmdb.InvalidError, lmdb.CorruptedError, lmdb.VersionMismatchError)
_NO_WORDS: Mapping[str, Any] = MappingProxyType({})

_log = structlog.get_logger(__name__)


class _Head(NamedTuple):
    """What a store says of itself."""

    form: int
    partition: int
    epoch: str
    cursor: int
    owner: str
    """Who wrote last: a worker that was replaced and wakes up must not write over its successor."""
    newest_ms: int = 0
    """When the last consent record in the store was appended to its topic."""
    words: Mapping[str, Any] = _NO_WORDS

    def text(self) -> bytes:
        return json.dumps([*self[:-1], dict(self.words)]).encode()

    def serves(self, wanted: _Head, committed: int, since_ms: int) -> bool:
        """Whether the store is of the form, partition and epoch that is wanted, and neither ahead nor too old."""
        alike = self[:3] == wanted[:3]
        return alike and self.cursor <= committed and not is_too_old(self.cursor, self.newest_ms, since_ms)

    @classmethod
    def of(cls, text: bytes | None) -> _Head | None:
        try:
            return None if text is None else cls(*json.loads(text))
        except (ValueError, TypeError):
            return None


class StoredHistories:
    """Histories by subject (`tracking.snapshot.HistoryStore`): what changed since the last writing, and recent ones.

    Beside each history stands the minute up to which the subject's events were judged.  It changes with every event,
    so for its sake nothing is written: who drops out of memory is taken to have been judged as late as anybody who
    did.  That can make a marker too many, never one too few.

    Args:
        env: the partition's store.
        recent_max: subjects kept at hand, besides those that changed.
        path: for messages.
    """

    def __init__(self, env: lmdb.Environment, recent_max: int, path: Path) -> None:
        self.env = env
        self._path = path
        self._recent_max = recent_max
        self._recent: dict[bytes, bytes] = {}
        self._changed: set[bytes] = set()
        self._forgotten_minute = 0
        self._reading = env.begin(buffers=False)
        self._stored_count = env.stat()["entries"]

    def __len__(self) -> int:
        """How many subjects there are; ones that are new since the last writing count once they are written."""
        return max(0, self._stored_count - 1)

    def get(self, subject: bytes, default: Any = None, /) -> Any:  # noqa: ANN401 - as a dictionary's
        """A subject's packed history, or the default."""
        known = self._recent.get(subject)
        if known is not None:
            return known
        stored = self._stored(subject)
        if stored is None:
            if default is EMPTY and self._forgotten_minute:
                return with_judged_minute(EMPTY, self._forgotten_minute)
            return default
        if judged_minute(stored) < self._forgotten_minute:
            stored = with_judged_minute(stored, self._forgotten_minute)
        self._remember(subject, stored)
        return stored

    def __setitem__(self, subject: bytes, packed: bytes) -> None:
        """Keep a history; one that says the same but for the minute need not be written."""
        if subject not in self._changed:
            known = self._recent.get(subject) or self._stored(subject) or EMPTY
            if without_judged_minute(known) != without_judged_minute(packed):
                self._changed.add(subject)
        self._remember(subject, packed)

    def pop(self, subject: bytes, default: Any = None, /) -> Any:  # noqa: ANN401 - as a dictionary's
        """Take back a history that this worker was the first to put in: it is in no store yet."""
        self._changed.discard(subject)
        return self._recent.pop(subject, default)

    def write(self, head: Callable[[bytes | None], bytes | None]) -> bool:
        """Write what changed, with the head that a function makes of the present one; false where it makes none.

        Raises:
            RuntimeStateError: the store cannot be written.
        """
        changed = sorted((subject, self._recent[subject]) for subject in self._changed)
        try:
            with self.env.begin(write=True) as writing:
                after = head(writing.get(_HEAD))
                if after is None:
                    writing.abort()
                    return False
                writing.cursor().putmulti(changed)
                writing.put(_HEAD, after)
            self._stored_count = self.env.stat()["entries"]
        except _FAULTS as error:
            raise self._fault("cannot be written", error) from error
        self._changed.clear()
        self._reading.abort()
        self._reading = self.env.begin(buffers=False)
        return True

    def close(self) -> None:
        """Close the store; what changed and was not written is lost, and folded anew."""
        self._reading.abort()
        self.env.close()

    def _stored(self, subject: bytes) -> bytes | None:
        try:
            return self._reading.get(subject)
        except _FAULTS as error:
            raise self._fault("cannot be read", error) from error

    def _remember(self, subject: bytes, packed: bytes) -> None:
        self._recent[subject] = packed
        if len(self._recent) - len(self._changed) > self._recent_max:
            self._forget()

    def _forget(self) -> None:
        """Drop what the store holds as well."""
        changed = {subject: self._recent[subject] for subject in self._changed}
        dropped = (judged_minute(packed) for subject, packed in self._recent.items() if subject not in changed)
        self._forgotten_minute = max(self._forgotten_minute, max(dropped, default=0))
        self._recent = changed

    def _fault(self, what: str, error: Exception) -> RuntimeStateError:
        return RuntimeStateError(
            f"the store of consent histories {what}: `{type(error).__name__}`",
            where=str(self._path),
            help="see that the disk has room and is sound; where the store is damaged delete this folder, it is made "
            "anew from the topic",
        )


class StoredStates:
    """Keeps each partition's state in a store of its own (`tracking.snapshot.Snapshots`).

    A store that is damaged, of another form or epoch, ahead of what is committed, or too old is made anew; that is
    logged.

    Args:
        folder: made when it is missing.
        recent_max: subjects of a partition that are kept at hand, besides those that changed since the last writing.
        tombstones_since: gives from when on consents/p has every tombstone, in milliseconds.
    """

    by_part = True

    def __init__(self, folder: Path, recent_max: int, tombstones_since: Callable[[], int] = lambda: 0) -> None:
        self._folder = folder
        self._tombstones_since = tombstones_since
        self._recent_max = recent_max
        self._owner = secrets.token_hex(8)
        self._open: dict[int, StoredHistories] = {}

    def read(self, partition: int, epoch: str, committed: int) -> Snapshot:
        """Open the partition's store, an empty one where there is none that can be used.

        Raises:
            RuntimeStateError: the folder cannot be written.
        """
        self.release(partition)
        path = self._folder / f"consents-{partition}.lmdb"
        head = _Head(FORM, partition, epoch, 0, self._owner)
        histories = self._opened(path)
        try:
            with histories.env.begin() as reading:
                found = _Head.of(reading.get(_HEAD))
        except _FAULTS:
            found = None
        if found is None or not found.serves(head, committed, self._tombstones_since()):
            if len(histories) or found is not None:
                _log.warning("stored state not used, the topic is folded anew", partition=partition)
            histories.close()
            shutil.rmtree(path)
            histories = self._opened(path)
        else:
            head = found._replace(owner=self._owner)
        histories.write(lambda _: head.text())
        self._open[partition] = histories
        packing = Packing(**head.words)
        return Snapshot(partition, head.cursor, epoch, packing, histories, head.newest_ms)

    def write(self, snapshot: Snapshot) -> None:
        """Write what changed since the last time; where another worker has taken the store over, nothing.

        Raises:
            RuntimeStateError: the store cannot be written.
        """
        after = _Head(
            FORM,
            snapshot.partition,
            snapshot.epoch,
            snapshot.cursor,
            self._owner,
            snapshot.newest_ms,
            snapshot.packing.words(),
        ).text()

        def mine(text: bytes | None) -> bytes | None:
            before = _Head.of(text)
            return after if before is not None and before.owner == self._owner else None

        if not self._open[snapshot.partition].write(mine):
            _log.warning("state not stored: another worker has the partition", partition=snapshot.partition)

    def release(self, partition: int) -> None:
        """Close the partition's store."""
        histories = self._open.pop(partition, None)
        if histories is not None:
            histories.close()

    def _opened(self, path: Path) -> StoredHistories:
        try:
            return self._opened_once(path)
        except _DAMAGE:
            _log.warning("stored state is damaged, the topic is folded anew", path=path.name)
            shutil.rmtree(path)
            return self._opened_once(path)

    def _opened_once(self, path: Path) -> StoredHistories:
        try:
            path.mkdir(parents=True, exist_ok=True)
            # subjects are hashes, so neighbours are strangers: reading ahead would only push others out of memory
            env = lmdb.open(str(path), map_size=_MAP_BYTES, readahead=False, max_readers=16)
        except _DAMAGE:
            raise
        except _FAULTS as error:
            raise RuntimeStateError(
                f"the store of consent histories cannot be opened: `{type(error).__name__}`",
                where=str(path),
                help="give FLOWTRACK_STATE__DIR a folder that the worker may write to, on a disk with room",
            ) from error
        return StoredHistories(env, self._recent_max, path)
