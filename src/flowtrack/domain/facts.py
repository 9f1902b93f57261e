"""What a decision keeps of its event besides its names, so that the event can be judged anew from the ledger alone.

Two parts: `Facts` recur (a service sends the same ones all day), so a store keeps each combination once; `Particulars`
are of one event, and mostly there are none.  Together with a decision's own fields they give the event's data back.
Both are flat, so that a row's copy is a short text that says the same thing in one way only.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AwareDatetime, Field

from flowtrack.domain.event import CATEGORIES_MAX, Actor, Channel, EventData, Interval
from flowtrack.domain.model import Contract, Identifier, Name
from flowtrack.domain.names import ActorType, Basis, Consideration, Method, Protection, StoreRole, Transform


class Facts(Contract):
    """The circumstances of an event that recur; fields as in `EventData`, nested ones flat."""

    basis: Basis | None = None
    method: Method | None = None
    received_from: Name | None = None
    destination: Name | None = None
    consideration: Consideration = Consideration.NONE
    encrypted: bool | None = None
    """Of the channel; left out where the event names none."""
    protocol: Name | None = None
    protection: Protection | None = None
    combined_with: Annotated[list[Name], Field(max_length=CATEGORIES_MAX)] | None = None
    actor_type: ActorType | None = None
    actor_role: Name | None = None
    custodian: Name | None = None
    location: Name | None = None
    role: StoreRole = StoreRole.PRIMARY
    transform: Transform = Transform.NONE
    service: Name | None = None
    party: Name | None = None


class Particulars(Contract):
    """What is this event's alone; fields as in `EventData`, nested ones flat."""

    reference: Identifier | None = None
    actor_id: Identifier | None = None
    actor_agreement: Identifier | None = None
    actor_session: Identifier | None = None
    actor_task: Identifier | None = None
    retain_until: AwareDatetime | None = None
    derived_from: Annotated[list[Identifier], Field(max_length=CATEGORIES_MAX)] | None = None
    interval_from: AwareDatetime | None = None
    interval_to: AwareDatetime | None = None
    noticed_at: AwareDatetime | None = None


def event_data(
    categories: list[str], purpose: str, recipient: str, dataset: str, facts: Facts, particulars: Particulars
) -> EventData:
    """The event's data again: of names that a decision says itself, empty stands for absent.

    Args:
        categories: as the event named them; empty where it named none.
        purpose: as in the decision.
        recipient: likewise.
        dataset: likewise.
        facts: likewise.
        particulars: likewise.
    """
    return EventData.model_construct(
        categories=categories or None,
        purpose=purpose or None,
        recipient=recipient or None,
        dataset=dataset or None,
        basis=facts.basis,
        method=facts.method,
        received_from=facts.received_from,
        destination=facts.destination,
        consideration=facts.consideration,
        channel=None
        if facts.encrypted is None
        else Channel.model_construct(encrypted=facts.encrypted, protocol=facts.protocol),
        protection=facts.protection,
        combined_with=facts.combined_with,
        actor=_actor(facts, particulars),
        custodian=facts.custodian,
        location=facts.location,
        role=facts.role,
        transform=facts.transform,
        service=facts.service,
        party=facts.party,
        reference=particulars.reference,
        retain_until=particulars.retain_until,
        derived_from=particulars.derived_from,
        interval=_interval(particulars),
        noticed_at=particulars.noticed_at,
    )


def _actor(facts: Facts, particulars: Particulars) -> Actor | None:
    if facts.actor_type is None:
        return None
    return Actor.model_construct(
        type=facts.actor_type,
        id=particulars.actor_id,
        role=facts.actor_role,
        agreement=particulars.actor_agreement,
        session=particulars.actor_session,
        task=particulars.actor_task,
    )


def _interval(particulars: Particulars) -> Interval | None:
    if particulars.interval_from is None or particulars.interval_to is None:
        return None
    return Interval.model_construct(from_=particulars.interval_from, to=particulars.interval_to)
