"""Consent histories as bytes: a subject with three records takes some 270 bytes instead of 900.

Histories of millions of subjects stand in memory and are looked at one at a time, so they are kept packed.  Words that
recur (record names, scopes, countries) stand once, in tables; ids made of hex digits are kept as the bytes they are.

Layout of a packed history, in sections, each in the order of effect:

- head: the minute up to which the subject's events were judged (0 for none), how many entries there are, and how many
  of them expire; 4 bytes each;
- records: for each entry the number of its record name (2 bytes);
- pattern: for each entry kind and state (1 byte each), country, scope, and the place of the first entry of the same
  record (2, 4 and 2 bytes).  What holds for a subject depends on this alone, but for instants and record names, and
  few patterns recur in all subjects (flowtrack.tracking.standing);
- times: for each entry valid from in microseconds (8 bytes);
- expiries: of the entries that expire, likewise;
- tail: for each entry the event id with its length, and country and record as they are where their tables are full.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import lru_cache

from flowtrack.domain.consent import UsagePolicy
from flowtrack.domain.history import Entry
from flowtrack.domain.instants import BEGINNING_US, END_US
from flowtrack.domain.names import RecordKind, RecordState
from flowtrack.wire.derive import decoder_of
from flowtrack.wire.encode import encode

HEAD = struct.Struct("<III")
"""Judged minute, entries, entries that expire."""
_MINUTE = struct.Struct("<I")
_PATTERN = struct.Struct("<BBHIH")
_TIMES = tuple(struct.Struct(f"<{count}q") for count in range(65))
_RECORD = struct.Struct("<H")
RECORD_BYTES = _RECORD.size
PATTERN_BYTES = _PATTERN.size
TIME_BYTES = _TIMES[1].size
ENTRY_BYTES = RECORD_BYTES + PATTERN_BYTES + TIME_BYTES
_HEAD_BYTES = HEAD.size
_record_at = _RECORD.unpack_from
_KINDS = tuple(RecordKind)
_STATES = tuple(RecordState)
_KIND_NUMBERS = {kind: number for number, kind in enumerate(_KINDS)}
_STATE_NUMBERS = {state: number for number, state in enumerate(_STATES)}
_CAUTIOUS = 0x80
_EXPIRES = 0x40
_KIND = 0x3F
INLINE = 0xFFFF
"""In place of a word's number: the table is full, and the word stands in the tail."""
FAR = 0xFFFF
"""In place of the place of a record's first entry: it is this one or a later one."""
_HEX = 0x80
_HEX_BYTES_MAX = 0x7F
_LONG = 0x7F
"""An id of 127 bytes or more: two bytes of length follow."""
_SCOPES_MAX = 100_000

EMPTY = HEAD.pack(0, 0, 0)
"""A subject without entries whose events were not judged."""

_decode_scope = decoder_of(UsagePolicy)


@lru_cache(_SCOPES_MAX)
def _scope_of(text: str) -> UsagePolicy | None:
    """One object for all scopes that say the same, on whatever partition: matching remembers by object."""
    return _decode_scope(text.encode()) if text else None


class Table:
    """Words by number and numbers by word; a word is never taken out, and beyond `INLINE` none is taken in."""

    def __init__(self, words: Sequence[str] = ()) -> None:
        self.words: list[str] = list(words)
        self._numbers = {word: number for number, word in enumerate(self.words)}

    def number(self, word: str) -> int:
        """The number of a word, a new one for a new word; `INLINE` where the table is full."""
        known = self._numbers.get(word)
        if known is None:
            if len(self.words) >= INLINE:
                return INLINE
            known = self._numbers[word] = len(self.words)
            self.words.append(word)
        return known

    def word(self, number: int, packed: bytes, at: int) -> tuple[str, int]:
        """The word behind a number, read from the bytes where it stands inline; and where the next thing stands."""
        if number != INLINE:
            return self.words[number], at
        end = at + 2 + int.from_bytes(packed[at : at + 2], "little")
        return packed[at + 2 : end].decode(), end


