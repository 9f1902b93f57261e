"""Prometheus Alertmanager, by its API v2: POST /api/v2/alerts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from flowtrack.adapters.alerts.posting import Poster
from flowtrack.domain.decision import Alert

PATH = "/api/v2/alerts"
_NAMES = {
    "denied": "FlowtrackDenied",
    "indeterminate": "FlowtrackIndeterminate",
    "dead_letter": "FlowtrackDeadLetter",
    "incident": "FlowtrackIncident",
    "notice": "FlowtrackNotice",
    "overflow": "FlowtrackOverflow",
    "judged_anew": "FlowtrackJudgedAnew",
}


class AlertmanagerNotifier:
    """Sends alerts to an Alertmanager, which groups, silences, inhibits and routes them further.

    Labels are what makes an alert the same one, so only what its identity is made of stands there; everything that
    changes stands in the annotations.  `endsAt` lies `resolve_after` behind the last finding: Alertmanager ends an
    alert by itself when the alerter has fallen silent.

    Args:
        poster: posts to the Alertmanager's API.
        resolve_after: as in the rules that the alerts were grouped by.
        titles: what clauses say, in one line each, by clause id.
        generator_url: where whoever is told can look further.
    """

    name = "alertmanager"

    def __init__(
        self,
        poster: Poster,
        *,
        resolve_after: timedelta,
        titles: Mapping[str, str] | None = None,
        generator_url: str = "",
    ) -> None:
        self._poster = poster
        self._resolve_after = resolve_after
        self._titles = titles or {}
        self._generator_url = generator_url

    def notify(self, alerts: Sequence[Alert]) -> None:
        """Post alerts in one request.

        Raises:
            DeliveryError: Alertmanager cannot be reached, fails, or refuses.
        """
        self._poster.post([self._document(alert) for alert in alerts])

    def _document(self, alert: Alert) -> dict[str, object]:
        ends = alert.last_at + (self._resolve_after if alert.state == "open" else timedelta())
        labels = {
            "alertname": _NAMES.get(alert.what, "Flowtrack"),
            "severity": alert.severity or "info",
            "service": alert.service,
            "recipient": alert.recipient,
            "clause": ",".join(alert.clauses),
            "reason": ",".join([*alert.reasons, *alert.gaps]),
            "identity": alert.identity,
        }
        annotations = {
            "summary": alert.title,
            "description": "; ".join(f"{clause} {self._titles.get(clause, '')}".strip() for clause in alert.clauses),
            "count": str(alert.count),
            "judged_anew": str(alert.amended or ""),
            "lifted": str(alert.lifted or ""),
            "changed": alert.changed,
            "purpose": alert.purpose,
            "categories": ", ".join(alert.categories),
            "events": ", ".join(alert.examples),
        }
        document: dict[str, object] = {
            "labels": {name: value for name, value in labels.items() if value},
            "annotations": {name: value for name, value in annotations.items() if value},
            "startsAt": _rfc3339(alert.first_at),
            "endsAt": _rfc3339(ends),
        }
        if self._generator_url:
            document["generatorURL"] = self._generator_url
        return document


def _rfc3339(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")
