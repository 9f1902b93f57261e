"""Consent histories as bytes: a subject with three records takes some 250 bytes instead of 1,300.

Histories of millions of subjects stand in memory and are looked at one at a time, so they are kept packed.  Words that
recur (record names, scopes, countries) stand once, in tables; ids made of hex digits are kept as the bytes they are.

Layout of a packed history: the minute up to which the subject's events were judged (4 bytes, 0 for none), then for
each entry, in the order of effect: valid from in microseconds (8 bytes), kind and state (1 byte each), country, scope
and record as numbers in their tables (2, 4 and 2 bytes), the event id with its length, the expiry if there is one, and
country and record as they are where their tables are full.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from flowtrack.domain.consent import UsagePolicy
from flowtrack.domain.history import Entry
from flowtrack.domain.instants import END_US
from flowtrack.domain.names import RecordKind, RecordState
from flowtrack.wire.derive import decoder_of
from flowtrack.wire.encode import encode

_HEAD = struct.Struct("<I")
_ENTRY = struct.Struct("<qBBHIHB")
_EXPIRY = struct.Struct("<q")
_KINDS = tuple(RecordKind)
_STATES = tuple(RecordState)
_KIND_NUMBERS = {kind: number for number, kind in enumerate(_KINDS)}
_STATE_NUMBERS = {state: number for number, state in enumerate(_STATES)}
_CAUTIOUS = 0x80
_EXPIRES = 0x40
_KIND = 0x3F
INLINE = 0xFFFF
"""In place of a word's number: the table is full, and the word follows the entry."""
_HEX = 0x80
_HEX_BYTES_MAX = 0x7F
_LONG = 0x7F
"""An id of 127 bytes or more: two bytes of length follow."""

EMPTY = _HEAD.pack(0)
"""A subject without entries whose events were not judged."""

_scope_of = decoder_of(UsagePolicy)


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
        # one object for all scopes that say the same: matching remembers by object
        self.scopes: list[str] = list(scopes)
        self._scope_numbers = {text: number for number, text in enumerate(scopes)}
        self._policies: list[UsagePolicy | None] = [_scope_of(text.encode()) if text else None for text in scopes]

    def pack(self, judged_minute: int, history: Sequence[Entry]) -> bytes:
        """A subject's history as bytes."""
        parts = [_HEAD.pack(judged_minute)]
        for entry in history:
            flag, event_id = _packed_id(entry.event_id)
            expires = entry.expires_us != END_US
            country, record = self.countries.number(entry.country), self.records.number(entry.record)
            parts.append(
                _ENTRY.pack(
                    entry.valid_from_us,
                    _KIND_NUMBERS[entry.kind] | (_CAUTIOUS if entry.cautious else 0) | (_EXPIRES if expires else 0),
                    _STATE_NUMBERS[entry.state],
                    country,
                    self._scope_number(entry.scope),
                    record,
                    flag,
                )
            )
            parts.append(event_id)
            if expires:
                parts.append(_EXPIRY.pack(entry.expires_us))
            parts += [
                _packed_word(word)
                for number, word in ((country, entry.country), (record, entry.record))
                if number == INLINE
            ]
        return b"".join(parts)

    def unpack(self, packed: bytes) -> tuple[Entry, ...]:
        """The history behind bytes."""
        entries = []
        at, end = _HEAD.size, len(packed)
        while at < end:
            since, kind, state, country, scope, record, flag = _ENTRY.unpack_from(packed, at)
            at += _ENTRY.size
            event_id, at = _unpacked_id(packed, at, flag)
            until = END_US
            if kind & _EXPIRES:
                (until,) = _EXPIRY.unpack_from(packed, at)
                at += _EXPIRY.size
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
                    until,
                    country_word,
                )
            )
        return tuple(entries)

    def _scope_number(self, scope: UsagePolicy | None) -> int:
        if scope is None:
            return 0
        text = encode(scope).decode()
        known = self._scope_numbers.get(text)
        if known is None:
            known = self._scope_numbers[text] = len(self.scopes)
            self.scopes.append(text)
            self._policies.append(scope)
        return known


def judged_minute(packed: bytes) -> int:
    """The minute up to which events were judged; 0 for none."""
    minute: int = _HEAD.unpack_from(packed)[0]
    return minute


def with_judged_minute(packed: bytes, minute: int) -> bytes:
    """The same history with another minute."""
    return _HEAD.pack(minute) + packed[_HEAD.size :]


def _packed_word(word: str) -> bytes:
    text = word.encode()
    return struct.pack("<H", len(text)) + text


def _packed_id(event_id: str) -> tuple[int, bytes]:
    """A flag byte and the bytes of an id: halved where it is made of lower-case hex digits."""
    half, odd = divmod(len(event_id), 2)
    if not odd and 0 < half < _HEX_BYTES_MAX and event_id.isascii() and event_id == event_id.lower():
        try:
            raw = bytes.fromhex(event_id)
        except ValueError:
            raw = b""  # no hex digits: kept as they are
        if len(raw) == half:
            return _HEX | half, raw
    text = event_id.encode()
    if len(text) < _LONG:
        return len(text), text
    return _LONG, _packed_word(event_id)


def _unpacked_id(packed: bytes, at: int, flag: int) -> tuple[str, int]:
    if flag & _HEX:
        end = at + (flag & ~_HEX)
        return packed[at:end].hex(), end
    length = flag
    if flag == _LONG:
        length = int.from_bytes(packed[at : at + 2], "little")
        at += 2
    return packed[at : at + length].decode(), at + length
