"""A webhook: a JSON document of alerts, posted to whoever asked for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flowtrack.adapters.alerts.posting import Poster
from flowtrack.domain.decision import Alert

VERSION = 1


class WebhookNotifier:
    """Posts `{"version": 1, "alerts": [...]}`; each alert as in schemas/alert, with its clauses' titles beside it.

    Args:
        poster: posts to the receiver.
        titles: what clauses say, in one line each, by clause id.
    """

    name = "webhook"

    def __init__(self, poster: Poster, *, titles: Mapping[str, str] | None = None) -> None:
        self._poster = poster
        self._titles = titles or {}

    def notify(self, alerts: Sequence[Alert]) -> None:
        """Post alerts in one request.

        Raises:
            DeliveryError: the receiver cannot be reached, fails, or refuses.
        """
        self._poster.post({"version": VERSION, "alerts": [self._document(alert) for alert in alerts]})

    def _document(self, alert: Alert) -> dict[str, object]:
        document: dict[str, object] = alert.model_dump(mode="json")
        document["titles"] = {clause: self._titles[clause] for clause in alert.clauses if clause in self._titles}
        return document
