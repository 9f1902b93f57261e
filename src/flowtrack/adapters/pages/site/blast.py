"""The pages of the blast radius: where data got to from an exposed place or on an ended consent, and whom to tell."""

from __future__ import annotations

from collections import defaultdict
from typing import Final

from fastapi.responses import Response

from flowtrack.adapters.pages.pictures.sankey import Flow, sankey
from flowtrack.adapters.pages.pictures.svg import Picture
from flowtrack.adapters.pages.site.visit import Visit
from flowtrack.audit.blast import HOPS_MAX, Blast, BlastAnswer, Withdrawal

_STARTS: Final = ("dataset", "service", "party")


async def blast(visit: Visit) -> Response:
    """Show what is downstream of a place."""
    if not {"start", "name"} <= set(visit.said):
        return visit.show("blast.html", answer=None, starts=_STARTS, hops_max=HOPS_MAX)
    answer = await visit.ask(visit.question(Blast, "start", "name", "hops_max"))
    return visit.show("blast.html", answer=answer, starts=_STARTS, hops_max=HOPS_MAX, drawn=_drawn(visit, answer))


async def withdrawal(visit: Visit) -> Response:
    """Show what is downstream of a subject's consent record."""
    if not {"subject", "record"} <= set(visit.said):
        return visit.show("withdrawal.html", answer=None)
    answer = await visit.ask(visit.question(Withdrawal, "subject", "record"))
    return visit.show("withdrawal.html", answer=answer)


def _drawn(visit: Visit, answer: BlastAnswer) -> Picture:
    """Draw how many people's data got to which place, by steps from the start."""
    words = visit.words
    subjects: dict[tuple[str, str, str], int] = defaultdict(int)
    for row in answer.rows:
        if row.hops:
            kind = words(f"blast.kind_{row.kind}")
            subjects[words("blast.hop", count=row.hops), kind, row.name] += row.subjects
    flows = [Flow(path, value, "plain") for path, value in subjects.items() if value]
    headings = [words(f"blast.{name}") for name in ("hops", "kind", "place", "what", "subjects")]
    tones = {"plain": words("blast.reached")}
    return sankey(words("blast.picture"), headings, flows, tones=tones, rest=words("site.rest"))
