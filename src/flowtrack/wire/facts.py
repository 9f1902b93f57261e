"""Taking an event's data apart into what recurs and what is its own, and writing both down in one way only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, cast

from flowtrack.domain.event import EventData
from flowtrack.domain.facts import Facts, Particulars
from flowtrack.wire.derive import decoder_of, struct_of

_facts = cast("Callable[..., Facts]", struct_of(Facts))
_particulars = cast("Callable[..., Particulars]", struct_of(Particulars))

decode_facts: Final = decoder_of(Facts)
"""Facts from their JSON; raises as `decoder_of` says."""
decode_particulars: Final = decoder_of(Particulars)
"""Particulars from their JSON; raises as `decoder_of` says."""


def facts_of(data: EventData) -> Facts:
    """What recurs of an event's data, as the structural twin of `Facts`."""
    channel, actor = data.channel, data.actor
    return _facts(
        basis=data.basis,
        method=data.method,
        received_from=data.received_from,
        destination=data.destination,
        consideration=data.consideration,
        encrypted=None if channel is None else channel.encrypted,
        protocol=None if channel is None else channel.protocol,
        protection=data.protection,
        combined_with=data.combined_with,
        actor_type=None if actor is None else actor.type,
        actor_role=None if actor is None else actor.role,
        custodian=data.custodian,
        location=data.location,
        role=data.role,
        transform=data.transform,
        service=data.service,
        party=data.party,
    )


def particulars_of(data: EventData) -> Particulars:
    """What is this event's alone, as the structural twin of `Particulars`."""
    actor, interval = data.actor, data.interval
    return _particulars(
        reference=data.reference,
        actor_id=None if actor is None else actor.id,
        actor_agreement=None if actor is None else actor.agreement,
        actor_session=None if actor is None else actor.session,
        actor_task=None if actor is None else actor.task,
        retain_until=data.retain_until,
        derived_from=data.derived_from,
        interval_from=None if interval is None else interval.from_,
        interval_to=None if interval is None else interval.to,
        noticed_at=data.noticed_at,
    )
