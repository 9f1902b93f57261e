"""What packs say of situations, as far as this process has read it: what is known whole does not change."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from typing import Any, Final

Named = tuple[str, int]
"""Pack and situation."""

KEPT_MAX: Final = 20_000  # twice what the ledgers of the benchmark have: some 20 MiB
_ASKED_FIRST: Final = 8


class Said:
    """Judgements by name; used by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rows: dict[Named, dict[str, Any]] = {}
        self._asked = 0

    def asks_all(self) -> bool:
        """Whether to ask for all there is now: once, when it has been asked for some again and again."""
        with self._lock:
            self._asked += 1
            return self._asked == _ASKED_FIRST

    def of(self, names: Collection[Named]) -> dict[Named, dict[str, Any]]:
        """Give those that are here."""
        with self._lock:
            return {name: self._rows[name] for name in names if name in self._rows}

    def add(self, rows: Mapping[Named, dict[str, Any]]) -> None:
        """Keep more; where they come to too many, those from before are let go."""
        with self._lock:
            if len(self._rows) + len(rows) > KEPT_MAX:
                self._rows.clear()
            self._rows.update(rows)

    def forget(self) -> None:
        """Let go of all."""
        with self._lock:
            self._rows.clear()
            self._asked = 0
