"""All pages as one router, for the app that also has sessions and the API."""

from __future__ import annotations

import mimetypes
import re
from typing import Final

from fastapi import APIRouter
from fastapi.responses import RedirectResponse, Response

from flowtrack.adapters.pages.rendering import asset
from flowtrack.adapters.pages.site.alerts import alerts
from flowtrack.adapters.pages.site.blast import blast, withdrawal
from flowtrack.adapters.pages.site.decision import Decision
from flowtrack.adapters.pages.site.exports import export
from flowtrack.adapters.pages.site.frame import Backing, Frame, within
from flowtrack.adapters.pages.site.jobs import Jobs
from flowtrack.adapters.pages.site.log import audit_log
from flowtrack.adapters.pages.site.ordering import Reports
from flowtrack.adapters.pages.site.origin import origin
from flowtrack.adapters.pages.site.overview import overview
from flowtrack.adapters.pages.site.places import recipient, service
from flowtrack.adapters.pages.site.policy import Policy
from flowtrack.adapters.pages.site.refusals import wrong_of
from flowtrack.adapters.pages.site.subject import subject
from flowtrack.adapters.pages.site.violations import violations
from flowtrack.adapters.pages.site.visit import PURPOSE_COOKIE, Visit, purpose_cookie
from flowtrack.adapters.pages.site.whatif import WhatIf
from flowtrack.audit.roles import WHY_MAX
from flowtrack.domain.model import SUBJECT_PATTERN
from flowtrack.errors import QuestionError

_ASSETS: Final = ("flowtrack.css", "site.css", "site.js")
_SEE_OTHER, _BAD = 303, 400
_KEEP: Final = "public, max-age=31536000, immutable"  # its address changes with its content


def pages_router(backing: Backing) -> APIRouter:
    """Make the pages; they post sign-ins to /session and /session/end, which the app has."""
    router = APIRouter(include_in_schema=False)
    frame = Frame(router, backing)
    _add_assets(router)
    frame.add("purpose", _purpose, "POST")
    frame.add("sign-in", _sign_in, for_all=True)
    frame.add("overview", overview)
    frame.add("violations", violations)
    frame.add("alerts", alerts)
    frame.add("audit-log", audit_log)
    frame.add("blast", blast)
    frame.add("withdrawal", withdrawal)
    frame.add("origin", origin)
    frame.add("subject", subject)
    frame.add("recipient", recipient)
    frame.add("service", service)
    policy = Policy(backing)
    frame.add("policy", policy.all_clauses)
    frame.add("clause", policy.one_clause)
    frame.add("decision", Decision(backing).show)
    frame.add("export", export)
    reports = Reports(backing)
    frame.add("reports", reports.show)
    frame.add("reports", reports.make, "POST")
    whatif = WhatIf(backing, Jobs())
    frame.add("what-if", whatif.show)
    frame.add("what-if", whatif.take, "POST")
    return router


def _add_assets(router: APIRouter) -> None:
    @router.get("/static/{name}")
    async def static(name: str) -> Response:
        if name not in _ASSETS:
            return Response(status_code=404)
        kind = mimetypes.guess_type(name)[0] or "text/plain"
        return Response(asset(name), media_type=kind, headers={"cache-control": _KEEP})


async def _sign_in(visit: Visit) -> Response:
    """Show the form again, after a token that is not known."""
    return visit.show("sign-in.html", then=within(visit.said.get("then", "/")))


async def _purpose(visit: Visit) -> Response:
    """Take why somebody looks at a subject, or at lists that name some: this browser keeps it until it is closed."""
    form = await visit.request.form(max_files=0, max_fields=3)
    subject, why, then = (str(form.get(name, "")) for name in ("subject", "why", "then"))
    if subject and re.fullmatch(SUBJECT_PATTERN, subject) is None:
        raise QuestionError("the subject is not right", where="subject", help="it has 32 hex digits")
    if not 0 < len(why.strip()) <= WHY_MAX:
        wrong = QuestionError("the purpose is not right", where="why", help=f"write 1 to {WHY_MAX} characters")
        told = {"then": within(then), "typed": why, "wrong": wrong_of(visit.words, wrong)}
        return visit.show("purpose.html", status=_BAD, subject=subject, **told)
    response = RedirectResponse(within(then), _SEE_OTHER)
    response.set_cookie(
        PURPOSE_COOKIE,
        purpose_cookie(subject, why.strip()),
        secure=visit.request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )
    return response
