"""Whether something of the ledger has been put aside as damaged, or was put back by half only.

When the engine starts and cannot read a part, it moves it to `detached` and goes on without it: every answer would be
silently partial.  So that is looked for before anybody is answered.  Replicated tables fetch the part from a neighbour
and keep the damaged one as well, which says nothing then.  A restore that was killed leaves the database that it was
filling: what is there beside it is no ledger.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, Protocol

from flowtrack.errors import StoreError

_DAMAGED = """
SELECT table, count(), any(path) FROM system.detached_parts
WHERE database = currentDatabase() AND startsWith(reason, 'broken') GROUP BY table ORDER BY table LIMIT 1"""

_TABLES = "SELECT name FROM system.tables WHERE database = currentDatabase()"
_RESTORING = "SELECT 1 FROM system.databases WHERE name = concat(currentDatabase(), {suffix:String})"
RESTORING: Final = "_restoring"
"""What the database's name ends with while a backup is put back into it."""


class Asked(Protocol):
    """What is needed of a store."""

    def rows(self, statement: str, **parameters: object) -> list[tuple[Any, ...]]:
        """Run a query."""
        ...


def refuse_damaged(store: Asked, address: str) -> None:
    """Refuse a ledger of which a part is missing since it is damaged.

    Raises:
        StoreError: names the table, how many parts, and where the first of them lies.
    """
    for table, parts, path in store.rows(_DAMAGED):
        raise StoreError(
            f"`{parts}` parts of `{table}` are damaged, and their rows missing from every answer",
            where=address,
            help=f"put the ledger back from a backup; or, to go on without those rows, move `{path}` and its like away "
            "and let `flowtrack reconcile` say what is missing",
        )


def refuse_missing(store: Asked, tables: Iterable[str], address: str) -> None:
    """Refuse a ledger that lacks a table which its migrations made.

    Raises:
        StoreError: names the first that is missing.
    """
    there = {name for (name,) in store.rows(_TABLES)}
    for table in sorted(set(tables) - there):
        raise StoreError(
            f"`{table}` was made and is not there any more",
            where=address,
            help="put the ledger back from a backup, and look after the disk",
        )


def refuse_half_restored(store: Asked, address: str) -> None:
    """Refuse a directory into which a backup has been put back by half.

    Raises:
        StoreError: a restore broke off here.
    """
    if store.rows(_RESTORING, suffix=RESTORING):
        raise StoreError(
            "a restore into this directory broke off, and the ledger is not in it",
            where=address,
            help="run `flowtrack ledger restore` again with the same directory, or delete the directory",
        )
