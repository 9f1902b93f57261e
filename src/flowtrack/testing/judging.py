"""Would the policy allow what a service published?  For the tests of services, by the same rules as the pipeline.

Apart from `flowtrack.testing` itself because it loads the rules; tests of publishing alone need none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from flowtrack.domain.event import TYPES, Event
from flowtrack.domain.history import Entry, as_of, entry_of, with_entry
from flowtrack.domain.instants import instant_us
from flowtrack.domain.names import Verdict
from flowtrack.domain.registry import RegistryDocument
from flowtrack.errors import RegistryError
from flowtrack.policy.decide import EventVerdict, decider_of
from flowtrack.policy.pack import Pack, default_pack
from flowtrack.sdk.transport import CONSENTS_TOPIC, EVENTS_TOPIC
from flowtrack.testing.transport import MemoryTransport
from flowtrack.wire.decode import decode_consent, decode_event

_ALLOWED = frozenset({Verdict.PERMIT, Verdict.NOT_APPLICABLE})


def judged(
    transport: MemoryTransport, registry: Mapping[str, Any] | None = None, pack: Pack | None = None
) -> list[tuple[Event, EventVerdict]]:
    """Judge the events that a transport was sent, in order, against all consent records that it was sent.

    Args:
        transport: what the service under test published to.
        registry: services, parties, agreements and orders, as in a registry file.
        pack: the rules; without it, the default pack's.

    Raises:
        RegistryError: the registry is none; names the first field at fault.
    """
    histories: dict[str, tuple[Entry, ...]] = {}
    for value in _values(transport, CONSENTS_TOPIC):
        record = decode_consent(value)
        entry = entry_of(record.id, instant_us(record.time), record.data)
        histories[record.subject] = with_entry(histories.get(record.subject, ()), entry)
    decider = decider_of([pack or default_pack()], [_document(registry or {})])
    verdicts = []
    for value in _values(transport, EVENTS_TOPIC):
        event = decode_event(value)
        view = as_of(histories.get(event.subject, ()), instant_us(event.time))
        verdicts.append((event, decider.decide(TYPES[event.type], event, view)))
    return verdicts


def assert_allowed(
    transport: MemoryTransport, registry: Mapping[str, Any] | None = None, pack: Pack | None = None
) -> None:
    """Fail unless the policy permits every event that was published, or does not apply to it.

    The failure names kind, category, reasons or gaps, and clauses of each that it does not; never a subject.

    Raises:
        AssertionError: something is denied or indeterminate.
        RegistryError: the registry is none.
    """
    faults = [
        f"{event.type}, {each.category}: {each.judged.verdict}: "
        f"{', '.join(each.judged.reasons or each.judged.gaps)} (clauses {', '.join(each.judged.clauses) or 'none'})"
        for event, verdict in judged(transport, registry, pack)
        for each in verdict.categories
        if each.judged.verdict not in _ALLOWED
    ]
    if faults:
        raise AssertionError("the policy does not allow this\n" + "\n".join(faults))


def _values(transport: MemoryTransport, topic: str) -> Iterable[bytes]:
    return (record.value for record in transport.sent if record.topic == topic)


def _document(registry: Mapping[str, Any]) -> RegistryDocument:
    try:
        return RegistryDocument.model_validate({"name": "test", "version": "1", **registry})
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in fault["loc"])
        raise RegistryError(f"not a registry: {fault['msg'].lower()}", where=where, help="mend the field") from error
