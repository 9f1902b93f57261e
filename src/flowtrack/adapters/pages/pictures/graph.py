"""Graphs in layers, from left to right: what led to what."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from flowtrack.adapters.pages.pictures.legend import Key, box, legend, line
from flowtrack.adapters.pages.pictures.svg import (
    Cell,
    Picture,
    drawing,
    element,
    escaped,
    label,
    linked,
)

WIDTH = 960.0
_TOP, _BOTTOM, _SIDE = 12.0, 12.0, 8.0
_NODE_PX, _ROW_PX = 34.0, 56.0
_NODE_WIDTH_MAX = 170.0
_LAYERS_MAX_WIDE = 5  # more make the picture wider than a page; it then scales down
_SWEEPS = 4
_DASHES = "6 5"
_CORNER_PX = 6.0
_CORNERS_PX = {"dataset": 0.0, "party": _NODE_PX / 2}
"""Of some kinds of nodes, so that they are told from the others without colours too."""
_LEGEND_PX = 480.0  # room for one entry beside another below a narrow graph


class Node(NamedTuple):
    """Something that data was at."""

    id: str
    text: str
    css: str = "plain"
    """Class of the stylesheet after `node-`."""
    href: str = ""


class Edge(NamedTuple):
    """Data that went from one node to another."""

    source: str
    target: str
    text: str
    """What people read: categories, counts."""
    tone: str
    inferred: bool = False
    """Nobody said so: it follows from what is known; drawn with dashes."""


class Place(NamedTuple):
    """Where a node stands."""

    layer: int
    x: float
    y: float
    width: float


class Layout(NamedTuple):
    """Where everything stands."""

    places: dict[str, Place]
    width: float
    height: float


def graph(
    title: str,
    columns: Sequence[str],
    nodes: Sequence[Node],
    edges: Sequence[Edge],
    *,
    inferred: str = "",
    tones: Mapping[str, str] | None = None,
    kinds: Mapping[str, str] | None = None,
    name: str = "graph",
) -> Picture:
    """Draw nodes in layers.

    Args:
        title: what it shows.
        columns: headings of the table: from, to, what, verdict, inferred.
        nodes: each id once.
        edges: between ids of nodes; circles may be among them.
        inferred: what people read beside an edge that nobody declared.
        tones: what people read for each tone.
        kinds: what people read for each class of nodes.
        name: unique on its page.
    """
    laid = layout([node.id for node in nodes], [(edge.source, edge.target) for edge in edges])
    said = {node.id: node.text for node in nodes}
    parts = [
        *(_edge(edge, laid, f"{said[edge.source]} → {said[edge.target]}: {edge.text}") for edge in edges),
        *(_node(node, laid.places[node.id]) for node in nodes),
    ]
    words = tones or {}
    rows: list[Sequence[Cell]] = [
        [
            said[edge.source],
            said[edge.target],
            edge.text,
            words.get(edge.tone, edge.tone),
            inferred if edge.inferred else "",
        ]
        for edge in edges
    ]
    told = f"{title}: {len(nodes)} ○, {len(edges)} →"
    used = {edge.tone for edge in edges}
    there = {node.css for node in nodes}
    boxes = [
        Key(box(f"box node-{css}", corner_px=_corner_px(css)), text)
        for css, text in (kinds or {}).items()
        if css in there
    ]
    keys = boxes + [Key(line(f"edge line-{tone}"), text) for tone, text in words.items() if tone in used]
    if inferred and any(edge.inferred for edge in edges):
        keys.append(Key(line("edge", dashes=_DASHES), inferred))
    width = max(laid.width, _LEGEND_PX)
    below = legend(keys, 8, laid.height, width - 8, name=name)
    svg = drawing(title, told, (width, laid.height + below.height), *parts, below.svg, name=name)
    return Picture(svg, title, columns, rows, name)


def layout(nodes: Sequence[str], edges: Sequence[tuple[str, str]]) -> Layout:
    """Lay nodes out: each edge goes from an earlier layer to a later one, but for those that close a circle."""
    forward = _without_circles(nodes, edges)
    layers = _layers(nodes, forward)
    rows = _ordered(nodes, layers, forward)
    count = max(layers.values(), default=0) + 1
    width = WIDTH * max(1.0, count / _LAYERS_MAX_WIDE)
    tallest = max((len(row) for row in rows.values()), default=1)
    height = _TOP + _BOTTOM + _ROW_PX * tallest
    step = (width - 2 * _SIDE) / count
    node_width = min(_NODE_WIDTH_MAX, step * 0.7)
    places = {}
    for layer, row in rows.items():
        top = (height - _ROW_PX * len(row)) / 2
        for i, node in enumerate(row):
            x = _SIDE + step * layer + (step - node_width) / 2
            places[node] = Place(layer, x, top + _ROW_PX * i + (_ROW_PX - _NODE_PX) / 2, node_width)
    return Layout(places, width, height)


def _without_circles(nodes: Sequence[str], edges: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    """What follows each node, without the edges that lead back to where a walk came from."""
    after: dict[str, list[str]] = defaultdict(list)
    for source, target in dict.fromkeys(edges):
        if source != target:
            after[source].append(target)
    kept: dict[str, list[str]] = {node: [] for node in nodes}
    state: dict[str, int] = {}  # 1 on the way, 2 done
    for root in nodes:
        if root in state:
            continue
        state[root] = 1
        stack = [(root, iter(after[root]))]
        while stack:
            node, rest = stack[-1]
            following: str | None = next(rest, None)
            if following is None:
                state[node] = 2
                stack.pop()
            elif state.get(following) != 1:
                kept[node].append(following)
                if following not in state:
                    state[following] = 1
                    stack.append((following, iter(after[following])))
    return kept


def _layers(nodes: Sequence[str], after: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """The longest way to each node, over edges without circles."""
    waiting = dict.fromkeys(nodes, 0)
    for targets in after.values():
        for target in targets:
            waiting[target] += 1
    layer = dict.fromkeys(nodes, 0)
    ready = [node for node in nodes if not waiting[node]]
    while ready:
        node = ready.pop()
        for target in after[node]:
            layer[target] = max(layer[target], layer[node] + 1)
            waiting[target] -= 1
            if not waiting[target]:
                ready.append(target)
    return layer


def _ordered(
    nodes: Sequence[str], layers: Mapping[str, int], after: Mapping[str, Sequence[str]]
) -> dict[int, list[str]]:
    """Nodes of each layer near to those that they hang together with, so that fewer edges cross."""
    rows: dict[int, list[str]] = defaultdict(list)
    for node in nodes:
        rows[layers[node]].append(node)
    near: dict[str, list[str]] = defaultdict(list)
    for node, targets in after.items():
        for target in targets:
            near[node].append(target)
            near[target].append(node)
    for _ in range(_SWEEPS):
        at = {node: i / len(row) for row in rows.values() for i, node in enumerate(row)}
        for row in rows.values():
            row.sort(
                key=lambda node: sum(at[each] for each in near[node]) / len(near[node]) if near[node] else at[node]
            )
            at.update({node: i / len(row) for i, node in enumerate(row)})
    return dict(rows)


def _node(node: Node, place: Place) -> str:
    at = {"x": place.x, "y": place.y, "width": place.width, "height": _NODE_PX, "rx": _corner_px(node.css)}
    parts = [
        element("rect", {**at, "class": f"box node-{node.css}"}, element("title", {}, escaped(node.text))),
        label(
            node.text,
            place.x + place.width / 2,
            place.y + _NODE_PX / 2 + 4,
            anchor="middle",
            room_px=place.width - 10,
        ),
    ]
    return linked(node.href, *parts, name=node.text)


def _corner_px(css: str) -> float:
    return _CORNERS_PX.get(css, _CORNER_PX)


def _edge(edge: Edge, laid: Layout, said: str) -> str:
    source, target = laid.places[edge.source], laid.places[edge.target]
    y, end = source.y + _NODE_PX / 2, target.y + _NODE_PX / 2
    x, to = source.x + source.width, target.x
    if target.layer <= source.layer:  # back, or to itself: below both
        low = max(source.y, target.y) + _NODE_PX + 9
        shape = (
            f"M{source.x + source.width / 2:.2f} {source.y + _NODE_PX:.2f}V{low:.2f}"
            f"H{target.x + target.width / 2 - 8:.2f}V{target.y + _NODE_PX:.2f}"
        )
    else:
        middle = (x + to) / 2
        tip = f"M{to - 7:.2f} {end - 4:.2f}L{to:.2f} {end:.2f}L{to - 7:.2f} {end + 4:.2f}"
        shape = f"M{x:.2f} {y:.2f}C{middle:.2f} {y:.2f} {middle:.2f} {end:.2f} {to:.2f} {end:.2f}{tip}"
    dashes = _DASHES if edge.inferred else None
    drawn = {"d": shape, "class": f"edge line-{edge.tone}", "stroke-dasharray": dashes}
    return element("path", drawn, element("title", {}, escaped(said)))
