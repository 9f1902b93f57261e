"""Lines of the audit log that are written together: each before its question is answered, several with one insert."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple
from weakref import WeakValueDictionary

from flowtrack.adapters.clickhouse.settings import ClickHouseSettings

_of_ledgers: WeakValueDictionary[tuple[str, str, str], Lines] = WeakValueDictionary()
_making = threading.Lock()


class Line(NamedTuple):
    """One line, as its columns are called."""

    asked_at: int
    asker: str
    question: str
    subject: str | None
    parameters: str
    role: str
    why: str


class _Waiting:
    def __init__(self, line: Line) -> None:
        self.line = line
        self.written = False


class Lines:
    """While one insert runs, lines that come wait for the next one, which takes all of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._waiting: list[_Waiting] = []

    def write(self, line: Line, insert: Callable[[Sequence[Line]], None]) -> None:
        """Write a line; it is written when this returns.

        Where an insert of several lines fails, whoever made it is told, and the others write their own.

        Args:
            line: to be written.
            insert: inserts lines, all of them or raises.

        Raises:
            StoreError: it was not written, or may not be.
        """
        mine = _Waiting(line)
        with self._lock:
            self._waiting.append(mine)
        with self._writing:
            if mine.written:
                return
            with self._lock:
                among = [mine, *(each for each in self._waiting if each is not mine)]
                self._waiting = []
            insert([each.line for each in among])
            for each in among:
                each.written = True


def lines_of(settings: ClickHouseSettings) -> Lines:
    """Give the lines of a ledger: of all connections of this process together."""
    with _making:
        name = settings.address, settings.database, settings.user
        found = _of_ledgers.get(name)
        if found is None:
            found = _of_ledgers[name] = Lines()
        return found
