"""Names that the ledger has seen: from sums by day, and from what is known of services and parties."""

from __future__ import annotations

from typing import Final

from flowtrack.adapters.clickhouse.store import Store
from flowtrack.audit.hints import registered

# Grouped as in the projection `daily`, so that no row is read.
_NAMES: Final = {
    field: f"SELECT {field} FROM (SELECT {field}, sum(sign) FROM flows GROUP BY {field})"  # noqa: S608 - fixed names
    for field in ("service", "recipient", "category", "purpose", "dataset")
}
_SITUATIONS: Final = """
SELECT DISTINCT toUInt64(situation)
FROM (SELECT pack, situation, sum(sign) FROM flows GROUP BY pack, situation)"""
_CLAUSES: Final = "SELECT DISTINCT arrayJoin(clauses) FROM judgements"
_REGISTRIES: Final = "SELECT body FROM documents WHERE kind = 'registry' AND removed = 0"


def names_seen(store: Store, field: str) -> set[str]:
    """Give the names that a field of flows ever had, and those that the registry declares.

    Args:
        store: open.
        field: one of `audit.hints.NAMED`.

    Raises:
        StoreError: the database cannot answer.
    """
    seen = {name for (name,) in store.rows(_NAMES.get(field, _CLAUSES))} - {""}
    if field in {"service", "recipient"}:
        seen |= registered(body for (body,) in store.rows(_REGISTRIES))[field]
    return seen


def situations_met(store: Store) -> frozenset[int]:
    """Give the situations that flows are of, whatever became of them."""
    return frozenset(number for (number,) in store.rows(_SITUATIONS))
