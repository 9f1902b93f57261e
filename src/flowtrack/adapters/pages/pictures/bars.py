"""Bars over time, stacked by verdict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from flowtrack.adapters.pages.pictures.axis import round_steps
from flowtrack.adapters.pages.pictures.svg import (
    Cell,
    Picture,
    drawing,
    element,
    escaped,
    hatch_of,
    label,
    linked,
    number,
    width_px,
)

WIDTH, HEIGHT = 960.0, 260.0
_LEFT, _TOP, _BOTTOM, _RIGHT = 70.0, 34.0, 28.0, 10.0
_GAP = 0.2  # of a bar's place stays free
_LABEL_ROOM_PX = 84.0
_CORNER_PX = 16.0


class Bar(NamedTuple):
    """One stack: a day, or whatever stands side by side."""

    name: str
    parts: Sequence[float]
    """As many as there are tones, from the bottom up."""
    href: str = ""


class Tone(NamedTuple):
    """One layer of all stacks."""

    css: str
    """What it looks like: a verdict, or any class of the stylesheet that begins with `tone-`."""
    name: str
    """What people read."""


class Block(NamedTuple):
    """A part of a bar as it is drawn."""

    bar: int
    tone: int
    x: float
    y: float
    width: float
    height: float


def bars(
    title: str, over: str, data: Sequence[Bar], tones: Sequence[Tone], *, name: str = "bars", total: str = "Σ"
) -> Picture:
    """Draw stacks side by side.

    Args:
        title: what is counted.
        over: what stands below: the first column of the table.
        data: from left to right.
        tones: the layers, from the bottom up.
        name: unique on its page.
        total: heading of the sums.
    """
    steps = round_steps(max((sum(bar.parts) for bar in data), default=0))
    parts = [_grid(steps), *_stacks(data, tones, blocks(data, steps[-1]), name), _names(data), _legend(tones, name)]
    table: list[Sequence[Cell]] = [[bar.name, *bar.parts, sum(bar.parts)] for bar in data]
    sums = [f"{tone.name} {number(sum(bar.parts[i] for bar in data))}" for i, tone in enumerate(tones)]
    told = f"{over}: {data[0].name} – {data[-1].name}; {', '.join(sums)}" if data else title
    svg = drawing(title, told, (WIDTH, HEIGHT), *parts, name=name)
    return Picture(svg, title, [over, *(tone.name for tone in tones), total], table, name)


def blocks(data: Sequence[Bar], highest: float) -> list[Block]:
    """Lay the parts out; their heights add up to the bar's, in the measure of the axis."""
    place = (WIDTH - _LEFT - _RIGHT) / max(len(data), 1)
    found = []
    for i, bar in enumerate(data):
        y = HEIGHT - _BOTTOM
        for tone, value in enumerate(bar.parts):
            height = value * _room() / highest
            y -= height
            found.append(Block(i, tone, _LEFT + place * (i + _GAP / 2), y, place * (1 - _GAP), height))
    return found


def _room() -> float:
    return HEIGHT - _TOP - _BOTTOM


def _stacks(data: Sequence[Bar], tones: Sequence[Tone], laid: Sequence[Block], name: str) -> list[str]:
    drawn = []
    for i, bar in enumerate(data):
        rects = []
        for block in (each for each in laid if each.bar == i and each.height > 0):
            at = {"x": block.x, "y": block.y, "width": block.width, "height": block.height}
            rects.append(element("rect", {**at, "class": f"tone-{tones[block.tone].css}"}))
            over = hatch_of(tones[block.tone].css, name)
            if over is not None:
                rects.append(element("rect", {**at, "fill": over}))
        values = [f"{tone.name} {number(bar.parts[j])}" for j, tone in enumerate(tones)]
        said = f"{bar.name}: {', '.join(values)}"
        tip = element("title", {}, escaped(said))
        drawn.append(linked(bar.href if rects else "", element("g", {}, tip, *rects), name=said))
    return drawn


def _grid(steps: Sequence[float]) -> str:
    lines = []
    for step in steps:
        y = HEIGHT - _BOTTOM - step * _room() / steps[-1]
        lines.append(element("path", {"d": f"M{_LEFT:.2f} {y:.2f}H{WIDTH - _RIGHT:.2f}", "class": "grid"}))
        lines.append(label(number(step), _LEFT - 6, y + 4, anchor="end"))
    return "".join(lines)


def _names(data: Sequence[Bar]) -> str:
    """Names below, as many as have room."""
    if not data:
        return ""
    place = (WIDTH - _LEFT - _RIGHT) / len(data)
    room = min(max(width_px(bar.name) for bar in data) + 12, _LABEL_ROOM_PX)
    every = max(1, -int(-room // place))
    shown = []
    for i in range(0, len(data), every):
        middle = _LEFT + place * (i + 0.5)
        middle = min(max(middle, room / 2), WIDTH - room / 2)
        shown.append(label(data[i].name, middle, HEIGHT - 8, anchor="middle", room_px=room))
    return "".join(shown)


def _legend(tones: Sequence[Tone], name: str) -> str:
    drawn, x = [], _LEFT
    for tone in tones:
        at: dict[str, str | float | None] = {"x": x, "y": 6, "width": _CORNER_PX, "height": 12}
        drawn.append(element("rect", {**at, "class": f"tone-{tone.css}"}))
        over = hatch_of(tone.css, name)
        if over is not None:
            drawn.append(element("rect", {**at, "fill": over}))
        drawn.append(label(tone.name, x + _CORNER_PX + 5, 16))
        x += _CORNER_PX + 22 + width_px(tone.name)
    return "".join(drawn)


VERDICT_ORDER: Final = ("permit", "not_applicable", "indeterminate", "deny")
"""From the bottom up: what needs eyes stands on top."""
