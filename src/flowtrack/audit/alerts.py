"""Alerts: what was told to whom it concerns, in its latest state; and of one of them, every state it was in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from flowtrack.audit.cursors import Key
from flowtrack.audit.family import Answer, PagedQuestion
from flowtrack.domain.decision import SEVERITIES, Alert, Severity
from flowtrack.domain.instants import instant_us
from flowtrack.domain.model import Contract, Name


class AlertCount(Contract):
    """Alerts of one state and severity."""

    state: str
    severity: str
    alerts: int
    findings: int
    """That these alerts gather."""


class AlertsAnswer(Answer):
    """A page of alerts, the worst and newest first; the counts are those of all pages."""

    rows: list[Alert]
    counts: list[AlertCount]
    history: list[Alert]
    """Every state of the alert that the question names, the first one first; empty where it names none."""


class Alerts(PagedQuestion[AlertsAnswer]):
    """Which alerts are there, and in which state?"""

    family: ClassVar[str] = "alerts"
    answer: ClassVar[type[Answer]] = AlertsAnswer

    state: Literal["open", "resolved"] | None = None
    severity: Severity | None = None
    service: Name | None = None
    recipient: Name | None = None
    identity: Annotated[str, Field(pattern="^[0-9a-f]{16}$")] | None = None
    """Only this one, with its history."""


def rank_of(alert: Alert) -> Key:
    """Where an alert stands: the worst and newest first."""
    return [-SEVERITIES.index(alert.severity), -instant_us(alert.last_at), alert.identity]


def counts_of(alerts: Iterable[Alert]) -> list[AlertCount]:
    """Count alerts by state and severity, the worst first."""
    by_kind: dict[tuple[str, Severity], list[Alert]] = defaultdict(list)
    for alert in alerts:
        by_kind[alert.state, alert.severity].append(alert)
    return [
        AlertCount(state=state, severity=severity, alerts=len(group), findings=sum(each.count for each in group))
        for (state, severity), group in sorted(
            by_kind.items(), key=lambda item: (item[0][0], -SEVERITIES.index(item[0][1]))
        )
    ]
