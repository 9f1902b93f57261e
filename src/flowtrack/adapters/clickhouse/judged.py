"""What packs say of situations, by name: what is known whole does not change, so it is asked for once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from flowtrack.adapters.clickhouse.said import KEPT_MAX, Named
from flowtrack.adapters.clickhouse.store import Store

_COLUMNS: Final = "pack, situation, severity, rules, clauses, reasons, notes, gaps, defined"
_JUDGEMENTS: Final = f"""
SELECT {_COLUMNS} FROM judgements WHERE (pack, situation) IN {{situations:Array(Tuple(String, UInt64))}}
ORDER BY defined DESC LIMIT 1 BY pack, situation"""  # noqa: S608 - fixed texts
# What was written last is asked for first: where there is more than is kept, that is what comes up most.
_ALL: Final = f"""
SELECT {_COLUMNS} FROM judgements WHERE defined ORDER BY recorded_at DESC LIMIT {KEPT_MAX // 2}"""  # noqa: S608
ASKED_MAX: Final = 1_000
"""So many are asked for by name at once: a server takes 128 KiB for a parameter (`http_max_field_value_size`)."""
_LISTS: Final = ("rules", "clauses", "reasons", "notes", "gaps")

UNJUDGED: Final[dict[str, Any]] = {"severity": "", **{name: [] for name in _LISTS}}
"""What is said of a situation that the ledger does not have."""


def judgements_of(store: Store, named: Iterable[Named]) -> dict[Named, dict[str, Any]]:
    """Give severity, rules, clauses, reasons, notes and gaps of some situations, as far as the ledger has them.

    Args:
        store: open.
        named: any number of them, also one several times.

    Raises:
        StoreError: the database cannot answer.
    """
    wanted = set(named)
    found = store.kept.said.of(wanted)
    missing = sorted(wanted - found.keys())
    if missing:
        if store.kept.said.asks_all():
            store.kept.said.add({(row["pack"], row["situation"]): row for row in store.named(_ALL)})
        for start in range(0, len(missing), ASKED_MAX):
            rows = store.named(_JUDGEMENTS, situations=missing[start : start + ASKED_MAX])
            said = {(row["pack"], row["situation"]): row for row in rows}
            store.kept.said.add({name: row for name, row in said.items() if row["defined"]})
            found |= said
    return found
