"""Taking rows out of sight at once: what erasure and retention share.

A DELETE on a table with projections rebuilds them all (8 to 10 s at 10M rows); as a patch part it only notes which rows
are gone, in some hundredths of a second (docs/decisions/erasure.md).  The bytes go with the next clean-up.
Nothing of this leaves a value in a mutation's text, which the engine would keep on disk.
"""

from __future__ import annotations

from typing import Final

from flowtrack.adapters.clickhouse.holds import Condition
from flowtrack.adapters.clickhouse.store import Store

_PATCH: Final = {"enable_lightweight_update": 1, "lightweight_delete_mode": "lightweight_update_force"}
_OFFSETS: Final = """
INSERT INTO erased_offsets
SELECT {{ledger:String}}, epoch, source_partition, source_offset, any(decision_partition), any(decision_offset)
FROM {table} WHERE {where} GROUP BY epoch, source_partition, source_offset"""
_COUNTS: Final = """
SELECT toUInt16(toDate(happened_at)) AS happened_on, toUInt16(toDate(recorded_at)) AS recorded_on, service, kind,
       category, recipient, purpose, verdict, sum(sign) AS flows,
       sum(cityHash64(epoch, source_partition, source_offset, category, revision, sign)) AS marks
FROM flows WHERE {where}
GROUP BY happened_on, recorded_on, service, kind, category, recipient, purpose, verdict HAVING flows != 0"""


def keep_offsets(store: Store, table: str, rows: Condition) -> None:
    """Keep where rows of `flows` or `consents` stand, before they go; keeping it twice changes nothing."""
    store.command(_OFFSETS.format(table=table, where=rows.text), None, ledger=table, **rows.parameters)


def keep_counts(store: Store, why: str, rows: Condition, token: str) -> int:
    """Add up rows of `flows` by what they were, before they go, and give how many flows they make.

    Args:
        store: open.
        why: `erasure` or `retention`.
        rows: which rows.
        token: names this sum; that of the same rows again under the same token adds nothing, whenever it is asked for.
    """
    counts = store.named(_COUNTS.format(where=rows.text), **rows.parameters)
    if counts:
        token = f"{token}:{sum(count.pop('marks') for count in counts):x}"
        columns = {name: [count[name] for count in counts] for name in counts[0]}
        store.insert("erased_counts", {"why": [why] * len(counts), **columns}, token)
    return sum(count["flows"] for count in counts)


def hide(store: Store, table: str, rows: Condition) -> None:
    """Take rows out of sight: no query finds them when this returns."""
    store.command(
        f"DELETE FROM {store.layout.changing(table)} WHERE {rows.text}",  # noqa: S608 - a table of ours, values are parameters
        _PATCH,
        **rows.parameters,
    )


def change(store: Store, table: str, assignment: str, rows: Condition, **parameters: object) -> None:
    """Change a column of rows for every query from now on."""
    store.command(
        f"UPDATE {store.layout.changing(table)} SET {assignment} WHERE {rows.text}",  # noqa: S608 - texts of ours, values are parameters
        _PATCH,
        **rows.parameters,
        **parameters,
    )
