"""The whole lineage graph out of sums by day."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from typing import Final, NamedTuple

from flowtrack.audit.cursors import Key
from flowtrack.audit.graph import EVERYBODY, SOME_PARTY, DayEdge, How, NodeKind, Tie, ties_of

SOURCES_MAX: Final = 3
"""An origin is inferred where at most so many services can be it."""


class Group(NamedTuple):
    """Flows that are alike."""

    kind: str
    service: str
    recipient: str
    dataset: str
    category: str
    received: bool
    """Whether it was collected from a party."""
    flows: int
    permitted: int
    denied: int
    indeterminate: int
    first: date
    last: date


class Source(NamedTuple):
    """Data of a category came to a service, by collecting it or by being handed it, from a day on."""

    kind: str
    service: str
    recipient: str
    category: str
    first: date


def edges_of(groups: Iterable[Group], sources: Iterable[Source], services: frozenset[str]) -> list[DayEdge]:
    """Give the edges of some flows.

    Args:
        groups: what the question asks for.
        sources: all until then, whatever the question narrows the flows to.
        services: likewise.
    """
    origins = _Origins(sources)
    tied: dict[Tie, list[Group]] = defaultdict(list)
    for group in groups:
        sender = SOME_PARTY if group.received else EVERYBODY
        named = ties_of(group.kind, group.service, group.recipient, group.dataset, sender, services)
        for tie in (*named, *origins.of(group)):
            tied[tie].append(group)
    return [_edge(tie, found) for tie, found in tied.items()]


def by_flows(edge: DayEdge) -> Key:
    """What edges are ordered by: those with most flows first."""
    return [-edge.flows, edge.source_kind.value, edge.source, edge.target_kind.value, edge.target, edge.how.value]


class _Origins:
    """Where a service may have data from that nobody was seen to give it."""

    def __init__(self, sources: Iterable[Source]) -> None:
        self._came: dict[tuple[str, str], date] = {}
        self._collected: dict[str, dict[str, date]] = defaultdict(dict)
        for source in sources:
            key = (source.service if source.kind == "collect" else source.recipient, source.category)
            self._came[key] = min(self._came.get(key, date.max), source.first)
            if source.kind == "collect":
                by_service = self._collected[source.category]
                by_service[source.service] = min(by_service.get(source.service, date.max), source.first)

    def of(self, group: Group) -> list[Tie]:
        """Give the edges that are inferred from a flow whose origin nobody named."""
        if group.kind not in {"use", "share", "store"} or (group.dataset and group.kind != "store"):
            return []
        if self._came.get((group.service, group.category), date.max) <= group.last:
            return []
        could = sorted(service for service, first in self._collected[group.category].items() if first <= group.last)
        at = (NodeKind.SERVICE, group.service)
        few = could if len(could) <= SOURCES_MAX else []
        return [Tie((NodeKind.SERVICE, service), at, How.INFERRED) for service in few]


def _edge(tie: Tie, groups: list[Group]) -> DayEdge:
    return DayEdge(
        source_kind=tie.source[0],
        source=tie.source[1],
        target_kind=tie.target[0],
        target=tie.target[1],
        how=tie.how,
        kinds=sorted({group.kind for group in groups}),
        categories=sorted({group.category for group in groups}),
        flows=sum(group.flows for group in groups),
        permitted=sum(group.permitted for group in groups),
        denied=sum(group.denied for group in groups),
        indeterminate=sum(group.indeterminate for group in groups),
        first=min(group.first for group in groups),
        last=max(group.last for group in groups),
    )
