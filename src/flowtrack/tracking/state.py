"""What the checker remembers of one partition: consent histories, the last event judged, producers' numbers.

Every change is journalled until its batch is committed, so that an aborted batch leaves the state as it was: exactly
the fold of consents/p up to its committed offset.
"""

from __future__ import annotations

from typing import Any

from flowtrack.domain.consent import UsagePolicy
from flowtrack.domain.history import NOTHING, ConsentView, Entry, as_of, steady_span, with_entry, without_entry
from flowtrack.domain.instants import BEGINNING_US
from flowtrack.wire.encode import encode

PRODUCERS_MAX = 50_000
"""Producers whose last number is remembered; beyond that they are forgotten, and their next events are suspects."""

VIEWS_MAX = 20_000
"""Subjects whose current state is remembered; some 1 kB each."""

_ABSENT = object()


class Scopes:
    """One object for all scopes that say the same: subjects consent in few ways, and matching remembers by object."""

    def __init__(self) -> None:
        self._known: dict[bytes, UsagePolicy] = {}

    def shared(self, entry: Entry) -> Entry:
        """The entry with the one object for its scope."""
        if entry.scope is None:
            return entry
        return entry._replace(scope=self._known.setdefault(encode(entry.scope), entry.scope))


class PartitionState:
    """State of one partition; `keep` ends a batch for good, `undo` takes it back."""

    def __init__(self, scopes: Scopes, *, resumed: bool) -> None:
        self._scopes = scopes
        self._resumed = resumed
        """Whether events were judged here before this worker: then a subject not seen yet may have been judged."""
        self._histories: dict[str, tuple[Entry, ...]] = {}
        self._views: dict[str, tuple[tuple[Entry, ...], int, int, ConsentView]] = {}
        self._judged_us: dict[str, int] = {}
        self._numbers: dict[tuple[str, str], int] = {}
        self._journal: list[tuple[dict[Any, Any], Any, Any]] = []

    @property
    def subjects_count(self) -> int:
        """Subjects with a consent history."""
        return len(self._histories)

    def history(self, subject: str) -> tuple[Entry, ...]:
        """A subject's consent history; empty where there is none."""
        return self._histories.get(subject, ())

    def view(self, subject: str, at_us: int) -> ConsentView:
        """What holds for a subject at an instant (clauses 0.1, 0.2, 3.2c, 4.1); recent answers are remembered."""
        history = self._histories.get(subject)
        if history is None:
            return NOTHING
        known = self._views.get(subject)
        if known is not None and known[0] is history and known[1] < at_us < known[2]:
            return known[3]
        if len(self._views) >= VIEWS_MAX:
            self._views.clear()
        view = as_of(history, at_us)
        self._views[subject] = (history, *steady_span(history, at_us), view)
        return view

    def add(self, subject: str, entry: Entry) -> int:
        """Take a consent record into its subject's history; gives from when on something may be different.

        A record that came before under the same ids is replaced: what it said from its own time on is gone.
        """
        replaced = self._known(subject, entry.record, entry.event_id)
        self._set(self._histories, subject, with_entry(self.history(subject), self._scopes.shared(entry)))
        return entry.valid_from_us if replaced is None else min(entry.valid_from_us, replaced.valid_from_us)

    def erase(self, subject: str, record: str, event_id: str) -> Entry | None:
        """Take one consent record out of its subject's history; gives it, or None where it was not there."""
        erased = self._known(subject, record, event_id)
        if erased is not None:
            self._set(self._histories, subject, without_entry(self.history(subject), record, event_id))
        return erased

    def _known(self, subject: str, record: str, event_id: str) -> Entry | None:
        history = self.history(subject)
        return next((old for old in history if (old.record, old.event_id) == (record, event_id)), None)

    def judged(self, subject: str, at_us: int) -> None:
        """Note that an event of the subject was judged."""
        if self._judged_us.get(subject, BEGINNING_US) < at_us:
            self._set(self._judged_us, subject, at_us)

    def reaches_back(self, subject: str, effect_us: int) -> bool:
        """Whether an event of the subject judged already may have happened at or after the instant.

        What another worker judged before this one took over is not known: then the worst is assumed.
        """
        latest = self._judged_us.get(subject)
        return self._resumed or (latest is not None and effect_us <= latest)

    def is_suspect(self, source: str, sequence: str | None) -> bool:
        """Whether an event may be a repeat: no number, one not above its producer's last, or an unknown producer.

        The sink decides, by the subject's earlier rows (DESIGN 4.1); a suspect costs it a look, no more.
        """
        epoch, dot, digits = (sequence or "").partition(".")
        if not dot or not digits.isdecimal():
            return True
        number = int(digits)
        key = (source, epoch)
        last = self._numbers.get(key)
        if last is not None and number <= last:
            return True
        if last is None and len(self._numbers) >= PRODUCERS_MAX:
            for known in list(self._numbers):
                self._drop(self._numbers, known)
        self._set(self._numbers, key, number)
        return last is None

    def keep(self) -> None:
        """The batch is durable."""
        self._journal.clear()

    def undo(self) -> None:
        """The batch comes again: be as before it."""
        for table, key, old in reversed(self._journal):
            if old is _ABSENT:
                table.pop(key, None)
            else:
                table[key] = old
        self._journal.clear()

    def _drop(self, table: dict[Any, Any], key: Any) -> None:  # noqa: ANN401 - as `_set`
        self._journal.append((table, key, table.pop(key)))

    def _set(self, table: dict[Any, Any], key: Any, value: Any) -> None:  # noqa: ANN401 - one journal for all tables
        self._journal.append((table, key, table.get(key, _ABSENT)))
        table[key] = value
