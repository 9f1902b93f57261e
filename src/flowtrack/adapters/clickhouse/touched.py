"""Whom and what the rows of a write are about, and so which answers it may change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from flowtrack.audit.family import Question
from flowtrack.domain.instants import instant_us
from flowtrack.tracking.rows import CONSENTS, FLOWS, JUDGEMENTS

_SUBJECTS_MAX: Final = 2_000
"""Of a write about more, every subject counts as touched."""
_SUMS: Final = ("service", "recipient", "category")
NARROWED: Final[Mapping[str, tuple[str, ...]]] = {
    "trail": ("subject",),
    "consent-proof": ("subject",),
    "subject-graph": ("subject",),
    "received": _SUMS,
    "use": _SUMS,
    "overview": _SUMS,
    "violations": _SUMS,
    "graph": (),  # where data may have come from is looked up among all flows
}
"""Families whose answers come from flows, judgements and consents alone, and the filters outside of which no row of a
write changes an answer; with a filter of `_SUMS`, their period narrows as well."""
_SAID: Final[Mapping[str, tuple[str, ...]]] = {
    JUDGEMENTS: ("situation",),
    CONSENTS: ("subject",),
    FLOWS: ("subject", "happened_at", *_SUMS, "situation"),
}
_OF_CONSENTS: Final = frozenset({"trail", "consent-proof"})


class Touched(NamedTuple):
    """Of the rows of one write."""

    subjects: frozenset[str] | None = None
    """32 hex digits each; None where they are too many, or not said."""
    first_us: int = 0
    """When the earliest of it happened."""
    last_us: int = 0
    services: frozenset[str] = frozenset()
    recipients: frozenset[str] = frozenset()
    categories: frozenset[str] = frozenset()
    situations: frozenset[int] = frozenset()


def touched_by(columns: pa.RecordBatch | Mapping[str, Sequence[Any]], table: str) -> Touched | None:
    """Tell what rows are about, from columns as they are inserted; None where that is not known of their table."""
    if isinstance(columns, pa.RecordBatch):
        return _by_batch(columns)
    if table not in _SAID or any(not columns.get(name) for name in _SAID[table]):
        return None
    if table == JUDGEMENTS:
        return Touched(situations=frozenset(columns["situation"]))
    if table == CONSENTS:
        return Touched(_few(set(columns["subject"])))
    return Touched(
        subjects=_few(set(columns["subject"])),
        first_us=min(columns["happened_at"]),
        last_us=max(columns["happened_at"]),
        services=frozenset(columns["service"]),
        recipients=frozenset(columns["recipient"]),
        categories=frozenset(columns["category"]),
        situations=frozenset(columns["situation"]),
    )


def may_change(question: Question[Any], table: str, touched: Touched) -> bool:
    """Whether rows of a write can be such that an answer to a question tells of."""
    if table == CONSENTS:
        return question.family in _OF_CONSENTS and _is_among(question.whom, touched.subjects)
    narrowed = NARROWED[question.family]
    if "subject" in narrowed:
        return _is_among(question.whom, touched.subjects)
    if not narrowed:
        return True
    return _in_period(question, touched) and all(
        _meets(name, getattr(question, name, None), among)
        for name, among in zip(_SUMS, (touched.services, touched.recipients, touched.categories), strict=True)
    )


def _by_batch(columns: pa.RecordBatch) -> Touched:
    times = columns.column("happened_at").cast(pa.int64())
    subjects = columns.column("subject")
    services, recipients, categories = (frozenset(columns.column(name).dictionary.to_pylist()) for name in _SUMS)
    return Touched(
        subjects=frozenset(subjects.to_pylist()) if len(subjects) <= _SUBJECTS_MAX else None,
        first_us=pc.min(times).as_py(),
        last_us=pc.max(times).as_py(),
        services=services,
        recipients=recipients,
        categories=categories,
        situations=frozenset(pc.unique(columns.column("situation")).to_pylist()),
    )


def _few(subjects: set[str]) -> frozenset[str] | None:
    return frozenset(subjects) if len(subjects) <= _SUBJECTS_MAX else None


def _is_among(subject: str | None, subjects: frozenset[str] | None) -> bool:
    return subjects is None or subject in subjects


def _in_period(question: Question[Any], touched: Touched) -> bool:
    if question.since is not None and touched.last_us < instant_us(question.since):
        return False
    if question.until is not None and touched.first_us >= instant_us(question.until):
        return False
    return question.as_of is None or touched.first_us <= instant_us(question.as_of)


def _meets(name: str, value: str | None, among: frozenset[str]) -> bool:
    if value is None or value in among:
        return True
    return name == "category" and any(each.startswith(f"{value}.") for each in among)