class Packing:
    """Packs and unpacks the histories of one partition."""

    def __init__(
        self, records: Sequence[str] = ("",), countries: Sequence[str] = ("",), scopes: Sequence[str] = ("",)
    ) -> None:
        self.records = Table(records)
        self.countries = Table(countries)
        self.scopes: list[str] = list(scopes)
        self._scope_numbers = {text: number for number, text in enumerate(scopes)}
        self._policies: list[UsagePolicy | None] = [_scope_of(text) for text in scopes]
        self._numbers_of_policies = {id(policy): number for number, policy in enumerate(self._policies)}

    def words(self) -> dict[str, list[str]]:
        """The words behind the numbers in packed histories: what another `Packing` is made with to read them."""
        return {"records": self.records.words, "countries": self.countries.words, "scopes": self.scopes}

    def pack(self, judged_minute: int, history: Sequence[Entry]) -> bytes:
        """A subject's history as bytes."""
        firsts: dict[str, int] = {}
        patterns, expiries, records = [], [], []
        tail: list[bytes] = []
        for place, entry in enumerate(history):
            flag, event_id = _packed_id(entry.event_id)
            country, record = self.countries.number(entry.country), self.records.number(entry.record)
            patterns.append(
                _PATTERN.pack(
                    _KIND_NUMBERS[entry.kind]
                    | (_CAUTIOUS if entry.cautious else 0)
                    | (_EXPIRES if entry.expires_us != END_US else 0),
                    _STATE_NUMBERS[entry.state],
                    country,
                    self._scope_number(entry.scope),
                    min(firsts.setdefault(entry.record, place), FAR),
                )
            )
            if entry.expires_us != END_US:
                expiries.append(entry.expires_us)
            records.append(_RECORD.pack(record))
            tail += (flag, event_id)
            tail += [
                _packed_word(word)
                for number, word in ((country, entry.country), (record, entry.record))
                if number == INLINE
            ]
        times = [entry.valid_from_us for entry in history]
        return b"".join(
            (
                HEAD.pack(judged_minute, len(times), len(expiries)),
                *records,
                *patterns,
                _times(len(times)).pack(*times),
                _times(len(expiries)).pack(*expiries),
                *tail,
            )
        )

    def unpack(self, packed: bytes) -> tuple[Entry, ...]:
        """The history behind bytes."""
        _, count, expiring = HEAD.unpack_from(packed)
        until = iter(expiries_of(packed, count, expiring))
        at = HEAD.size + count * ENTRY_BYTES + expiring * TIME_BYTES
        entries = []
        for place, (since, (kind, state, country, scope, _)) in enumerate(
            zip(times_of(packed, count), _PATTERN.iter_unpack(pattern_of(packed, count)), strict=True)
        ):
            (record,) = _RECORD.unpack_from(packed, HEAD.size + place * RECORD_BYTES)
            event_id, at = _unpacked_id(packed, at)
            country_word, at = self.countries.word(country, packed, at)
            record_word, at = self.records.word(record, packed, at)
            entries.append(
                Entry(
                    since,
                    bool(kind & _CAUTIOUS),
                    event_id,
                    record_word,
                    _KINDS[kind & _KIND],
                    _STATES[state],
                    self._policies[scope],
                    next(until) if kind & _EXPIRES else END_US,
                    country_word,
                )
            )
        return tuple(entries)

    def record(self, packed: bytes, place: int) -> str:
        """The name of the record whose state an entry is, by the entry's place."""
        (number,) = _record_at(packed, _HEAD_BYTES + place * RECORD_BYTES)
        return self.unpack(packed)[place].record if number == INLINE else self.records.words[number]

    def outline(self, pattern: bytes) -> list[Entry] | None:
        """The entries of a pattern: their places are their instants, their records' first places the records' names.

        Those that expire have done so.  None where the pattern does not say all that matters: a country stands in the
        tail, or a place is too far.
        """
        entries = []
        for place, (kind, state, country, scope, first) in enumerate(_PATTERN.iter_unpack(pattern)):
            if country == INLINE or first == FAR:
                return None
            entries.append(
                Entry(
                    place,
                    bool(kind & _CAUTIOUS),
                    "",
                    str(first),
                    _KINDS[kind & _KIND],
                    _STATES[state],
                    self._policies[scope],
                    BEGINNING_US if kind & _EXPIRES else END_US,
                    self.countries.words[country],
                )
            )
        return entries

    def _scope_number(self, scope: UsagePolicy | None) -> int:
        known = self._numbers_of_policies.get(id(scope))  # of those that stand in the table, hence stay alive
        if known is not None:
            return known
        text = "" if scope is None else encode(scope).decode()
        known = self._scope_numbers.get(text)
        if known is None:
            known = self._scope_numbers[text] = len(self.scopes)
            policy = _scope_of(text)
            self.scopes.append(text)
            self._policies.append(policy)
            self._numbers_of_policies[id(policy)] = known
        return known


def judged_minute(packed: bytes) -> int:
    """The minute up to which events were judged; 0 for none."""
    minute: int = HEAD.unpack_from(packed)[0]
    return minute


def with_judged_minute(packed: bytes, minute: int) -> bytes:
    """The same history with another minute."""
    return _MINUTE.pack(minute) + packed[_MINUTE.size :]


def without_judged_minute(packed: bytes) -> bytes:
    """What a history says, whoever was judged by it."""
    return packed[_MINUTE.size :]


def pattern_of(packed: bytes, count: int) -> bytes:
    """The pattern of a history of so many entries."""
    at = HEAD.size + count * RECORD_BYTES
    return packed[at : at + count * PATTERN_BYTES]


def times_of(packed: bytes, count: int) -> tuple[int, ...]:
    """From when each of so many entries is valid, in microseconds."""
    return _times(count).unpack_from(packed, HEAD.size + count * (RECORD_BYTES + PATTERN_BYTES))


def expiries_of(packed: bytes, count: int, expiring: int) -> tuple[int, ...]:
    """The expiries of the entries that have one, in microseconds."""
    return _times(expiring).unpack_from(packed, HEAD.size + count * ENTRY_BYTES)


def _times(count: int) -> struct.Struct:
    return _TIMES[count] if count < len(_TIMES) else struct.Struct(f"<{count}q")


def _packed_word(word: str) -> bytes:
    text = word.encode()
    return _RECORD.pack(len(text)) + text


def _packed_id(event_id: str) -> tuple[bytes, bytes]:
    """A flag byte and the bytes of an id: halved where it is made of lower-case hex digits."""
    half, odd = divmod(len(event_id), 2)
    if not odd and 0 < half < _HEX_BYTES_MAX and event_id.isascii() and event_id == event_id.lower():
        try:
            raw = bytes.fromhex(event_id)
        except ValueError:
            raw = b""  # no hex digits: kept as they are
        if len(raw) == half:
            return bytes((_HEX | half,)), raw
    text = event_id.encode()
    if len(text) < _LONG:
        return bytes((len(text),)), text
    return bytes((_LONG,)), _packed_word(event_id)


def _unpacked_id(packed: bytes, at: int) -> tuple[str, int]:
    flag = packed[at]
    at += 1
    if flag & _HEX:
        end = at + (flag & ~_HEX)
        return packed[at:end].hex(), end
    length = flag
    if flag == _LONG:
        length = int.from_bytes(packed[at : at + 2], "little")
        at += 2
    return packed[at : at + length].decode(), at + length
