"""The page of one subject: what happened to its data, when, and what the subject had said by then."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final, NamedTuple

from fastapi.responses import RedirectResponse, Response

from flowtrack.adapters.pages.pictures.bars import VERDICT_ORDER
from flowtrack.adapters.pages.pictures.svg import Picture
from flowtrack.adapters.pages.pictures.timeline import Line, Mark, ReadAs, Span, timeline
from flowtrack.adapters.pages.reports.cells import said_of
from flowtrack.adapters.pages.site.lineage import lineage_drawn
from flowtrack.adapters.pages.site.visit import Visit
from flowtrack.audit.graph import SubjectGraph
from flowtrack.audit.trail import Trail, TrailAnswer, TrailConsent, TrailEvent
from flowtrack.domain.instants import from_us, instant_us
from flowtrack.domain.names import Kind

DRAWN_MAX: Final = 400
"""So many steps are drawn and listed, the newest; the page says how many are not, and the export has all."""
STEPS: Final = 1_000
"""Of a slider from its first to its last instant; the last step is now."""
_HOLDS: Final = frozenset({"given", "renewed", "accepted", "open", "using"})
_SEE_OTHER: Final = 303


class Slider(NamedTuple):
    """A slider over one of the two times."""

    name: str
    value: int


class Bounds(NamedTuple):
    """From where to where sliders go."""

    first: datetime
    last: datetime

    def at(self, step: int) -> datetime:
        """Give the instant of a step, to the second above."""
        us = instant_us(self.first + (self.last - self.first) * (step / STEPS))
        return from_us(-(-us // 1_000_000) * 1_000_000)

    def step(self, at: datetime | None) -> int:
        """Give the step of an instant; None is now."""
        if at is None or at >= self.last:
            return STEPS
        return max(0, min(STEPS - 1, int((at - self.first) / (self.last - self.first) * STEPS)))


async def subject(visit: Visit) -> Response:
    """Show a subject's trail."""
    if "subject" not in visit.said:
        return visit.show("subject.html", answer=None)
    if {"as_of_step", "known_at_step"} & set(visit.said):
        return RedirectResponse(_slid(visit), _SEE_OTHER)
    answer = await visit.ask(visit.question(Trail, "subject", "category", "service", "kind"))
    lineage = await visit.ask(visit.question(SubjectGraph, "subject", "category"))
    steps = answer.rows[-DRAWN_MAX:]
    bounds = _bounds(visit, answer)
    sliders = (
        [] if bounds is None else [Slider(name, bounds.step(visit.instant(name))) for name in ("as_of", "known_at")]
    )
    return visit.show(
        "subject.html",
        answer=answer,
        subject=visit.said["subject"].strip(),
        steps=steps,
        not_drawn=len(answer.rows) - len(steps),
        drawn=drawn(visit, steps, answer.consents),
        lineage=lineage,
        graph=lineage_drawn(visit, visit.words("subject.graph"), lineage.rows),
        bounds=bounds,
        sliders=sliders,
        steps_max=STEPS,
        scope_said=lambda scope: said_of(scope, visit.words, partial(visit.words.code, "kind")),
    )


def _slid(visit: Visit) -> str:
    """The address of the view at the instants that the sliders stand at."""
    bounds = _said_bounds(visit)
    state: dict[str, object] = {"as_of_step": "", "known_at_step": ""}
    for name in ("as_of", "known_at"):
        step = visit.whole_number(f"{name}_step", STEPS, most=STEPS)
        state[name] = None if step == STEPS or bounds is None else bounds.at(step)
    return visit.again(**state)


def _said_bounds(visit: Visit) -> Bounds | None:
    first, last = visit.instant("first"), visit.instant("last")
    return None if first is None or last is None or first >= last else Bounds(first, last)


def _bounds(visit: Visit, answer: TrailAnswer) -> Bounds | None:
    """Those that the address says, so that a slider stays as long as it was; else those of what there is."""
    said = _said_bounds(visit)
    if said is not None:
        return said
    at = [each for row in answer.rows for each in (row.happened_at, row.recorded_at)]
    at += [each for row in answer.consents for each in (row.valid_from, row.recorded_at)]
    return None if not at else Bounds(min(at), max(*at, min(at) + timedelta(seconds=1)))


def drawn(visit: Visit, steps: Sequence[TrailEvent], consents: Sequence[TrailConsent]) -> Picture:
    """Draw steps and consents as a timeline."""
    words = visit.words
    lines = [Line(at, words(f"field.{name}")) for name in ("as_of", "known_at") if (at := visit.instant(name))]
    return timeline(
        words("subject.timeline"),
        [words(f"subject.{name}") for name in ("when", "until", "where", "what")],
        [_mark(visit, step) for step in steps],
        _spans(visit, consents, steps[0].happened_at if steps else None),
        lines,
        read_as=ReadAs(
            tones={code: words.code("verdict", code) for code in VERDICT_ORDER},
            shapes={kind.value: words.code("kind", kind) for kind in Kind},
            held={"permit": words("subject.holds"), "not_applicable": words("subject.holds_not")},
        ),
    )


def _mark(visit: Visit, step: TrailEvent) -> Mark:
    words = visit.words
    categories = ", ".join(each.category for each in step.categories)
    to = f" → {step.recipient}" if step.recipient else ""
    text = f"{words.code('kind', step.kind)}{to}: {categories} ({words.code('verdict', step.verdict)})"
    tone = step.verdict if step.verdict != "not_applicable" else "not_applicable"
    return Mark(step.happened_at, step.service, step.kind, tone, text, f"#step-{step.partition}-{step.offset}")


def _spans(visit: Visit, consents: Sequence[TrailConsent], since: datetime | None) -> list[Span]:
    """States of each record, each until the next one of it; what began before the trail is drawn from there on."""
    words = visit.words
    records: dict[str, list[TrailConsent]] = defaultdict(list)
    for each in consents:
        records[each.record].append(each)
    spans = []
    kinds = Counter(states[0].kind for states in records.values())
    for record, states in records.items():
        kind = words.code("record_kind", states[0].kind)
        line = kind if kinds[states[0].kind] == 1 else f"{kind}: {record}"  # one hides another on the same line
        for now, after in zip(states, [*states[1:], None], strict=True):
            ends = [at for at in (now.expires, after.valid_from if after else None) if at is not None]
            until = min(ends, default=None)
            begins = now.valid_from if since is None else max(now.valid_from, since)
            if until is not None and until <= begins:
                continue
            tone = "permit" if now.state in _HOLDS else "not_applicable"
            text = f"{kind}: {words.code('record_state', now.state)} ({now.record})"
            spans.append(Span(begins, until, line, tone, text))
    return spans
