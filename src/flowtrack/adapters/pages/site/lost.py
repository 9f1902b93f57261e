"""The page that answers a browser where there is none: in its language, with a way on."""

from __future__ import annotations

from fastapi import Request
from fastapi.responses import Response

from flowtrack.adapters.pages.site.visit import NAVIGATION, Ask, Visit

_PAGE = "not-found"


def not_found(request: Request, status: int, ask: Ask) -> Response:
    """Say that nobody serves an address; nothing of the address but its language is repeated.

    Args:
        request: of whomever: that a page is not there is no secret.
        status: 404, or 405 where the address takes forms only.
        ask: of the pages; nothing is asked.
    """
    visit = Visit(request, _PAGE, None, ask)
    visit.said = {name: text for name, text in visit.said.items() if name == "lang"}
    first = request.url.path.strip("/").partition("/")[0]
    return visit.show("not-found.html", status=status, meant=visit.near(first.lower(), NAVIGATION))
