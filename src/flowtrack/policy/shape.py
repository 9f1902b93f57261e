"""The shape of an event: everything of it that resolving looks at, save subject and time.

Whoever adds an input to flowtrack.policy.resolve adds it here; tests/policy/test_memo.py fails where it is forgotten.
"""

from __future__ import annotations

from typing import Any

from flowtrack.domain.event import Event, EventData
from flowtrack.domain.registry import Registry, Section
from flowtrack.policy.resolve import BY_ORDER, STATUTE, kept_of

_NO_ID, _A_STATUTE, _UNVERIFIABLE, _NEVER_REGISTERED = range(4)


def shape_key(event: Event, registry: Registry, at_us: int) -> tuple[Any, ...]:
    """What a memo of answers goes by, as long as the registry answers the same.

    Args:
        event: decoded.
        registry: what ids are looked up in.
        at_us: when the event happened, microseconds since the epoch.
    """
    data = event.data
    actor, channel = data.actor, data.channel
    return (
        event.type,
        event.source,
        data.purpose,
        data.basis,
        data.method,
        data.received_from,
        data.recipient,
        data.destination,
        data.consideration,
        None if channel is None else channel.encrypted,
        data.protection,
        data.custodian,
        data.location,
        data.role,
        None if data.retain_until is None else kept_of(data, at_us),
        None if data.reference is None else _reference(data, registry),
        None
        if actor is None
        else (
            actor.type,
            actor.role,
            _seen(registry.staff_agreements, actor.agreement),
            _seen(registry.sessions, actor.session),
        ),
        None if data.combined_with is None else tuple(data.combined_with),
        *(data.categories or ()),
    )


def _reference(data: EventData, registry: Registry) -> int | str:
    reference = data.reference
    if not reference or reference == STATUTE:
        return _NO_ID
    if reference.startswith(STATUTE):
        return _A_STATUTE
    return _seen(registry.orders if data.basis in BY_ORDER else None, reference)


def _seen(section: Section[Any] | None, key: str | None) -> int | str:
    """What resolving sees in an id: the id itself only where it was ever registered, so that nobody fills a memo."""
    if not key:
        return _NO_ID
    if section is None:
        return _UNVERIFIABLE
    return key if key in section else _NEVER_REGISTERED
