"""The page of unexplained origin: what services use or share that nobody was seen to give them."""

from __future__ import annotations

from fastapi.responses import Response

from flowtrack.adapters.pages.site.visit import Visit
from flowtrack.audit.origin import Origin


async def origin(visit: Visit) -> Response:
    """Show a page of unexplained flows."""
    question = visit.question(Origin, "service", "recipient", "category", "kind", "verdict", "after", limit=100)
    return visit.show("origin.html", answer=await visit.ask(question))
