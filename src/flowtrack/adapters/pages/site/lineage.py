"""Lineage as a picture: places that data was at, and what went between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from flowtrack.adapters.pages.pictures.graph import Edge, Node, graph
from flowtrack.adapters.pages.pictures.svg import Picture, number
from flowtrack.adapters.pages.site.visit import Visit
from flowtrack.audit.graph import Edge as Flow
from flowtrack.audit.graph import How, NodeKind

EDGES_MAX: Final = 60
"""So many edges are drawn, those with the most flows: more cannot be told apart."""
_PAGES: Final = {NodeKind.SERVICE: "service", NodeKind.PARTY: "recipient"}


def lineage_drawn(visit: Visit, title: str, edges: Sequence[Flow], *, name: str = "graph") -> Picture:
    """Draw edges, the largest; the table beside the picture has all that are given."""
    words = visit.words
    largest = sorted(edges, key=lambda edge: -edge.flows)[:EDGES_MAX]
    kept = [edge for edge in edges if edge in largest]
    ends = [end for edge in kept for end in ((edge.source_kind, edge.source), (edge.target_kind, edge.target))]
    nodes = [Node(_id(kind, at), _text(visit, kind, at), kind.value, _href(visit, kind, at)) for kind, at in {*ends}]
    tones = {code: words.code("verdict", code) for code in ("permit", "indeterminate", "deny")}
    columns = [words(f"lineage.{each}") for each in ("from", "to", "what", "verdict", "how")]
    drawn = graph(
        title,
        columns,
        sorted(nodes),
        [_edge(edge) for edge in kept],
        inferred=words("lineage.inferred"),
        tones=tones,
        kinds={kind.value: words(f"lineage.kind_{kind.value}") for kind in NodeKind},
        name=name,
    )
    rows = [
        [
            _text(visit, edge.source_kind, edge.source),
            _text(visit, edge.target_kind, edge.target),
            _said(edge),
            tones[_tone(edge)],
            words(f"lineage.{edge.how.value}"),
        ]
        for edge in edges
    ]
    return drawn._replace(rows=rows)


def _edge(edge: Flow) -> Edge:
    source, target = _id(edge.source_kind, edge.source), _id(edge.target_kind, edge.target)
    return Edge(source, target, _said(edge), _tone(edge), inferred=edge.how is How.INFERRED)


def _said(edge: Flow) -> str:
    return f"{', '.join(edge.categories)} ({number(edge.flows)})"


def _tone(edge: Flow) -> str:
    """The worst of its flows."""
    if edge.denied:
        return "deny"
    return "indeterminate" if edge.indeterminate else "permit"


def _id(kind: NodeKind, name: str) -> str:
    return f"{kind.value} {name}"


def _text(visit: Visit, kind: NodeKind, name: str) -> str:
    if kind is NodeKind.SUBJECT:
        return visit.words("lineage.subject" if name else "lineage.everybody")
    return name or visit.words("lineage.some_party")


def _href(visit: Visit, kind: NodeKind, name: str) -> str:
    return visit.to(_PAGES[kind], **{_PAGES[kind]: name}) if kind in _PAGES and name else ""
