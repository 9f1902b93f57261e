"""The lineage graph of one subject, out of that subject's flows one by one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import NamedTuple

from flowtrack.audit.graph import How, NodeKind, SubjectEdge, Tie, ties_of
from flowtrack.domain.instants import from_us


class Flow(NamedTuple):
    """One category of one event of the subject."""

    at_us: int
    event_id: str
    kind: str
    service: str
    recipient: str
    dataset: str
    category: str
    verdict: str
    sender: str
    """The party that what is collected came from; empty where the subject gave it."""
    derived_from: tuple[str, ...]
    """Ids of events that it stems from."""


class SubjectEdges(NamedTuple):
    """The edges of a subject, and how many events nobody has that others say they stem from."""

    edges: list[SubjectEdge]
    not_found: int


def subject_edges(subject: str, flows: Iterable[Flow], asked: Callable[[Flow], bool]) -> SubjectEdges:
    """Give the edges of the flows that are asked for.

    Args:
        subject: its pseudonym, which names its node.
        flows: all of the subject's that stand, whatever the question narrows them to.
        asked: whether a flow is asked for.
    """
    ordered = sorted(flows)
    services = frozenset(flow.service for flow in ordered)
    by_id: dict[str, list[Flow]] = defaultdict(list)
    for flow in ordered:
        by_id[flow.event_id].append(flow)
    tied: dict[Tie, list[Flow]] = defaultdict(list)
    missing: set[str] = set()
    seen = _Seen()
    for flow in ordered:
        if asked(flow):
            sender = (NodeKind.PARTY, flow.sender) if flow.sender else (NodeKind.SUBJECT, subject)
            found = ties_of(flow.kind, flow.service, flow.recipient, flow.dataset, sender, services)
            missing |= {event for event in flow.derived_from if event not in by_id}
            for tie in (*found, *(_declared(flow, by_id) or seen.inferred(flow))):
                tied[tie].append(flow)
        seen.note(flow)
    edges = [_edge(tie, found) for tie, found in tied.items()]
    edges.sort(key=lambda edge: (edge.first, edge.source_kind, edge.source, edge.target_kind, edge.target, edge.how))
    return SubjectEdges(edges, len(missing))


def _declared(flow: Flow, by_id: dict[str, list[Flow]]) -> list[Tie]:
    """The services of the events that it says it stems from; its own are no edge."""
    at = (NodeKind.SERVICE, flow.service)
    sources = sorted({source.service for event in flow.derived_from for source in by_id.get(event, [])})
    return [Tie((NodeKind.SERVICE, name), at, How.DECLARED) for name in sources if name != flow.service]


class _Seen:
    """What came where so far, flow by flow in the order of time."""

    def __init__(self) -> None:
        self._came: set[tuple[str, str]] = set()
        self._holders: dict[str, dict[str, None]] = defaultdict(dict)

    def inferred(self, flow: Flow) -> list[Tie]:
        """The service that had the category last, where nobody was seen to give it to this one."""
        named = flow.kind not in {"use", "share", "store"} or (flow.dataset and flow.kind != "store")
        if named or flow.derived_from or (flow.service, flow.category) in self._came:
            return []
        at = (NodeKind.SERVICE, flow.service)
        for holder in reversed(self._holders[flow.category]):
            if holder != flow.service:
                return [Tie((NodeKind.SERVICE, holder), at, How.INFERRED)]
        return []

    def note(self, flow: Flow) -> None:
        """Remember who has the category now."""
        if flow.kind == "collect":
            self._came.add((flow.service, flow.category))
        if flow.recipient:
            self._came.add((flow.recipient, flow.category))
        if flow.kind in {"collect", "store"}:
            holders = self._holders[flow.category]
            holders.pop(flow.service, None)
            holders[flow.service] = None


def _edge(tie: Tie, flows: list[Flow]) -> SubjectEdge:
    verdicts = [flow.verdict for flow in flows]
    return SubjectEdge(
        source_kind=tie.source[0],
        source=tie.source[1],
        target_kind=tie.target[0],
        target=tie.target[1],
        how=tie.how,
        kinds=sorted({flow.kind for flow in flows}),
        categories=sorted({flow.category for flow in flows}),
        flows=len(flows),
        permitted=verdicts.count("permit"),
        denied=verdicts.count("deny"),
        indeterminate=verdicts.count("indeterminate"),
        first=from_us(min(flow.at_us for flow in flows)),
        last=from_us(max(flow.at_us for flow in flows)),
    )
