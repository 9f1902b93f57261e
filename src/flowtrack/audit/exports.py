"""A subject's trail, and edges between all places, as `flowtrack.wire` tells them in the terms of other tools."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, time

from flowtrack.audit.graph import DayEdge, How, NodeKind
from flowtrack.audit.trail import TrailAnswer, TrailCategory, TrailEvent
from flowtrack.wire.dpv import State
from flowtrack.wire.lineage import Flow, Place, places_of


def flows_of(trail: TrailAnswer) -> list[Flow]:
    """Give the steps of a trail; one that a service told again stands once."""
    events = {(event.service, event.event_id): event for event in reversed(trail.rows)}
    by_id: dict[str, list[str]] = {}
    for service, event_id in events:
        by_id.setdefault(event_id, []).append(_id(service, event_id))
    return [_flow(event, by_id) for event in sorted(events.values(), key=lambda event: event.happened_at)]


def flows_of_edges(edges: Iterable[DayEdge]) -> Iterator[Flow]:
    """Give edges of the lineage graph as flows that were counted together; none of them says whose they were."""
    for edge in edges:
        service = edge.source if edge.source_kind is NodeKind.SERVICE else edge.target
        kind = "-".join(sorted(edge.kinds))
        places = (edge.source_kind, edge.source, edge.target_kind, edge.target)
        yield Flow(
            id="/".join(("edge", edge.first.isoformat(), edge.last.isoformat(), kind, edge.how, *places)),
            kind=kind,
            service=service,
            purpose="",
            first=datetime.combine(edge.first, time.min, UTC),
            last=datetime.combine(edge.last, time.max, UTC),
            events=None,
            categories=tuple(edge.categories),
            verdicts={name: count for name, count in _counts(edge).items() if count},
            source=Place(edge.source_kind, edge.source),
            target=Place(edge.target_kind, edge.target),
            inferred=edge.how is How.INFERRED,
        )


def _counts(edge: DayEdge) -> dict[str, int]:
    told = {"permit": edge.permitted, "deny": edge.denied, "indeterminate": edge.indeterminate}
    return {**told, "not_applicable": edge.flows - sum(told.values())}


def states_of(trail: TrailAnswer) -> list[State]:
    """Give the states of a trail's consent records, in the order in which they took effect."""
    return [
        State(
            each.record,
            each.kind,
            each.state,
            each.valid_from,
            each.recorded_at,
            each.expires,
            each.scope,
            each.notice,
            each.method,
            each.country,
        )
        for each in trail.consents
    ]


def _id(service: str, event_id: str) -> str:
    return f"{service}/{event_id}"


def _flow(event: TrailEvent, by_id: Mapping[str, list[str]]) -> Flow:
    source, target = places_of(
        event.kind,
        event.service,
        recipient=event.recipient,
        dataset=event.dataset,
        received_from=event.facts.received_from or "",
        location=event.location,
    )
    return Flow(
        id=_id(event.service, event.event_id),
        kind=event.kind,
        service=event.service,
        purpose=event.purpose,
        first=event.happened_at,
        last=event.happened_at,
        events=1,
        categories=tuple(sorted({each.category for each in event.categories if each.category})),
        verdicts=Counter(each.verdict for each in event.categories),
        source=source,
        target=target,
        clauses=_once(clause for each in event.categories for clause in each.clauses),
        reasons=_once(reason for each in event.categories for reason in _why(each)),
        packs=_once([event.pack]),
        registries=_once([event.registry]),
        derived_from=tuple(flow for each in event.particulars.derived_from or () for flow in by_id.get(each, ())),
        consents=_once(each.consent for each in event.categories),
    )


def _why(category: TrailCategory) -> list[str]:
    return [*category.reasons, *category.gaps]


def _once(names: Iterator[str] | list[str]) -> tuple[str, ...]:
    return tuple(sorted({*names} - {""}))
