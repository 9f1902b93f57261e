"""Timelines: what happened when, a lane for each of those who did it, and what held meanwhile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from flowtrack.adapters.pages.pictures.axis import instants, shown_instants
from flowtrack.adapters.pages.pictures.legend import Key, legend, line, of_tones, shape
from flowtrack.adapters.pages.pictures.svg import (
    Cell,
    Picture,
    drawing,
    element,
    escaped,
    hatch_of,
    label,
    linked,
)

WIDTH = 960.0
_LEFT, _RIGHT, _TOP, _BOTTOM, _LANE_PX, _MARK_PX = 230.0, 16.0, 14.0, 30.0, 34.0, 7.0

_SHAPES: Final[Mapping[str, str]] = {
    "collect": "M0 -{r}L{r} {r}L-{r} {r}Z",
    "use": "M-{r} 0A{r} {r} 0 1 0 {r} 0A{r} {r} 0 1 0 -{r} 0Z",
    "share": "M0 -{r}L{r} 0L0 {r}L-{r} 0Z",
    "store": "M-{r} -{r}H{r}V{r}H-{r}Z",
}
_OTHER: Final = "M-{r} -{r}L{r} {r}M{r} -{r}L-{r} {r}"


class Mark(NamedTuple):
    """Something that happened at an instant."""

    at: datetime
    lane: str
    shape: str
    """Kind of the event."""
    tone: str
    text: str
    """What people read: all of it."""
    href: str = ""


class Span(NamedTuple):
    """Something that held from an instant on; until None is until the end of what is shown."""

    since: datetime
    until: datetime | None
    lane: str
    tone: str
    text: str
    href: str = ""


class Line(NamedTuple):
    """An instant that matters, across all lanes."""

    at: datetime
    text: str


class ReadAs(NamedTuple):
    """What people read for what is drawn."""

    tones: Mapping[str, str] = {}
    """Of marks."""
    shapes: Mapping[str, str] = {}
    """Of marks."""
    held: Mapping[str, str] = {}
    """Tones of spans."""


def timeline(
    title: str,
    columns: Sequence[str],
    marks: Sequence[Mark],
    spans: Sequence[Span] = (),
    lines: Sequence[Line] = (),
    *,
    read_as: ReadAs = ReadAs(),  # noqa: B008 - a value that nobody can change
    name: str = "timeline",
) -> Picture:
    """Draw what happened.

    Args:
        title: what it shows.
        columns: headings of the table: when, until when, where, what.
        marks: what happened at one instant.
        spans: what held for a while; their lanes stand on top.
        lines: instants that are drawn through all lanes.
        read_as: what the legend says.
        name: unique on its page.
    """
    first, last = _bounds(marks, spans, lines)
    lanes = list(dict.fromkeys([*(span.lane for span in spans), *sorted({mark.lane for mark in marks})]))
    height = _TOP + _BOTTOM + _LANE_PX * max(len(lanes), 1)
    scale = _Scale(first, last)
    row = {lane: _TOP + _LANE_PX * (i + 0.5) for i, lane in enumerate(lanes)}
    parts = [
        _ticks(scale, height),
        *(_lane(lane, y) for lane, y in row.items()),
        *(_span(span, scale, row[span.lane], last, name) for span in spans),
        *(_line(line, scale, height) for line in lines),
        *(_mark(mark, scale, row[mark.lane], name) for mark in marks),
    ]
    told = f"{title}: {first:%Y-%m-%d %H:%M} – {last:%Y-%m-%d %H:%M} UTC; {', '.join(lanes)}"
    keys = [
        *(Key(shape(_SHAPES.get(kind, _OTHER)), text) for kind, text in read_as.shapes.items() if _there(kind, marks)),
        *of_tones(read_as.tones, (mark.tone for mark in marks)),
        *of_tones(read_as.held, (span.tone for span in spans)),
        *(Key(line("now"), each.text) for each in lines),
    ]
    below = legend(keys, 8, height, WIDTH - 8, name=name)
    svg = drawing(title, told, (WIDTH, height + below.height), *parts, below.svg, name=name)
    table: list[tuple[datetime, Sequence[Cell]]] = [
        (mark.at, [mark.at.isoformat(), "", mark.lane, mark.text]) for mark in marks
    ]
    for span in spans:
        until = "" if span.until is None else span.until.isoformat()
        table.append((span.since, [span.since.isoformat(), until, span.lane, span.text]))
    return Picture(svg, title, columns, [cells for _, cells in sorted(table, key=lambda each: each[0])], name)


def _there(kind: str, marks: Sequence[Mark]) -> bool:
    return any(mark.shape == kind for mark in marks)


class _Scale(NamedTuple):
    """From instants to places."""

    first: datetime
    last: datetime

    def x(self, at: datetime) -> float:
        share = (min(max(at, self.first), self.last) - self.first) / (self.last - self.first)
        return _LEFT + share * (WIDTH - _LEFT - _RIGHT)


def _bounds(marks: Sequence[Mark], spans: Sequence[Span], lines: Sequence[Line]) -> tuple[datetime, datetime]:
    at = [mark.at for mark in marks] or [span.since for span in spans] or [line.at for line in lines]
    if not at:
        return datetime.fromisoformat("2000-01-01T00:00:00+00:00"), datetime.fromisoformat("2000-01-02T00:00:00+00:00")
    first, last = min(at), max(at)
    room = max((last - first) * 0.03, timedelta(seconds=30))
    low, high = datetime.fromisoformat("0001-02-01T00:00:00+00:00"), datetime.fromisoformat("9999-11-01T00:00:00+00:00")
    return max(first, low) - room if first > low + room else low, min(last, high - room) + room


def _ticks(scale: _Scale, height: float) -> str:
    at = instants(scale.first, scale.last)
    drawn = []
    for when, text in zip(at, shown_instants(at), strict=True):
        x = scale.x(when)
        drawn.append(element("path", {"d": f"M{x:.2f} {_TOP:.2f}V{height - _BOTTOM:.2f}", "class": "grid"}))
        inside = min(max(x, _LEFT), WIDTH - 45)
        drawn.append(label(text, inside, height - 10, anchor="middle"))
    return "".join(drawn)


def _lane(lane: str, y: float) -> str:
    rail = element("path", {"d": f"M{_LEFT:.2f} {y:.2f}H{WIDTH - _RIGHT:.2f}", "class": "grid"})
    return rail + label(lane, _LEFT - 12, y + 4, anchor="end", room_px=_LEFT - 16)


def _line(line: Line, scale: _Scale, height: float) -> str:
    x = scale.x(line.at)
    path = element("path", {"d": f"M{x:.2f} {_TOP - 10:.2f}V{height - _BOTTOM:.2f}", "class": "now"})
    return element("g", {}, element("title", {}, escaped(line.text)), path)


def _span(span: Span, scale: _Scale, y: float, last: datetime, name: str) -> str:
    x, end = scale.x(span.since), scale.x(span.until or last)
    at = {"x": x, "y": y - 6, "width": max(end - x, 2.0), "height": 12, "rx": 3}
    tip = element("title", {}, escaped(span.text))
    drawn = [element("rect", {**at, "class": f"tone-{span.tone}"}, tip)]
    over = hatch_of(span.tone, name)
    if over is not None:
        drawn.append(element("rect", {**at, "fill": over, "pointer-events": "none"}))
    return linked(span.href, *drawn, name=span.text)


def _mark(mark: Mark, scale: _Scale, y: float, name: str) -> str:
    path = _SHAPES.get(mark.shape, _OTHER).replace("{r}", f"{_MARK_PX:g}")
    place = {"transform": f"translate({scale.x(mark.at):.2f} {y:.2f})"}
    drawn = [element("path", {"d": path, "class": f"mark tone-{mark.tone}"})]
    over = hatch_of(mark.tone, name)
    if over is not None:
        drawn.append(element("path", {"d": path, "fill": over, "pointer-events": "none"}))
    group = element("g", place, element("title", {}, escaped(mark.text)), *drawn)
    return linked(mark.href, group, name=mark.text)
