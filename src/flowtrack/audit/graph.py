"""The lineage graph: where data came from and went to, between people, services, datasets and parties.

An edge is *named* by an event itself (a service collects from people, puts into a dataset, takes from one, hands to a
party), *declared* by `derived_from` (an event says from which others it stems), or *inferred*: a service used data that
nobody was seen to give it, and only a few could have.  What is declared needs events one by one, so it is in the graph
of a subject; the whole graph is made of sums by day.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from enum import StrEnum
from typing import ClassVar, NamedTuple

from pydantic import AwareDatetime

from flowtrack.audit.family import Answer, PagedQuestion, SubjectQuestion
from flowtrack.audit.roles import DESKS, Role
from flowtrack.domain.model import Contract, Name


class NodeKind(StrEnum):
    """What data comes from or goes to."""

    SUBJECT = "subject"
    """Whose data it is; without a name, everybody."""
    SERVICE = "service"
    DATASET = "dataset"
    PARTY = "party"
    """Without a name: sums do not say which."""


class How(StrEnum):
    """How an edge is known."""

    NAMED = "named"
    """The event itself says where from and where to."""
    DECLARED = "declared"
    """The event says from which others it stems (`derived_from`)."""
    INFERRED = "inferred"
    """Nobody said; it is where the data may have come from."""


class Node(Contract):
    """A place in the graph."""

    kind: NodeKind
    name: str


class Edge(Contract):
    """Flows from one place to another."""

    source_kind: NodeKind
    source: str
    target_kind: NodeKind
    target: str
    how: How
    kinds: list[str]
    """Of the events."""
    categories: list[str]
    flows: int
    """Of an event and a category."""
    permitted: int
    denied: int
    indeterminate: int


class DayEdge(Edge):
    """Flows from one place to another, in sums by day."""

    first: date
    """Day of the first of them, in UTC."""
    last: date


class GraphAnswer(Answer):
    """A page of edges, those with most flows first, and the places that they are between."""

    rows: list[DayEdge]
    nodes: list[Node]


class Graph(PagedQuestion[GraphAnswer]):
    """Where does data come from and go to?"""

    family: ClassVar[str] = "graph"
    answer: ClassVar[type[Answer]] = GraphAnswer

    service: Name | None = None
    recipient: Name | None = None
    dataset: Name | None = None
    category: Name | None = None
    """Only this one, and what hangs under it by name."""
    purpose: Name | None = None
    verdict: Name | None = None


class SubjectEdge(Edge):
    """Flows of one subject's data from one place to another."""

    first: AwareDatetime
    last: AwareDatetime


class SubjectGraphAnswer(Answer):
    """All edges of a subject, the earliest first, and the places that they are between."""

    rows: list[SubjectEdge]
    nodes: list[Node]
    not_found: int
    """Events that others say they stem from, and that are not among the subject's."""


class SubjectGraph(SubjectQuestion[SubjectGraphAnswer]):
    """Where did one subject's data come from and go to?"""

    family: ClassVar[str] = "subject-graph"
    answer: ClassVar[type[Answer]] = SubjectGraphAnswer
    roles: ClassVar[frozenset[Role]] = DESKS

    category: Name | None = None
    """Only this one, and what hangs under it by name."""


Place = tuple[NodeKind, str]
EVERYBODY: Place = (NodeKind.SUBJECT, "")
SOME_PARTY: Place = (NodeKind.PARTY, "")


class Tie(NamedTuple):
    """An edge's ends, and how it is known."""

    source: Place
    target: Place
    how: How


def ties_of(
    kind: str, service: str, recipient: str, dataset: str, sender: Place, services: frozenset[str]
) -> list[Tie]:
    """Give the edges that a flow itself names.

    Args:
        kind: of the event.
        service: whose event it is.
        recipient: empty where it has none.
        dataset: likewise.
        sender: of what is collected.
        services: all that there are: a recipient among them is no party.
    """
    at, held = (NodeKind.SERVICE, service), (NodeKind.DATASET, dataset)
    found = [Tie(sender, at, How.NAMED)] if kind == "collect" else []
    if dataset and kind in {"collect", "store"}:
        found.append(Tie(at, held, How.NAMED))
    if dataset and kind in {"use", "share"}:
        found.append(Tie(held, at, How.NAMED))
    if recipient and kind == "share":
        to = NodeKind.SERVICE if recipient in services else NodeKind.PARTY
        found.append(Tie(at, (to, recipient), How.NAMED))
    return found


def nodes_of(edges: Iterable[Edge]) -> list[Node]:
    """Give the places that edges are between, in order."""
    found = {(edge.source_kind, edge.source) for edge in edges} | {(edge.target_kind, edge.target) for edge in edges}
    return [Node(kind=kind, name=name) for kind, name in sorted(found)]
