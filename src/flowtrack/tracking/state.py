"""What the checker remembers of one partition: consent histories, the last event judged, producers' numbers.

Every change is journalled until its batch is committed, so that an aborted batch leaves the state as it was: exactly
the fold of consents/p up to its committed offset.
"""

from __future__ import annotations

from typing import Any

from flowtrack.domain.history import Entry, with_entry, without_entry
from flowtrack.domain.instants import BEGINNING_US, END_US
from flowtrack.tracking.packing import EMPTY, HEAD, Packing, judged_minute, with_judged_minute
from flowtrack.tracking.recurring import NOWHERE, SEVERAL, Remembered
from flowtrack.tracking.snapshot import Histories
from flowtrack.tracking.standing import Forms, Standing, Standings

PRODUCERS_MAX = 50_000
"""Producers whose last number is remembered; beyond that they are forgotten, and their next events are suspects."""

_ABSENT = object()
_MINUTE_US = 60_000_000
_head = HEAD.unpack_from


class PartitionState:
    """State of one partition; `keep` ends a batch for good, `undo` takes it back.

    Args:
        packing: of the histories.
        standings: shared by the partitions of a worker.
        judged_to_us: the latest time of an event that others judged here.
        histories: as a snapshot held them, packed by `packing`; changed as records come.
    """

    def __init__(
        self,
        packing: Packing,
        standings: Standings,
        *,
        judged_to_us: int,
        histories: Histories,
    ) -> None:
        self.packing = packing
        self._forms = Forms(packing, standings)
        self._judged_to_us = judged_to_us
        """The latest time of an event that others judged here before; `BEGINNING_US` for none, `END_US` where nobody
        knows.  Up to there an event may be a repeat of theirs, and a subject not seen yet may have been judged."""
        self._packed = histories
        """Histories as bytes, by the subject's bytes."""
        self._numbers: dict[tuple[str, str], int] = {}
        """By source and epoch of a producer, its last number, as of the last commit."""
        self._new_numbers: dict[tuple[str, str], int] = {}
        """Likewise, of the batch in hand."""
        self._forgotten: dict[tuple[str, str], int] | None = None
        """Numbers as of the last commit, where the batch in hand had to forget them."""
        self._journal: list[tuple[bytes, Any]] = []
        """Subjects whose histories the batch in hand changed, and what stood there before."""
        self.cursor = 0
        """Offset of the first consent record that is not in the state, as of the last commit."""
        self.changes = 0
        """Consent records committed since the last snapshot."""
        self.newest_ms = 0
        """When the last consent record in the state was appended to its topic, as of the last commit."""
        self._read_to = 0
        self._read_ms = 0
        self._read_count = 0

    def read(self, next_offset: int, appended_ms: int) -> None:
        """Note that the batch has a consent record up to an offset, appended then."""
        self._read_to = next_offset
        self._read_ms = appended_ms
        self._read_count += 1

    @property
    def subjects_count(self) -> int:
        """Subjects with a consent history, or with an event judged by this worker."""
        return len(self._packed)

    @property
    def packed(self) -> Histories:
        """What a snapshot holds: histories as bytes, by the subject's bytes."""
        return self._packed

    def history(self, subject: str) -> tuple[Entry, ...]:
        """A subject's consent history; empty where there is none."""
        return self.packing.unpack(self._packed.get(bytes.fromhex(subject), EMPTY))

    def judge(self, subject: bytes, at_us: int) -> tuple[Standing, bytes]:
        """What holds for a subject at an instant (clauses 0.1, 0.2, 3.2c, 4.1), of whom an event is being judged.

        That it was is kept to the minute, rounded up.

        Args:
            subject: the pseudonym's bytes.
            at_us: when the event happened, microseconds since the epoch.

        Returns:
            The standing, and the history that `worded` takes the names of records from.
        """
        packed = self._packed.get(subject, EMPTY)
        judged, count, expiring = _head(packed)
        minute = at_us // _MINUTE_US + 1
        if judged < minute:
            self._journal.append((subject, _ABSENT if packed is EMPTY else packed))
            self._packed[subject] = with_judged_minute(packed, minute)
        return self._forms.standing(packed, count, expiring, at_us), packed

    def worded(self, remembered: Remembered, packed: bytes) -> bytes:
        """The wording of what is said, with the names of the subject's own records."""
        wording, place = remembered.said.wording, remembered.place
        if place == NOWHERE:
            return wording.without_records
        name = self.packing.record
        if place != SEVERAL:
            return remembered.said.with_one(name(packed, place))
        return wording.filled(["" if each == NOWHERE else name(packed, each) for each in remembered.places])

    def add(self, subject: str, entry: Entry) -> int:
        """Take a consent record into its subject's history; gives from when on something may be different.

        A record that came before under the same ids is replaced: what it said from its own time on is gone.
        """
        history = self.history(subject)
        replaced = _find(history, entry.record, entry.event_id)
        self._put(subject, with_entry(history, entry))
        return entry.valid_from_us if replaced is None else min(entry.valid_from_us, replaced.valid_from_us)

    def erase(self, subject: str, record: str, event_id: str) -> Entry | None:
        """Take one consent record out of its subject's history; gives it, or None where it was not there."""
        history = self.history(subject)
        erased = _find(history, record, event_id)
        if erased is not None:
            self._put(subject, without_entry(history, record, event_id))
        return erased

    @property
    def resumed(self) -> bool:
        """Whether events were judged here before this worker."""
        return self._judged_to_us > BEGINNING_US

    def judged_by_others(self, up_to_us: int) -> None:
        """Note that events up to a time may have been judged of which the subjects are not remembered."""
        self._judged_to_us = max(self._judged_to_us, up_to_us)

    def reaches_back(self, subject: str, effect_us: int) -> bool:
        """Whether an event of the subject judged already may have happened at or after the instant.

        Of whom other workers judged before this one took over is not known: up to their latest event, of anybody.
        """
        minute = judged_minute(self._packed.get(bytes.fromhex(subject), EMPTY))
        return effect_us <= self._judged_to_us or (minute > 0 and effect_us <= minute * _MINUTE_US)

    def _put(self, subject: str, history: tuple[Entry, ...]) -> None:
        key = bytes.fromhex(subject)
        old: Any = self._packed.get(key, _ABSENT)
        self._journal.append((key, old))
        self._packed[key] = self.packing.pack(0 if old is _ABSENT else judged_minute(old), history)

    def is_suspect(self, source: str, sequence: str | None, at_us: int) -> bool:
        """Whether an event may be a repeat: no number, one not above its producer's last, or an unknown producer.

        After a takeover the numbers that others saw are not known, so up to the time of their latest event every one
        may be a repeat.  The sink decides, by the subject's earlier rows (DESIGN 4.1); a suspect costs it a look.
        """
        epoch, dot, digits = (sequence or "").partition(".")
        if not dot or not digits.isdecimal():
            return True
        number = int(digits)
        key = (source, epoch)
        last = self._new_numbers.get(key)
        if last is None:
            last = self._numbers.get(key)
            if last is None:
                return self._is_new_producer(key, number)
        if number <= last:
            return True
        self._new_numbers[key] = number
        return at_us <= self._judged_to_us

    def _is_new_producer(self, key: tuple[str, str], number: int) -> bool:
        if len(self._numbers) + len(self._new_numbers) >= PRODUCERS_MAX:
            self._forgotten = self._numbers if self._forgotten is None else self._forgotten
            self._numbers, self._new_numbers = {}, {}
            self._judged_to_us = END_US  # whose numbers are forgotten may repeat anything
        self._new_numbers[key] = number
        return True

    def keep(self) -> None:
        """The batch is durable."""
        self._journal.clear()
        self._numbers.update(self._new_numbers)
        self._new_numbers.clear()
        self._forgotten = None
        if self._read_count:
            self.cursor = self._read_to
            self.newest_ms = self._read_ms
            self.changes += self._read_count
            self._read_count = 0

    def undo(self) -> None:
        """The batch comes again: be as before it."""
        self._read_count = 0
        for subject, old in reversed(self._journal):
            if old is _ABSENT:
                self._packed.pop(subject, None)
            else:
                self._packed[subject] = old
        self._journal.clear()
        self._new_numbers.clear()
        if self._forgotten is not None:
            self._numbers, self._forgotten = self._forgotten, None


def _find(history: tuple[Entry, ...], record: str, event_id: str) -> Entry | None:
    return next((old for old in history if (old.record, old.event_id) == (record, event_id)), None)
