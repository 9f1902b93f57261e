"""The first page: what flowed where, and how it was judged, day by day."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta
from typing import Final

from fastapi.responses import Response

from flowtrack.adapters.pages.pictures.bars import VERDICT_ORDER, Bar, Tone, bars
from flowtrack.adapters.pages.pictures.sankey import Flow, sankey
from flowtrack.adapters.pages.pictures.svg import Picture
from flowtrack.adapters.pages.site.visit import Visit
from flowtrack.audit.overview import Overview, OverviewAnswer

_DAYS_MAX: Final = 92
"""So many bars; a longer time is drawn by weeks, months or years."""
_STEPS_DAYS: Final = (1, 7, 30, 365)


async def overview(visit: Visit) -> Response:
    """Show all flows, counted."""
    answer = await visit.ask(visit.question(Overview, "service", "recipient", "category", "purpose"))
    verdicts: dict[str, int] = dict.fromkeys(reversed(VERDICT_ORDER), 0)
    for row in answer.rows:
        verdicts[row.verdict] = verdicts.get(row.verdict, 0) + row.flows
    return visit.show(
        "overview.html",
        answer=answer,
        verdicts=verdicts,
        streams=_streams(visit, answer),
        days=_days(visit, answer),
        of_verdict=lambda code: "violations" if code in {"deny", "indeterminate"} else "",
    )


def _streams(visit: Visit, answer: OverviewAnswer) -> Picture:
    words = visit.words
    tones = {"permit": words("overview.not_denied"), "deny": words.code("verdict", "deny")}
    flows = []
    for each in answer.streams:
        for tone, value in (("permit", each.flows - each.denied), ("deny", each.denied)):
            if value:
                flows.append(Flow((each.service, each.category, each.recipient), value, tone))
    headings = [words(f"head.{name}") for name in ("service", "category", "recipient", "verdict", "flows")]

    def href(column: int, name: str) -> str:
        if column == 1:
            return visit.again(category=name)
        kind = "recipient" if column else "service"
        return visit.to(kind, **{kind: name})

    return sankey(words("overview.streams"), headings, flows, tones=tones, rest=words("site.rest"), href=href)


def _days(visit: Visit, answer: OverviewAnswer) -> Picture:
    """Verdicts by day, or by longer steps where there are many days."""
    words = visit.words
    tones = [Tone(code, words.code("verdict", code)) for code in VERDICT_ORDER]
    first = min((row.day for row in answer.rows), default=None)
    if first is None:
        return bars(words("overview.days"), words("overview.day"), [], tones, total=words("piece.total"))
    span = (max(row.day for row in answer.rows) - first).days + 1
    step = next((each for each in _STEPS_DAYS if span / each <= _DAYS_MAX), _STEPS_DAYS[-1])
    sums: dict[int, list[int]] = defaultdict(lambda: [0] * len(VERDICT_ORDER))
    for row in answer.rows:
        sums[(row.day - first).days // step][VERDICT_ORDER.index(row.verdict)] += row.flows
    data = [_bar(visit, first, step, i, sums[i]) for i in range(-(-span // step))]
    return bars(words("overview.days"), words("overview.day"), data, tones, total=words("piece.total"))


def _bar(visit: Visit, first: date, step: int, i: int, parts: list[int]) -> Bar:
    since = first + timedelta(days=step * i)
    until = since + timedelta(days=step)
    shown = f"{since:%Y-%m-%d}" if step == 1 else f"{since:%Y-%m-%d} +{step}"
    page = "violations" if step == 1 else "overview"
    return Bar(shown, parts, visit.to(page, since=f"{since}T00:00Z", until=f"{until}T00:00Z"))
