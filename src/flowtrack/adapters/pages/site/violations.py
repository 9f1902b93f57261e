"""The page of violations: what did not pass, one by one."""

from __future__ import annotations

from fastapi.responses import Response

from flowtrack.adapters.pages.site.visit import Visit
from flowtrack.audit.violations import Violations


async def violations(visit: Visit) -> Response:
    """Show a page of violations."""
    filters = ("service", "recipient", "category", "purpose", "clause", "verdict")
    question = visit.question(Violations, *filters, "after", limit=100)
    return visit.show("violations.html", answer=await visit.ask(question))
