"""The page of the audit log: who asked what about whom, and why."""

from __future__ import annotations

from fastapi.responses import Response

from flowtrack.adapters.pages.site.visit import Visit
from flowtrack.audit.audit_log import AuditLog
from flowtrack.audit.roles import Role


async def audit_log(visit: Visit) -> Response:
    """Show a page of lines, the newest first."""
    question = visit.question(AuditLog, "who", "role", "subject", "asked", "after", limit=100)
    return visit.show("audit-log.html", answer=await visit.ask(question), roles=[role.value for role in Role])
