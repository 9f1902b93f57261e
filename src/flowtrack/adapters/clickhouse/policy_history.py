"""Policy history from the database: every record of a pack or registry document that was known."""

from __future__ import annotations

from typing import Final

from flowtrack.adapters.clickhouse.store import Store
from flowtrack.audit.family import About
from flowtrack.audit.policy_history import PolicyHistory, PolicyHistoryAnswer, Published, history_of
from flowtrack.domain.instants import from_us, instant_us

_EVER_US = 1 << 57  # some year 6500
_RECORDS: Final = """
SELECT DISTINCT kind, name, toUnixTimestamp64Micro(valid_from) AS valid_us,
       toUnixTimestamp64Milli(recorded_at) AS recorded_ms, removed, sha256, body
FROM documents WHERE recorded_at <= fromUnixTimestamp64Micro({known_at:Int64}, 'UTC')"""


def policy_history(store: Store, question: PolicyHistory, about: About) -> PolicyHistoryAnswer:
    """Give the versions of packs and registries.

    Raises:
        StoreError: the database cannot answer.
    """
    known = _EVER_US if question.known_at is None else instant_us(question.known_at)
    published = [
        Published(
            kind=row["kind"],
            name=row["name"],
            valid_from=from_us(row["valid_us"]),
            recorded_at=from_us(row["recorded_ms"] * 1000),
            removed=bool(row["removed"]),
            sha256=row["sha256"],
            body=row["body"],
        )
        for row in store.named(_RECORDS, known_at=known)
    ]
    return history_of(question, about, published)
