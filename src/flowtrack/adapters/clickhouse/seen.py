"""Names that the ledger has seen: from sums by day, and from what is known of services and parties."""

from __future__ import annotations

from typing import Final

from flowtrack.adapters.clickhouse.access import ACTOR, ACTOR_ROLE, BY_STAFF
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.audit.families import FAMILIES
from flowtrack.audit.hints import REGISTERED, registered

# Grouped as in the projection `daily`, so that no row is read.
_NAMES: Final = {
    **{
        field: f"SELECT {field} FROM (SELECT {field}, sum(sign) FROM flows GROUP BY {field})"  # noqa: S608 - fixed names
        for field in ("service", "recipient", "category", "purpose", "dataset")
    },
    "clause": "SELECT DISTINCT arrayJoin(clauses) FROM judgements",
    "country": "SELECT DISTINCT location FROM flows WHERE kind = 'share'",  # from its projection
    "actor": f"SELECT DISTINCT {ACTOR} FROM flows WHERE {BY_STAFF}",  # noqa: S608 - fixed texts
    "actor_role": f"SELECT DISTINCT {ACTOR_ROLE} FROM flows WHERE {BY_STAFF}",  # noqa: S608 - fixed texts
    "asker": "SELECT DISTINCT asker FROM audit_log",
    "asked": "SELECT DISTINCT question FROM audit_log",
}
_RECORDS: Final = "SELECT DISTINCT record FROM consents WHERE subject = {subject:UUID}"
_SITUATIONS: Final = """
SELECT DISTINCT toUInt64(situation)
FROM (SELECT pack, situation, sum(sign) FROM flows GROUP BY pack, situation)"""
_REGISTRIES: Final = "SELECT body FROM documents WHERE kind = 'registry' AND removed = 0"


def names_seen(store: Store, field: str, whom: str | None) -> set[str]:
    """Give the names of a kind that the ledger ever had, and those that the registry declares.

    Args:
        store: open.
        field: one of `audit.hints.NAMED`, or what one of `audit.hints.OWN` names.
        whom: the subject that is asked about: consent records are those of this one.

    Raises:
        StoreError: the database cannot answer.
    """
    if field == "record":
        return {name for (name,) in store.rows(_RECORDS, subject=whom)}
    seen = {name for (name,) in store.rows(_NAMES[field])} - {""}
    if field == "asked":
        return seen | set(FAMILIES)
    if field in REGISTERED:
        return seen | registered(body for (body,) in store.rows(_REGISTRIES))[field]
    return seen


def situations_met(store: Store) -> frozenset[int]:
    """Give the situations that flows are of, whatever became of them."""
    return frozenset(number for (number,) in store.rows(_SITUATIONS))
