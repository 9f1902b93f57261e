"""The page of one decision: why each category got its verdict, in the words of the clauses."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi.responses import Response

from flowtrack.adapters.pages.site.frame import Backing
from flowtrack.adapters.pages.site.visit import Visit
from flowtrack.audit.explanation import Explanation
from flowtrack.audit.trail import Trail
from flowtrack.errors import QuestionError
from flowtrack.policy.pack import Pack


class Decision:
    """The page.

    Args:
        backing: has the packs that judged.
    """

    def __init__(self, backing: Backing) -> None:
        self._backing = backing

    async def show(self, visit: Visit) -> Response:
        """Show one event of a subject, and how each of its categories was judged."""
        answer = await visit.ask(visit.question(Trail, "subject"))
        named = visit.said.get("event", "").strip()
        steps = [row for row in answer.rows if row.event_id == named]
        if not steps:
            raise QuestionError(
                "there is no such event on this subject's trail",
                where="event",
                help="look at the trail, and widen period and times",
            )
        why = await visit.ask(visit.question(Explanation, "subject", event=named))
        packs: Mapping[str, Pack] = await self._backing.with_ledger(self._backing.packs_of)
        pack = packs.get(steps[0].pack)
        rules = {} if pack is None else {rule.id: rule for rule in pack.rules}
        clauses = {} if pack is None else pack.clauses
        return visit.show(
            "decision.html",
            answer=answer,
            subject=visit.said["subject"].strip(),
            steps=steps,
            rules=rules,
            clauses=clauses,
            explained={(each.service, each.category): each for each in why.rows},
            consents={each.record: each for each in answer.consents},
        )
