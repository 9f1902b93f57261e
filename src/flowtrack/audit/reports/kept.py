"""Where one subject's data rests, whether it should be gone by now, and what came from nobody knows where."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, NamedTuple

from pydantic import AwareDatetime

from flowtrack.audit.categories import under
from flowtrack.audit.reports.grouping import distinct, grouped, span
from flowtrack.audit.trail import TrailCategory, TrailEvent
from flowtrack.domain.model import Contract
from flowtrack.domain.names import Kind, Verdict

_PASSED: Final = {Verdict.PERMIT, Verdict.NOT_APPLICABLE}


class Flow(NamedTuple):
    """One category of one event."""

    event: TrailEvent
    part: TrailCategory

    @property
    def is_denied(self) -> bool:
        """The policy denied it, or it could not be judged."""
        return self.part.verdict not in _PASSED


class Unexplained(Contract):
    """Uses or shares of a category by a service that was never seen to get it of this subject before."""

    service: str
    category: str
    kinds: list[str]
    flows: int
    permitted: int
    first: AwareDatetime
    last: AwareDatetime


class Kept(Contract):
    """Where data rests, and until when it is to be kept."""

    dataset: str
    custodian: str
    location: str
    categories: list[str]
    purposes: list[str]
    retain_until: AwareDatetime | None
    """The latest that a service named; None where none did."""
    erased_at: AwareDatetime | None
    """When a service last said that all of it is gone from there."""
    overdue: bool
    """It should be gone, and nobody said that it is."""
    first: AwareDatetime
    last: AwareDatetime


def unexplained_of(flows: list[Flow]) -> list[Unexplained]:
    """Give what was used or shared before it was seen to be collected, passed on, or put into the dataset."""
    came: dict[tuple[str, str, str], datetime] = {}
    for flow in flows:
        event, category = flow.event, flow.part.category
        reached = {str(Kind.COLLECT): event.service, str(Kind.SHARE): event.recipient}.get(event.kind, "")
        filled = event.dataset if event.kind in {Kind.COLLECT, Kind.STORE} else ""
        for place in (("service", reached), ("dataset", filled)):
            if place[1]:
                key = (*place, category)
                came[key] = min(came.get(key, event.happened_at), event.happened_at)
    unknown = [
        flow
        for flow in flows
        if flow.event.kind in {Kind.USE, Kind.SHARE}
        and not any(
            key in came and came[key] <= flow.event.happened_at
            for key in (
                ("service", flow.event.service, flow.part.category),
                ("dataset", flow.event.dataset, flow.part.category),
            )
        )
    ]
    return [
        Unexplained(
            service=service,
            category=category,
            kinds=distinct(flow.event.kind for flow in group),
            flows=len(group),
            permitted=sum(flow.part.verdict == Verdict.PERMIT for flow in group),
            **span([flow.event.happened_at for flow in group]),
        )
        for (service, category), group in sorted(
            grouped(unknown, lambda flow: (flow.event.service, flow.part.category)).items()
        )
    ]


def kept_of(flows: list[Flow], now: datetime, keep_days: int | None) -> list[Kept]:
    """Say where data rests, and whether it should; as for `audit.overdue`, the last copy of each category counts.

    Args:
        flows: all of the subject's.
        now: the instant that ends are held against.
        keep_days: for copies that name no end; without it those are never overdue.
    """
    stored = [flow for flow in flows if flow.event.kind == Kind.STORE]

    def key(flow: Flow) -> tuple[str, str, str]:
        return flow.event.dataset, flow.event.facts.custodian or "", flow.event.location

    return [
        _rests(key(group[0]), group, flows, _Term(now, keep_days)) for _, group in sorted(grouped(stored, key).items())
    ]


class _Term(NamedTuple):
    """What ends are held against."""

    now: datetime
    keep_days: int | None

    def is_over(self, flow: Flow) -> bool:
        end = flow.event.particulars.retain_until
        if end is None and self.keep_days is not None:
            end = flow.event.happened_at + timedelta(days=self.keep_days)
        return end is not None and end < self.now


def _rests(place: tuple[str, str, str], group: list[Flow], flows: list[Flow], term: _Term) -> Kept:
    dataset, custodian, location = place
    ends = [until for flow in group if (until := flow.event.particulars.retain_until) is not None]
    copies = {flow.part.category: flow for flow in sorted(group, key=lambda flow: flow.event.happened_at)}.values()
    gone = [at for flow in copies if (at := _erased_at(flow, flows)) is not None]
    return Kept(
        dataset=dataset,
        custodian=custodian,
        location=location,
        categories=distinct(flow.part.category for flow in group),
        purposes=distinct(flow.event.purpose for flow in group),
        retain_until=max(ends, default=None),
        erased_at=max(gone) if len(gone) == len(copies) else None,
        overdue=any(term.is_over(flow) and _erased_at(flow, flows) is None for flow in copies),
        **span([flow.event.happened_at for flow in group]),
    )


def _erased_at(stored: Flow, flows: list[Flow]) -> datetime | None:
    """When a copy was said to be gone since it was stored; an erasure that names no dataset is of all."""
    return max(
        (
            flow.event.happened_at
            for flow in flows
            if flow.event.kind == Kind.ERASE
            and flow.event.happened_at >= stored.event.happened_at
            and flow.event.dataset in {"", stored.event.dataset}
            and (not flow.part.category or under(stored.part.category, flow.part.category))
        ),
        default=None,
    )
