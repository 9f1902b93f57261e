"""Sankey diagrams with fixed columns: how much flows from one thing by way of another to a third."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from flowtrack.adapters.pages.pictures.legend import legend, of_tones
from flowtrack.adapters.pages.pictures.svg import (
    Attribute,
    Cell,
    Picture,
    drawing,
    element,
    escaped,
    fitted,
    hatch_of,
    label,
    linked,
    number,
    width_px,
)

WIDTH = 1180.0
_TOP, _BOTTOM, _NODE_PX, _GAP_PX = 30.0, 10.0, 14.0, 18.0
_ROW_PX = 40.0
_LABEL_PX = 276.0
_EDGE_PX = 290.0
"""Beside the first and the last column, for their names."""

Href = Callable[[int, str], str]


def _nowhere(_column: int, _name: str) -> str:
    return ""


class Flow(NamedTuple):
    """So much that goes one way: a name for each column."""

    path: tuple[str, ...]
    value: float
    tone: str
    """Class of the stylesheet after `tone-`: a verdict."""


class Node(NamedTuple):
    """A name in a column, as it is drawn."""

    column: int
    name: str
    value: float
    x: float
    y: float
    height: float
    is_rest: bool


class Band(NamedTuple):
    """What flows between two nodes with one tone."""

    source: int
    target: int
    """Both are places in the list of nodes."""
    value: float
    tone: str
    source_y: float
    target_y: float
    height: float


class Layout(NamedTuple):
    """Where everything stands."""

    nodes: list[Node]
    bands: list[Band]
    height: float


def sankey(
    title: str,
    headings: Sequence[str],
    flows: Sequence[Flow],
    *,
    tones: Mapping[str, str],
    rest: str = "…",
    href: Href = _nowhere,
    nodes_max: int = 12,
    name: str = "sankey",
) -> Picture:
    """Draw flows.

    Args:
        title: what it shows.
        headings: of the columns, as many as each path has names; then, for the table, of the tones and the numbers.
        flows: each path once for each tone.
        tones: what people read for each tone, in the order in which bands lie on each other.
        rest: what people read where a column has more names than are drawn; `{count}` says how many.
        href: gives the address behind a name; empty where there is none.
        nodes_max: so many names of a column are drawn, those with the most; the others together.
        name: unique on its page.
    """
    columns = headings[:-2]
    laid = layout(flows, len(columns), list(tones), rest=rest, nodes_max=nodes_max)
    parts = [
        *(_heading(text, i, len(columns)) for i, text in enumerate(columns)),
        *(_band(each, laid, tones, name) for each in laid.bands),
        *(_node(each, len(columns), href) for each in laid.nodes),
    ]
    total: dict[str, float] = defaultdict(float)
    for flow in flows:
        total[flow.tone] += flow.value
    told = f"{' → '.join(columns)}; {', '.join(f'{tones[t]} {number(total[t])}' for t in tones if total[t])}"
    rows: list[Sequence[Cell]] = [
        [*flow.path, tones[flow.tone], flow.value] for flow in sorted(flows, key=lambda each: (-each.value, each.path))
    ]
    keys = of_tones(tones, (flow.tone for flow in flows), css="band")
    below = legend(keys, 8, laid.height, WIDTH - 8, name=name)
    svg = drawing(title, told, (WIDTH, laid.height + below.height), *parts, below.svg, name=name)
    return Picture(svg, title, headings, rows, name)


def layout(
    flows: Sequence[Flow], columns: int, tones: Sequence[str], *, rest: str = "…", nodes_max: int = 12
) -> Layout:
    """Lay flows out: each node is as high as what flows through it, and so are its bands together on either side."""
    places = [_places(flows, column, nodes_max, rest) for column in range(columns)]
    tallest = max((len({*each.values()}) for each in places), default=0)
    total = sum(flow.value for flow in flows)
    height = _TOP + _BOTTOM + max(tallest * (_ROW_PX + _GAP_PX), _ROW_PX)
    px = (height - _TOP - _BOTTOM - max(tallest - 1, 0) * _GAP_PX) / total if total > 0 else 0.0
    nodes: list[Node] = []
    at: dict[tuple[int, str], int] = {}
    for column, kept in enumerate(places):
        values: dict[str, float] = defaultdict(float)
        for flow in flows:
            values[kept[flow.path[column]]] += flow.value
        names = {each.path[column] for each in flows if kept[each.path[column]] == each.path[column]}
        y = _TOP
        for shown in sorted(values, key=lambda each: (each not in names, -values[each], each)):
            at[column, shown] = len(nodes)
            tall = values[shown] * px
            nodes.append(Node(column, shown, values[shown], _x(column, columns), y, tall, shown not in names))
            y += tall + _GAP_PX
    return Layout(nodes, _bands(flows, places, at, nodes, tones, px), height)


def _places(flows: Sequence[Flow], column: int, nodes_max: int, rest: str) -> dict[str, str]:
    """Under which name each name of a column is drawn."""
    values: dict[str, float] = defaultdict(float)
    for flow in flows:
        values[flow.path[column]] += flow.value
    order = sorted(values, key=lambda each: (-values[each], each))
    if len(order) <= nodes_max:
        return {each: each for each in order}
    kept, others = order[: nodes_max - 1], order[nodes_max - 1 :]
    together = rest.replace("{count}", str(len(others)))
    while together in kept:  # a service may be called so too
        together += " "
    return {**{each: each for each in kept}, **dict.fromkeys(others, together)}


def _bands(
    flows: Sequence[Flow],
    places: Sequence[Mapping[str, str]],
    at: Mapping[tuple[int, str], int],
    nodes: Sequence[Node],
    tones: Sequence[str],
    px: float,
) -> list[Band]:
    found = []
    for column in range(len(places) - 1):
        values: dict[tuple[int, int, str], float] = defaultdict(float)
        for flow in flows:
            source = at[column, places[column][flow.path[column]]]
            target = at[column + 1, places[column + 1][flow.path[column + 1]]]
            values[source, target, flow.tone] += flow.value
        right = {i: node.y for i, node in enumerate(nodes)}
        left = dict(right)
        targets: dict[tuple[int, int, str], float] = {}
        for key in sorted(values, key=lambda k: (k[1], k[0], tones.index(k[2]))):
            targets[key] = left[key[1]]
            left[key[1]] += values[key] * px
        for key in sorted(values, key=lambda k: (k[0], k[1], tones.index(k[2]))):
            height = values[key] * px
            found.append(Band(key[0], key[1], values[key], key[2], right[key[0]], targets[key], height))
            right[key[0]] += height
    return found


def _x(column: int, columns: int) -> float:
    room = WIDTH - 2 * _EDGE_PX - _NODE_PX
    return _EDGE_PX + (room * column / (columns - 1) if columns > 1 else 0)


def _heading(text: str, column: int, columns: int) -> str:
    anchor, x = _anchor(column, columns)
    return label(text, x, 16, anchor=anchor, css="t strong", room_px=_room(column, columns))


def _anchor(column: int, columns: int) -> tuple[str, float]:
    x = _x(column, columns)
    if column == 0:
        return "end", x - 6
    return "start", x + _NODE_PX + 6


def _room(column: int, columns: int) -> float:
    return _LABEL_PX if 0 < column < columns - 1 else _EDGE_PX - 12


def _node(node: Node, columns: int, href: Href) -> str:
    anchor, x = _anchor(node.column, columns)
    at: dict[str, Attribute] = {"x": node.x, "y": node.y, "width": _NODE_PX, "height": node.height, "class": "node"}
    room = _room(node.column, columns)
    said = f"{node.name}: {number(node.value)}"
    count = f": {number(node.value)}"
    shown = fitted(node.name, room - width_px(count)) + count
    parts = [
        element("rect", at, element("title", {}, escaped(said))),
        label(shown, x, node.y + node.height / 2 + 4, anchor=anchor),
    ]
    return linked("" if node.is_rest else href(node.column, node.name), *parts, name=said)


def _band(band: Band, laid: Layout, tones: Mapping[str, str], name: str) -> str:
    source, target = laid.nodes[band.source], laid.nodes[band.target]
    x, to = source.x + _NODE_PX, target.x
    middle = (x + to) / 2
    y, end, tall = band.source_y, band.target_y, band.height
    shape = (
        f"M{x:.2f} {y:.2f}C{middle:.2f} {y:.2f} {middle:.2f} {end:.2f} {to:.2f} {end:.2f}"
        f"V{end + tall:.2f}C{middle:.2f} {end + tall:.2f} {middle:.2f} {y + tall:.2f} {x:.2f} {y + tall:.2f}Z"
    )
    said = f"{source.name} → {target.name}: {tones[band.tone]} {number(band.value)}"
    drawn = element("path", {"d": shape, "class": f"band tone-{band.tone}"}, element("title", {}, escaped(said)))
    over = hatch_of(band.tone, name)
    return drawn if over is None else drawn + element("path", {"d": shape, "fill": over, "pointer-events": "none"})
