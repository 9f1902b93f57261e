"""The pages of a recipient and of a service: what it received, or sent, of whom and under which clauses."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi.responses import Response

from flowtrack.adapters.pages.pictures.sankey import Flow, sankey
from flowtrack.adapters.pages.pictures.svg import Picture
from flowtrack.adapters.pages.site.visit import Visit
from flowtrack.audit.received import Received, ReceivedRow, ReceivedSubjects
from flowtrack.audit.violations import Violations

_ROWS = 100
_SAMPLES = 20


async def recipient(visit: Visit) -> Response:
    """Show what a party received, and of whom; without a name, what all of them did."""
    answer = await visit.ask(visit.question(Received, "recipient", "category", "service", "after", limit=_ROWS))
    subjects = denied = None
    if "recipient" in visit.said:
        if visit.may_list(ReceivedSubjects):
            question = visit.question(ReceivedSubjects, "recipient", "category", "service", limit=_SAMPLES)
            subjects = await visit.ask(question)
        if visit.may_list(Violations):
            denied = await visit.ask(visit.question(Violations, "recipient", "category", "service", limit=_SAMPLES))
    return visit.show(
        "received.html",
        answer=answer,
        subjects=subjects,
        denied=denied,
        drawn=_sent(visit, answer.rows),
        main="recipient",
    )


async def service(visit: Visit) -> Response:
    """Show what a service handed on, and what of its doings did not pass."""
    answer = await visit.ask(visit.question(Received, "service", "category", "recipient", "after", limit=_ROWS))
    denied = None
    if "service" in visit.said and visit.may_list(Violations):
        denied = await visit.ask(visit.question(Violations, "service", "category", "recipient", limit=_SAMPLES))
    drawn = _sent(visit, answer.rows)
    return visit.show("received.html", answer=answer, subjects=None, denied=denied, drawn=drawn, main="service")


def _sent(visit: Visit, rows: Sequence[ReceivedRow]) -> Picture:
    """Draw which categories went to whom, on this page of the answer."""
    words = visit.words
    tones = {code: words.code("verdict", code) for code in ("permit", "indeterminate", "deny")}
    flows = []
    for row in rows:
        passed = row.flows - row.denied - row.indeterminate
        for tone, value in zip(tones, (passed, row.indeterminate, row.denied), strict=True):
            if value:
                flows.append(Flow((row.category or "–", row.recipient), value, tone))
    headings = [words(f"head.{name}") for name in ("category", "recipient", "verdict", "flows")]

    def href(column: int, name: str) -> str:
        return visit.to("recipient", recipient=name) if column else visit.again(category=name, after="")

    return sankey(words("received.picture"), headings, flows, tones=tones, rest=words("site.rest"), href=href)
