"""Small pieces that pictures are made of: elements, escaped text, labels that fit, and numbers as people read them."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

TEXT_PX: Final = 12
"""Height of the letters in pictures."""
_NARROW_EM, _WIDE_EM = 0.6, 1.0
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

Cell = str | int | float
Attribute = str | float | None


class Picture(NamedTuple):
    """A drawing, and the same as a table for whoever reads rather than looks."""

    svg: str
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    name: str
    """Unique on its page; by it the picture is asked for as a file."""


def element(name: str, attributes: Mapping[str, Attribute], *children: str) -> str:
    """Write an element; children are markup already, attributes are escaped, those that are None are left out."""
    said = "".join(f' {key}="{escaped(_written(value))}"' for key, value in attributes.items() if value is not None)
    return f"<{name}{said}>{''.join(children)}</{name}>"


def escaped(text: str) -> str:
    """Make a text fit for markup: no element, no attribute's end, no character that XML does not know."""
    return html.escape(_NOT_XML.sub("\ufffd", text))


def label(text: str, x: float, y: float, *, anchor: str = "start", css: str = "t", room_px: float = 0) -> str:
    """Write a text; where it is longer than its room it is cut, and the whole of it is its title.

    Args:
        text: as it came.
        x: where it is anchored.
        y: its base line.
        anchor: `start`, `middle` or `end`.
        css: its class.
        room_px: what it may take; 0 for all it needs.
    """
    shown = fitted(text, room_px) if room_px else text
    tip = element("title", {}, escaped(text)) if shown != text else ""
    at: dict[str, Attribute] = {"x": x, "y": y, "text-anchor": anchor, "class": css}
    return element("text", at, escaped(shown), tip)


def fitted(text: str, room_px: float) -> str:
    """Cut a text to a room; Korean letters take about twice that of Latin ones."""
    if width_px(text) <= room_px:
        return text
    left = room_px - width_px("…")
    kept = ""
    for letter in text:
        left -= width_px(letter)
        if left < 0:
            break
        kept += letter
    return f"{kept.rstrip()}…"


def width_px(text: str) -> float:
    """About how wide a text is drawn."""
    return sum(TEXT_PX * (_WIDE_EM if unicodedata.east_asian_width(each) in "WF" else _NARROW_EM) for each in text)


def linked(href: str, *children: str, name: str = "") -> str:
    """Make a part of a picture a link; without an address it stays as it is."""
    if not href:
        return "".join(children)
    return element("a", {"href": href, "aria-label": name or None}, *children)


def drawing(title: str, told: str, size: tuple[float, float], *parts: str, name: str) -> str:
    """Put a picture together.

    Args:
        title: what it shows.
        told: the same in a sentence, for whoever does not see it.
        size: of its view box.
        parts: in the order in which they are painted.
        name: unique on its page.
    """
    has_links = any("<a " in part for part in parts)
    frame: dict[str, Attribute] = {
        "xmlns": "http://www.w3.org/2000/svg",
        "viewBox": f"0 0 {_written(size[0])} {_written(size[1])}",
        "class": "picture",
        "role": "group" if has_links else "img",  # what has links inside is no image
        "aria-labelledby": f"{name}-title {name}-desc",
    }
    titles = element("title", {"id": f"{name}-title"}, escaped(title))
    described = element("desc", {"id": f"{name}-desc"}, escaped(told))
    return element("svg", frame, titles, described, hatches(name), *parts)


def hatches(name: str) -> str:
    """Patterns, so that what was denied or left open is told from the rest without colours too."""
    stripes = element(
        "pattern",
        {"id": f"{name}-stripes", "width": 6, "height": 6, "patternUnits": "userSpaceOnUse"},
        element("path", {"d": "M0 6L6 0", "class": "hatch"}),
    )
    dots = element(
        "pattern",
        {"id": f"{name}-dots", "width": 6, "height": 6, "patternUnits": "userSpaceOnUse"},
        element("circle", {"cx": 3, "cy": 3, "r": 1.2, "class": "hatch-dot"}),
    )
    lines = element(
        "pattern",
        {"id": f"{name}-lines", "width": 6, "height": 4, "patternUnits": "userSpaceOnUse"},
        element("path", {"d": "M0 2H6", "class": "hatch"}),
    )
    return element("defs", {}, stripes, dots, lines)


_HATCHED: Final = {"deny": "stripes", "indeterminate": "dots", "not_applicable": "lines"}


def hatch_of(tone: str, name: str) -> str | None:
    """Give the paint of the pattern that goes over a tone; None where it has none."""
    return f"url(#{name}-{_HATCHED[tone]})" if tone in _HATCHED else None


def number(value: float) -> str:
    """Write a number with its thousands apart."""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.2f}"


def _written(value: Attribute) -> str:
    return value if isinstance(value, str) else f"{value:.2f}".rstrip("0").rstrip(".")
