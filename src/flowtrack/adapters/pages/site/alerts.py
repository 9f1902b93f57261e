"""The page of alerts: which are open, how bad they are, and what became of each."""

from __future__ import annotations

from fastapi.responses import Response

from flowtrack.adapters.pages.site.visit import Visit
from flowtrack.audit.alerts import Alerts
from flowtrack.domain.decision import SEVERITIES


async def alerts(visit: Visit) -> Response:
    """Show a page of alerts; of one that is named, every state that it had."""
    question = visit.question(Alerts, "state", "severity", "service", "recipient", "identity", "after", limit=100)
    answer = await visit.ask(question)
    severities = [each for each in reversed(SEVERITIES) if each]
    return visit.show("alerts.html", answer=answer, severities=severities, named=visit.said.get("identity", ""))
