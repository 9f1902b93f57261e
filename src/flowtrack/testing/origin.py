"""Unexplained origin in a ledger in memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import date

from flowtrack.audit.categories import under
from flowtrack.audit.family import About
from flowtrack.audit.origin import Origin, OriginAnswer, Unexplained, by_flows
from flowtrack.audit.paging import page_of
from flowtrack.testing.ledger_tables import Row
from flowtrack.testing.view import View, day_of, verdicts

_FILTERS = ("service", "kind", "recipient", "verdict")


def origin(view: View, question: Origin, about: About) -> OriginAnswer:
    """Give a page of flows whose origin nobody knows."""
    ever = view.flows(question.model_copy(update={"since": None}))
    came = _first(
        (row["service"] if row["kind"] == "collect" else row["recipient"], row)
        for row in ever
        if row["kind"] in {"collect", "share"}
    )
    stored = [row for row in ever if row["dataset"] and row["kind"] in {"store", "collect"}]
    put = _first((row["dataset"], row) for row in stored) if question.by_dataset else {}
    groups: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for row in view.flows(question):
        asked = under(row["category"], question.category) and all(
            getattr(question, name) in {None, row[name]} for name in _FILTERS
        )
        known = came.get((row["service"], row["category"]), date.max)
        held = put.get((row["dataset"], row["category"]), date.max)
        if asked and row["kind"] in {"use", "share"} and min(known, held) > day_of(row):
            groups[row["service"], row["category"], row["kind"]].append(row)
    rows = [_row(key, group, came.get(key[:2]), question.samples_max) for key, group in groups.items()]
    about, given = page_of(question, about, rows, by_flows)
    return OriginAnswer(about=about, rows=given)


def _first(found: Iterable[tuple[str, Row]]) -> dict[tuple[str, str], date]:
    """The first day on which a category came to each place."""
    first: dict[tuple[str, str], date] = {}
    for place, row in found:
        key = (place, row["category"])
        first[key] = min(first.get(key, date.max), day_of(row))
    return first


def _row(key: tuple[str, str, str], group: list[Row], came: date | None, samples_max: int) -> Unexplained:
    counted, days = verdicts(group), [day_of(row) for row in group]
    return Unexplained(
        service=key[0],
        category=key[1],
        kind=key[2],
        flows=len(group),
        permitted=counted["permit"],
        denied=counted["deny"],
        purposes=sorted({row["purpose"] for row in group}),
        recipients=sorted({row["recipient"] for row in group} - {""}),
        datasets=sorted({row["dataset"] for row in group} - {""}),
        first=min(days),
        last=max(days),
        came=came,
        samples=sorted({row["event_id"] for row in group if day_of(row) == min(days)})[:samples_max],
    )
