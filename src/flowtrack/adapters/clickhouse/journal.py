"""The log of who asked what about whom, and who changed what: written before it is done."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime

from flowtrack.adapters.clickhouse.store import Store
from flowtrack.domain.instants import instant_us


def write_down(
    store: Store,
    at: datetime,
    asker: str,
    question: str,
    parameters: Mapping[str, object],
    *,
    subject: str | None = None,
    role: str = "",
    why: str = "",
) -> None:
    """Write one line of the audit log.

    Args:
        store: open.
        at: the instant of the question.
        asker: who asks.
        question: its name.
        parameters: what else it said; nothing personal, and no subject.
        subject: whom it is about, where it is about somebody.
        role: as what somebody asks; empty for who runs Flowtrack.
        why: the purpose that was given.

    Raises:
        StoreError: it was not written; what it announces must not be done then.
    """
    columns: dict[str, list[object]] = {
        "asked_at": [instant_us(at)],
        "asker": [asker],
        "question": [question],
        "subject": [subject],
        "parameters": [json.dumps(parameters)],
        "role": [role],
        "why": [why],
    }
    store.insert("audit_log", columns, "")
