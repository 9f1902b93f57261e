"""The journal of erasures: which were asked for, how far each has come, and what proves it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Literal

from flowtrack.adapters.clickhouse.store import Store
from flowtrack.audit.erasure import Erasure
from flowtrack.domain.instants import from_us, instant_us

State = Literal["asked", "hidden", "gone"]

_STATES = """
SELECT id, digest, salt, state, toUnixTimestamp64Micro(at) AS at_us, toUnixTimestamp64Micro(asked_at) AS asked_us,
       asker, reason, rows, rows_sha256, held
FROM erasures ORDER BY asked_at DESC, id, at, state"""
_SALT = "SELECT any(salt) FROM erasures"


class Proofs:
    """Reads and writes the journal.

    Args:
        store: open, with its migrations applied.
        gone_within: the bound on the time from asking to gone.
    """

    def __init__(self, store: Store, gone_within: timedelta) -> None:
        self._store = store
        self._gone_within = gone_within

    def salt(self) -> str:
        """Give the ledger's salt; empty before the first erasure."""
        return str(self._store.rows(_SALT)[0][0])

    def all(self) -> list[Erasure]:
        """Give every erasure as far as it has come, the newest first."""
        rows = self._store.named(_STATES)
        return [self._erasure(list(states)) for _, states in groupby(rows, key=lambda row: row["id"])]

    def note(self, erasures: Sequence[Erasure], state: State, at: datetime) -> list[Erasure]:
        """Write down that erasures have come to a state, and give them so."""
        noted = [_at_state(each, state, at) for each in erasures]
        if noted:
            names = hashlib.sha256(",".join(each.id for each in noted).encode()).hexdigest()
            self._store.insert("erasures", _columns(noted, state, at), f"{state}:{instant_us(at)}:{names}")
        return noted

    def due(self, asked_at: datetime) -> datetime:
        """By when the bytes of what was asked for then must be gone."""
        return asked_at + self._gone_within

    def _erasure(self, states: list[dict[str, Any]]) -> Erasure:
        last = states[-1]
        asked_at = from_us(last["asked_us"])
        hidden_us = [row["at_us"] for row in states if row["state"] == "hidden"]
        return Erasure(
            id=last["id"],
            digest=last["digest"],
            salt=last["salt"],
            state=last["state"],
            asked_at=asked_at,
            hidden_at=from_us(hidden_us[0]) if hidden_us else None,
            gone_at=from_us(last["at_us"]) if last["state"] == "gone" else None,
            due_at=self.due(asked_at),
            asker=last["asker"],
            reason=last["reason"],
            rows=dict(last["rows"]),
            rows_sha256=list(last["rows_sha256"]),
            held=list(last["held"]),
        )


def _at_state(erasure: Erasure, state: State, at: datetime) -> Erasure:
    first_hidden_at = at if state == "hidden" and erasure.hidden_at is None else erasure.hidden_at
    gone_at = at if state == "gone" else None
    return erasure.model_copy(update={"state": state, "hidden_at": first_hidden_at, "gone_at": gone_at})


def _columns(erasures: Iterable[Erasure], state: str, at: datetime) -> dict[str, list[object]]:
    rows = [
        (
            each.id,
            each.digest,
            each.salt,
            state,
            instant_us(at),
            instant_us(each.asked_at),
            each.asker,
            each.reason,
            each.rows,
            each.rows_sha256,
            each.held,
        )
        for each in erasures
    ]
    names = ("id", "digest", "salt", "state", "at", "asked_at", "asker", "reason", "rows", "rows_sha256", "held")
    return {name: list(values) for name, values in zip(names, zip(*rows, strict=True), strict=True)}
