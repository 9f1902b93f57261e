"""Legends: what tones, patterns, shapes and lines of a picture mean, below it, in as many rows as it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

from flowtrack.adapters.pages.pictures.svg import Attribute, element, fitted, hatch_of, label, width_px

_ROW_PX: Final = 22.0
_SWATCH_PX, _TALL_PX, _GAP_PX = 18.0, 12.0, 24.0
_MARK_PX: Final = 6.0

Draw = Callable[[float, float, str], str]
"""Draws a sample: its left edge, its middle, and the picture's name."""


class Key(NamedTuple):
    """One entry: a sample, and what people read for it."""

    draw: Draw
    text: str


class Legend(NamedTuple):
    """All entries, as drawn, and how high they are."""

    svg: str
    height: float


def legend(keys: Iterable[Key], x: float, y: float, width: float, *, name: str) -> Legend:
    """Draw entries side by side, and below each other where they have no room.

    Args:
        keys: in the order in which they are read.
        x: where rows begin.
        y: above them.
        width: up to where they go.
        name: of the picture.
    """
    drawn, at, row = [], x, 0
    for key in keys:
        text = fitted(key.text, width - x - _SWATCH_PX - 12)
        takes = _SWATCH_PX + 6 + width_px(text)
        if at > x and at + takes > width:
            at, row = x, row + 1
        middle = y + _ROW_PX * (row + 0.5)
        drawn.append(key.draw(at, middle, name) + label(text, at + _SWATCH_PX + 6, middle + 4))
        at += takes + _GAP_PX
    return Legend(element("g", {"class": "legend"}, *drawn), _ROW_PX * (row + 1) + 4 if drawn else 0.0)


def area(tone: str, *, css: str = "") -> Draw:
    """A sample of an area: its tone, and the pattern over it."""

    def draw(x: float, middle: float, name: str) -> str:
        at: dict[str, Attribute] = {"x": x, "y": middle - _TALL_PX / 2, "width": _SWATCH_PX, "height": _TALL_PX}
        over = hatch_of(tone, name)
        below = element("rect", {**at, "class": f"{css} tone-{tone}".strip()})
        return below if over is None else below + element("rect", {**at, "fill": over})

    return draw


def shape(path: str) -> Draw:
    """A sample of a mark.

    Args:
        path: around the middle, with `{r}` for its half.
    """

    def draw(x: float, middle: float, _name: str) -> str:
        place = f"translate({x + _SWATCH_PX / 2:.2f} {middle:.2f})"
        return element("path", {"d": path.replace("{r}", f"{_MARK_PX:g}"), "class": "mark outline", "transform": place})

    return draw


def box(css: str, *, corner_px: float) -> Draw:
    """A sample of a place: its border, and how round its corners are."""

    def draw(x: float, middle: float, _name: str) -> str:
        at: dict[str, Attribute] = {"x": x, "y": middle - _TALL_PX / 2, "width": _SWATCH_PX, "height": _TALL_PX}
        return element("rect", {**at, "rx": min(corner_px, _TALL_PX / 2), "class": css})

    return draw


def line(css: str, *, dashes: str | None = None) -> Draw:
    """A sample of a line."""

    def draw(x: float, middle: float, _name: str) -> str:
        return element("path", {"d": f"M{x:.2f} {middle:.2f}h{_SWATCH_PX:g}", "class": css, "stroke-dasharray": dashes})

    return draw


def of_tones(tones: Mapping[str, str], used: Iterable[str], *, css: str = "") -> list[Key]:
    """Give an entry for each tone that a picture uses."""
    there = set(used)
    return [Key(area(tone, css=css), text) for tone, text in tones.items() if tone in there]
