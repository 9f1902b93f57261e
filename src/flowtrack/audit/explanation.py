"""Why an event was judged as it was: besides what decided, the rules that nearly matched and what kept them out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Annotated, ClassVar, Final

from pydantic import Field

from flowtrack.audit.family import About, Answer, SubjectQuestion
from flowtrack.audit.roles import DESKS, Role
from flowtrack.audit.trail import TrailCategory, TrailEvent
from flowtrack.domain.model import Contract
from flowtrack.policy.explain import NearMiss, nearly
from flowtrack.policy.judge import Judge
from flowtrack.policy.pack import Pack

Definitions = Mapping[tuple[str, str], str]
"""Situations as JSON, by pack and number in 16 hex digits; those that are not defined are left out."""


class ExplainedCategory(Contract):
    """One category of the event, and why it got its verdict."""

    event_id: str
    service: str
    category: str
    verdict: str
    pack: str
    rules: list[str]
    """Those that decided."""
    clauses: list[str]
    reasons: list[str]
    gaps: list[str]
    consent: str
    """Record that carried the verdict; empty where none did."""
    known: bool
    """Whether pack and situation are in the ledger and can be read: else nothing is said of what nearly matched."""
    nearly: list[NearMiss]
    """Rules that forbid or permit, and would have matched but for one condition."""
    situation: dict[str, str | bool | list[str]]
    """What the rules looked at."""


class ExplanationAnswer(Answer):
    """The categories of the event, as they stand at the question's two times."""

    rows: list[ExplainedCategory]


class Explanation(SubjectQuestion[ExplanationAnswer]):
    """Why was one event judged as it was, and what would have had to be otherwise?"""

    family: ClassVar[str] = "explanation"
    answer: ClassVar[type[Answer]] = ExplanationAnswer
    roles: ClassVar[frozenset[Role]] = DESKS

    event: Annotated[str, Field(min_length=1, max_length=256)]
    """Its id."""


def steps_of(question: Explanation, steps: Iterable[TrailEvent]) -> list[TrailEvent]:
    """Give the steps of a subject's trail that are the event; several services may use one id."""
    return [step for step in steps if step.event_id == question.event]


_NO_EVENT: Final = "no such `event` stands on the subject's trail at these times"


def explained(
    about: About, steps: Iterable[TrailEvent], definitions: Definitions, packs: Mapping[str, Pack]
) -> ExplanationAnswer:
    """Hold each category's situation against the rules of the pack that judged it.

    Args:
        about: of the answer.
        steps: see `steps_of`.
        definitions: of their situations.
        packs: by label.
    """
    steps = list(steps)
    if not steps:
        # an answer without rows must not read as an event without reasons
        about = about.model_copy(update={"hints": [_NO_EVENT], "meant": {"event": []}})
    judges = {label: Judge(packs[label]) for label in {step.pack for step in steps} & set(packs)}
    rows = [_explained(step, each, definitions, judges) for step in steps for each in step.categories]
    return ExplanationAnswer(
        about=about.judged_by([step.pack for step in steps], [step.registry for step in steps]), rows=rows
    )


def _explained(
    step: TrailEvent, each: TrailCategory, definitions: Definitions, judges: Mapping[str, Judge]
) -> ExplainedCategory:
    said = json.loads(definitions.get((step.pack, each.situation), "") or "{}")
    near: list[NearMiss] | None = None
    if said and step.pack in judges:
        try:
            near = nearly(judges[step.pack], said)
        except KeyError:
            near = None  # defined when situations had other attributes: said to be not known
    copied = ("category", "verdict", "rules", "clauses", "reasons", "gaps", "consent")
    return ExplainedCategory(
        **{name: getattr(each, name) for name in copied},
        event_id=step.event_id,
        service=step.service,
        pack=step.pack,
        known=near is not None,
        nearly=near or [],
        situation=said,
    )
