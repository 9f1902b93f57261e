"""Overview and alerts from a ledger in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from flowtrack.audit.alerts import Alerts, AlertsAnswer, counts_of, rank_of
from flowtrack.audit.categories import under
from flowtrack.audit.family import About
from flowtrack.audit.overview import (
    CategoryCount,
    DayCount,
    KindCount,
    Overview,
    OverviewAnswer,
    PartyCount,
    Rest,
    ServiceCount,
    Stream,
)
from flowtrack.audit.paging import page_of
from flowtrack.domain.decision import Alert
from flowtrack.domain.instants import from_us, instant_us
from flowtrack.testing.ledger_tables import Row
from flowtrack.testing.trail import by_event, worst_of
from flowtrack.testing.view import View, day_of
from flowtrack.tracking import rows as tables

_STATES_IN_ORDER = ("recorded_at", "count", "last_at", "lifted")
_ALERT_FIELDS = tuple(name for name in Alert.model_fields if not name.endswith("_at"))


def overview(view: View, question: Overview, about: About) -> OverviewAnswer:
    """Count all flows."""
    flows = [
        row
        for row in view.flows(question)
        if all(getattr(question, name) in {None, row[name]} for name in ("service", "recipient", "purpose"))
        and under(row["category"], question.category)
    ]
    shares = [row for row in flows if row["kind"] == "share"]
    days = Counter((day_of(row), row["kind"], row["verdict"]) for row in flows)
    kinds = Counter((group[0]["kind"], worst_of(group)) for group in by_event(flows))
    categories = Counter((row["category"], row["verdict"]) for row in flows)
    services, services_rest = _largest(flows, lambda row: (row["service"],), question.services_max)
    parties, parties_rest = _largest(shares, lambda row: (row["recipient"],), question.parties_max)
    streams, streams_rest = _largest(
        shares, lambda row: (row["service"], row["category"], row["recipient"]), question.streams_max
    )
    return OverviewAnswer(
        about=about.judged_by([row["pack"] for row in flows], []),
        rows=[DayCount(day=d, kind=k, verdict=v, flows=n) for (d, k, v), n in sorted(days.items())],
        events=kinds.total() if question.counts_events else None,
        flows=len(flows),
        by_kind=[KindCount(kind=k, verdict=v, events=n) for (k, v), n in sorted(kinds.items())]
        if question.counts_events
        else [],
        by_category=[CategoryCount(category=c, verdict=v, flows=n) for (c, v), n in sorted(categories.items())],
        services=[ServiceCount(service=name, flows=n, denied=bad) for (name,), n, bad in services],
        services_rest=services_rest,
        parties=[PartyCount(recipient=name, flows=n, denied=bad) for (name,), n, bad in parties],
        parties_rest=parties_rest,
        streams=[Stream(service=s, category=c, recipient=r, flows=n, denied=bad) for (s, c, r), n, bad in streams],
        streams_rest=streams_rest,
    )


def _largest(
    flows: list[Row], name: Callable[[Row], tuple[str, ...]], largest: int
) -> tuple[list[tuple[tuple[str, ...], int, int]], Rest]:
    every = Counter(map(name, flows))
    denied = Counter(name(row) for row in flows if row["verdict"] == "deny")
    ordered = [(key, n, denied[key]) for key, n in sorted(every.items(), key=lambda item: (-item[1], item[0]))]
    left = ordered[largest:]
    rest = Rest(count=len(left), flows=sum(n for _, n, _ in left), denied=sum(bad for *_, bad in left))
    return ordered[:largest], rest


def alerts(view: View, question: Alerts, about: About) -> AlertsAnswer:
    """Give a page of alerts."""
    states = [
        row
        for row in sorted(view.tables[tables.ALERTS], key=lambda r: tuple(r[name] for name in _STATES_IN_ORDER))
        if question.identity in {None, row["identity"]}
        and (question.known_at is None or row["recorded_at"] * 1000 <= instant_us(question.known_at))
        and (question.as_of is None or row["last_at"] <= instant_us(question.as_of))
    ]
    latest = {row["identity"]: row for row in states}
    found = [
        _alert(row)
        for row in latest.values()
        if all(getattr(question, name) in {None, row[name]} for name in ("state", "severity", "service", "recipient"))
        and (question.since is None or row["last_at"] >= instant_us(question.since))
        and (question.until is None or row["first_at"] < instant_us(question.until))
    ]
    about, rows = page_of(question, about, found, rank_of)
    history = [_alert(row) for row in states] if question.identity else []
    return AlertsAnswer(about=about, rows=rows, counts=counts_of(found), history=history)


def _alert(row: Row) -> Alert:
    return Alert(
        **{name: row[name] for name in _ALERT_FIELDS},
        first_at=from_us(row["first_at"]),
        last_at=from_us(row["last_at"]),
    )
