"""The pages of the blast radius: where data got to from an exposed place or on an ended consent, and whom to tell."""

from __future__ import annotations

from collections import defaultdict
from typing import Final

from fastapi.responses import Response

from flowtrack.adapters.pages.pictures.sankey import Flow, sankey
from flowtrack.adapters.pages.pictures.svg import Picture
from flowtrack.adapters.pages.site.visit import Visit, address
from flowtrack.audit.blast import HOPS_MAX, Blast, BlastAnswer, Withdrawal
from flowtrack.audit.consent_proof import ConsentProof
from flowtrack.audit.exposed import ExposedSubjects

_STARTS: Final = ("dataset", "service", "party")


async def blast(visit: Visit) -> Response:
    """Show what is downstream of a place."""
    if not {"start", "name"} <= set(visit.said):
        return visit.show("blast.html", answer=None, starts=_STARTS, hops_max=HOPS_MAX)
    answer = await visit.ask(visit.question(Blast, "start", "name", "hops_max"))
    drawn, listed = _drawn(visit, answer), _listed(visit, answer)
    return visit.show("blast.html", answer=answer, starts=_STARTS, hops_max=HOPS_MAX, drawn=drawn, listed=listed)


async def withdrawal(visit: Visit) -> Response:
    """Show what is downstream of a subject's consent record."""
    if not {"subject", "record"} <= set(visit.said):
        return visit.show("withdrawal.html", answer=None)
    answer = await visit.ask(visit.question(Withdrawal, "subject", "record"))
    known = bool(answer.rows) or answer.ended_at is not None
    if not known:
        known = bool((await visit.ask(visit.question(ConsentProof, "subject", "record"))).rows)
    return visit.show("withdrawal.html", answer=answer, known=known)


def _listed(visit: Visit, answer: BlastAnswer) -> str:
    """Give the address of the list of the subjects affected, for those who may see it and said what for."""
    if not visit.may_list(ExposedSubjects):
        return ""
    asked = answer.about.question
    said = {name: asked.get(name) for name in ("start", "name", "until", "known_at", "as_of", "categories")}
    told = {name: text for name, text in said.items() if text and name in ExposedSubjects.model_fields}
    return address("v1/exposed-subjects/export", {**told, "format": "csv", "why": visit.purpose_before})


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
