"""What this process has read of an embedded ledger and may give again, while nothing is written that changes it.

Only one process can hold the embedded store, and all that it writes goes through `Store`: so it knows of each write,
and whom and what its rows are about.  What was read is given again only where no write since could have changed it,
which is decided when the write begins and again when it has ended: who asks after a write sees it.  Of a server, which
others write to as well, nothing is kept.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Generic, NamedTuple, TypeVar, cast
from weakref import WeakValueDictionary

from flowtrack.adapters.clickhouse.said import Said
from flowtrack.adapters.clickhouse.settings import ClickHouseSettings
from flowtrack.adapters.clickhouse.touched import NARROWED, Touched, may_change
from flowtrack.audit.cursors import pinned_anew
from flowtrack.audit.family import About, Answer, PagedQuestion, Question
from flowtrack.tracking.rows import JUDGEMENTS

A = TypeVar("A", bound=Answer)
T = TypeVar("T")

ROWS_EACH_MAX: Final = 1_000
"""Longer answers are not kept: of such, each would push out many."""
_APART: Final = frozenset({"audit_log", "dead_letters", "alerts", "documents", "rejudging", "rejudged", "migrations"})
"""Tables of which no answer that is kept tells."""

_of_directories: WeakValueDictionary[tuple[Path, str], Kept] = WeakValueDictionary()
_making = threading.Lock()


class Place(Generic[A]):
    """Where the answer to a question is kept, or is to be."""

    def __init__(self, question: Question[A], key: str) -> None:
        self.question = question
        self.key = key
        self.spoiled = False
        """Something was written since that may change the answer."""
        self.answer: A | None = None
        self.known: datetime | None = None
        self.all_known = False
        """Nothing had been recorded later than that."""

    @property
    def rows(self) -> int:
        """What it counts for."""
        return 0 if self.answer is None else len(self.answer.rows)


class _Write(NamedTuple):
    table: str
    touched: Touched | None


class Kept:
    """Kept by all connections of this process to one ledger together.

    Args:
        rows_max: of all answers together; 0 keeps no answers.
        alone: whether nobody but this process writes.
    """

    def __init__(self, rows_max: int, *, alone: bool) -> None:
        self.said = Said()
        """What packs say of situations."""
        self._lock = threading.Lock()
        self._alone = alone
        self._rows_max = rows_max
        self._rows = 0
        self._answers: OrderedDict[str, Place[Any]] = OrderedDict()
        self._asked: set[Place[Any]] = set()
        self._writes = Counter[str]()
        self._under_way: list[_Write] = []
        self._facts: dict[str, tuple[int, Any]] = {}
        self._asking: dict[str, threading.Lock] = {}
        self._connections = 0
        self._named: frozenset[int] | None = None
        self._met: set[int] = set()

    def opened(self) -> None:
        """Note that a connection was opened: before the first, another process may have written."""
        with self._lock:
            self._connections += 1
            if self._connections == 1:
                self._forget()
                self.said.forget()

    def closed(self) -> None:
        """Note that a connection was closed."""
        with self._lock:
            self._connections -= 1

    @contextmanager
    def writing(self, table: str, touched: Touched | None) -> Iterator[None]:
        """Note a write before and behind it, whatever came of it, since its rows are there somewhere in between.

        While it is under way, nothing is given again that it may change, and nothing of the kind is kept.

        Args:
            table: that it inserts into.
            touched: what its rows are about; None where they may be about anything.
        """
        write = _Write(table, touched)
        with self._lock:
            self._note(write)
            self._under_way.append(write)
        try:
            yield
        finally:
            with self._lock:
                self._under_way.remove(write)
                self._note(write)

    def changed(self) -> None:
        """Note that anything may be different from now on; what is kept of subjects is gone from memory with it."""
        with self._lock:
            self._forget()

    def fact(self, name: str, tables: tuple[str, ...], ask: Callable[[], T]) -> T:
        """Give what was asked before, where none of its tables was written to since; else ask, one thread for all.

        Args:
            name: of what is asked.
            tables: that it depends on.
            ask: asks the store.
        """
        if not self._alone:
            return ask()
        with self._lock:
            asking = self._asking.setdefault(name, threading.Lock())
        with asking:
            with self._lock:
                writes = self._count(tables)
                found = self._facts.get(name)
            if found is not None and found[0] == writes:
                return cast("T", found[1])
            told = ask()
            with self._lock:
                self._facts[name] = writes, told
            return told

    @contextmanager
    def place(self, question: Question[A]) -> Iterator[Place[A] | None]:
        """Give the place of a question's answer: before anything is read for it, so that no write is missed.

        None where its answer is not kept.
        """
        if not self._alone or not self._rows_max or question.family not in NARROWED:
            yield None
            return
        place = Place(question, f"{question.family} {question.model_dump_json(exclude_none=True)}")
        with self._lock:
            self._asked.add(place)
        try:
            yield place
        finally:
            with self._lock:
                self._asked.discard(place)

    def again(self, place: Place[A], pinned: Question[A], about: About) -> A | None:
        """Give the answer that is kept, as if it had been asked now; None where there is none.

        Args:
            place: of the question as it was asked.
            pinned: the question with its times pinned now.
            about: of the answer now, without what its rows say.
        """
        with self._lock:
            found: Place[A] | None = self._answers.get(place.key)
            if found is None or found.answer is None or not _holds(found, pinned):
                return None
            self._answers.move_to_end(place.key)
            answer = found.answer
        told = answer.about.completeness
        after = pinned_anew(pinned, told.after) if told.after and isinstance(pinned, PagedQuestion) else told.after
        stated = {"truncated": told.truncated, "left_out": told.left_out, "after": after}
        about = about.model_copy(
            update={
                "versions": answer.about.versions,
                "completeness": about.completeness.model_copy(update=stated),
            }
        )
        return answer.model_copy(update={"about": about})

    def keep(self, place: Place[A], answer: A, known: datetime | None, *, all_known: bool) -> None:
        """Keep an answer, unless something was written meanwhile that may change it.

        One without rows is not kept: names that were never seen stand in it.

        Args:
            place: of its question.
            answer: to it.
            known: what the answer was taken at.
            all_known: whether nothing was recorded later.
        """
        if known is None or not 0 < len(answer.rows) <= min(ROWS_EACH_MAX, self._rows_max):
            return
        place.answer, place.known, place.all_known = answer, known, all_known
        with self._lock:
            if place.spoiled or any(self._changes(write, place.question) for write in self._under_way):
                return
            self._drop_kept(place.key)
            self._answers[place.key] = place
            self._rows += place.rows
            while self._rows > self._rows_max:
                self._drop_kept(next(iter(self._answers)))

    def learn(self, situations: Callable[[], frozenset[int]]) -> None:
        """Learn which situations flows are of already: a judgement of another one changes no answer.

        Args:
            situations: asks the store for them.
        """
        if self._named is None and self._alone and self._rows_max:
            with self._lock:
                forgotten = self._writes[""]
            found = situations()
            with self._lock:
                if self._writes[""] == forgotten:
                    self._named = found

    def _note(self, write: _Write) -> None:
        self._writes[write.table] += 1
        if write.table in _APART:
            return
        touched = self._narrowed(write)
        if touched is None:
            self._forget()
            return
        if write.table == JUDGEMENTS:
            return
        self._met |= touched.situations
        for place in [*self._answers.values(), *self._asked]:
            if may_change(place.question, write.table, touched):
                self._drop(place)

    def _changes(self, write: _Write, question: Question[Any]) -> bool:
        if write.table in _APART:
            return False
        touched = self._narrowed(write)
        return touched is None or (write.table != JUDGEMENTS and may_change(question, write.table, touched))

    def _narrowed(self, write: _Write) -> Touched | None:
        """What a write is about; None where it may change any answer, as a judgement of what flows are of does."""
        touched = write.touched
        if touched is None or write.table != JUDGEMENTS or self._all_new(touched.situations):
            return touched
        return None

    def _all_new(self, situations: frozenset[int]) -> bool:
        return self._named is not None and self._named.isdisjoint(situations) and self._met.isdisjoint(situations)

    def _count(self, tables: tuple[str, ...]) -> int:
        return self._writes[""] + sum(self._writes[table] for table in tables)

    def _forget(self) -> None:
        self._writes[""] += 1
        self._named = None
        self._facts.clear()
        self._answers.clear()
        self._rows = 0
        for place in self._asked:
            place.spoiled = True

    def _drop(self, place: Place[Any]) -> None:
        place.spoiled = True
        if self._answers.get(place.key) is place:
            self._drop_kept(place.key)

    def _drop_kept(self, key: str) -> None:
        place = self._answers.pop(key, None)
        if place is not None:
            self._rows -= place.rows


def kept_of(settings: ClickHouseSettings) -> Kept:
    """Give what is kept of a ledger: by all connections of this process together."""
    if not settings.embedded:
        return Kept(0, alone=False)
    with _making:
        name = settings.data_dir.absolute(), settings.database
        found = _of_directories.get(name)
        if found is None:
            found = _of_directories[name] = Kept(settings.rows_kept, alone=True)
        return found


def _holds(place: Place[A], pinned: Question[A]) -> bool:
    """Whether an answer is that of a question as it is pinned now: nothing that concerns it was recorded in between."""
    if pinned.known_at == place.known:
        return True
    left_open = place.question.known_at is None and not getattr(place.question, "after", "")
    later = pinned.known_at is not None and place.known is not None and pinned.known_at > place.known
    return left_open and later and place.all_known
