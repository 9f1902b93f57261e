"""The log of who asked what about whom, and who changed what: written before it is done."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial

from flowtrack.adapters.clickhouse.lines import Line
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
    line = Line(instant_us(at), asker, question, subject, json.dumps(parameters), role, why)
    store.lines.write(line, partial(_insert, store))


def _insert(store: Store, lines: Sequence[Line]) -> None:
    store.insert("audit_log", dict(zip(Line._fields, zip(*lines, strict=True), strict=True)), "")
