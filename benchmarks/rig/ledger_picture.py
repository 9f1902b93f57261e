"""How what questions take grows with the ledger, drawn from the figures of `benchmarks.ledger`: an SVG of its own.

python -m benchmarks.rig.ledger_picture docs/pictures/ledger-growth.svg 1m.json 10m.json 100m.json
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from itertools import cycle
from pathlib import Path
from typing import NamedTuple

MEASURED = "processor time"
_NAME = re.compile(rf"([\d,]+): (.+), {MEASURED}")
_COLOURS = (
    "#0b6e99",
    "#c0392b",
    "#2e7d32",
    "#8e44ad",
    "#b9770e",
    "#34495e",
    "#d81b60",
    "#00897b",
    "#5d4037",
    "#1565c0",
)
_WIDTH, _HEIGHT = 860, 520
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 270, 60, 50
_LABEL_PX = 17
_UNITS = ((1_000.0, "s"), (1.0, "ms"))
_HEAD = f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img"
 font-family="system-ui, sans-serif" font-size="12">
<title>Processor time of each question by rows of the ledger</title>
<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>
<text x="{_LEFT}" y="26" font-size="15">Processor time of a question, by rows of the ledger</text>
<text x="{_LEFT}" y="42" fill="#777">dashed: as the ledger grows</text>"""


def growth_of(documents: Iterable[Mapping[str, object]]) -> dict[str, dict[int, float]]:
    """Milliseconds of each question by rows, from the JSON of one run or several; of two of one size, the later."""
    growth: dict[str, dict[int, float]] = {}
    for document in documents:
        figures = document["figures"]
        for figure in figures if isinstance(figures, list) else []:
            if match := _NAME.fullmatch(figure["name"]):
                values = sorted(figure["values"])
                growth.setdefault(match[2], {})[int(match[1].replace(",", ""))] = values[len(values) // 2]
    return growth


class _Sheet(NamedTuple):
    """Where rows and milliseconds lie, both on logarithmic scales; the ends of the scales as powers of ten."""

    first: float
    last: float
    low: int
    high: int

    def x(self, rows: float) -> float:
        """Pixels from the left."""
        part = (math.log10(rows) - self.first) / ((self.last - self.first) or 1.0)
        return _LEFT + part * (_WIDTH - _LEFT - _RIGHT)

    def y(self, ms: float) -> float:
        """Pixels from the top."""
        part = (math.log10(max(ms, 10.0**self.low)) - self.low) / (self.high - self.low)
        return _HEIGHT - _BOTTOM - part * (_HEIGHT - _TOP - _BOTTOM)


def drawn(growth: Mapping[str, Mapping[int, float]]) -> str:
    """A line for each question; one that rises like the dashed one grows as the ledger does."""
    sizes = sorted({rows for by_rows in growth.values() for rows in by_rows})
    values = [value for by_rows in growth.values() for value in by_rows.values()]
    low, high = math.floor(math.log10(max(1.0, min(values)))), math.ceil(math.log10(max(10.0, *values)))
    sheet = _Sheet(math.log10(sizes[0]), math.log10(sizes[-1]), low, max(high, low + 1))
    return "\n".join([_HEAD, *_scales(sheet, sizes), *_lines(sheet, growth), "</svg>\n"])


def _scales(sheet: _Sheet, sizes: list[int]) -> Iterator[str]:
    right, foot = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    for power in range(sheet.low, sheet.high + 1):
        at = sheet.y(10.0**power)
        yield f'<line x1="{_LEFT}" x2="{right}" y1="{at:.1f}" y2="{at:.1f}" stroke="#ddd"/>'
        yield f'<text x="{_LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{_time(10.0**power)}</text>'
    for rows in sizes:
        yield f'<text x="{sheet.x(rows):.1f}" y="{foot + 20}" text-anchor="middle">{rows:,}</text>'
    reach = min(sheet.high - sheet.low, sheet.last - sheet.first)  # ten times as much for ten times as many
    x, y = sheet.x(10 ** (sheet.first + reach)), sheet.y(10 ** (sheet.low + reach))
    yield f'<line x1="{_LEFT}" y1="{foot}" x2="{x:.1f}" y2="{y:.1f}" stroke="#999" stroke-dasharray="5 5"/>'


def _lines(sheet: _Sheet, growth: Mapping[str, Mapping[int, float]]) -> Iterator[str]:
    label = -math.inf
    ordered = sorted(growth.items(), key=lambda item: -item[1][max(item[1])])
    for (name, by_rows), colour in zip(ordered, cycle(_COLOURS), strict=False):
        points = [(sheet.x(rows), sheet.y(by_rows[rows])) for rows in sorted(by_rows)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
        for x, y in points:
            yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>'
        label = max(label + _LABEL_PX, points[-1][1] + 4)  # under the one before, where they would lie on each other
        told = f"{name}, {_time(by_rows[max(by_rows)])}"
        yield f'<text x="{_WIDTH - _RIGHT + 10}" y="{label:.1f}" fill="{colour}">{told}</text>'


def _time(ms: float) -> str:
    size, unit = next((size, unit) for size, unit in _UNITS if ms >= size or unit == "ms")
    return f"{ms / size:,.3g} {unit}"


def main() -> None:
    """Draw."""
    target, *sources = map(Path, sys.argv[1:])
    growth = growth_of(json.loads(source.read_text(encoding="utf-8")) for source in sources)
    target.write_text(drawn(growth), encoding="utf-8")


if __name__ == "__main__":
    main()
