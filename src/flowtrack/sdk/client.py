"""What a service calls: one method for each kind of event."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Self, Unpack

from flowtrack.domain.consent import ConsentRecord
from flowtrack.domain.event import SERVICE_SOURCE, TYPES, Event, incident_subject
from flowtrack.domain.names import Kind
from flowtrack.errors import ConfigurationError, ContractError
from flowtrack.sdk.envelopes import check_required, consent_of, event_of
from flowtrack.sdk.pseudonym import PseudonymKey
from flowtrack.sdk.transport import CONSENTS_TOPIC, EVENTS_TOPIC, Acknowledgement, Transport
from flowtrack.wire.encode import encode_consent, encode_event
from flowtrack.wire.keys import consent_key
from flowtrack.wire.partition import partition_of

if TYPE_CHECKING:
    from flowtrack.sdk.fields import (
        CollectFields,
        ConsentFields,
        EraseFields,
        IncidentFields,
        ShareFields,
        StoreFields,
        UseFields,
    )

Person = str | bytes | None
"""What the service knows somebody by; it becomes a pseudonym at once.  None where `subject` is passed instead."""


def _now() -> datetime:
    return datetime.now(UTC)


def _new_id() -> str:
    return uuid.uuid4().hex


class Flowtrack:
    """Publishes what a service does with personal data.

    ::

        async with Flowtrack(service="checkout", key=key, bootstrap_servers="kafka:9092") as flowtrack:
            receipt = await flowtrack.collect("user 42", categories=["provided.phone"], purpose="service.provide",
                                              method="provided")
            await receipt  # safe at the broker

    A call returns once the event is taken over, with an acknowledgement that is done once it is safe.  An event that
    breaks the contract is refused at the call, with the field's name and without its value.

    Args:
        service: the service's id in the registry.
        key: the organisation's pseudonym key; not needed where every call passes a ready `subject`.
        bootstrap_servers: where Kafka is; or pass a `transport`.
        transport: carries the records instead; it may serve several clients, and is started by the first.
        clock: gives the time of an event that has none.
        ids: gives the id of an event that has none.
        epoch: which life of the service numbers its events; left out: the start's milliseconds since 1970.

    Raises:
        ConfigurationError: the service's id is empty or has a slash, or it is not said how to reach Kafka.
    """

    def __init__(
        self,
        *,
        service: str,
        key: PseudonymKey | bytes | None = None,
        bootstrap_servers: str = "",
        transport: Transport | None = None,
        clock: Callable[[], datetime] = _now,
        ids: Callable[[], str] = _new_id,
        epoch: int | None = None,
    ) -> None:
        if not service or "/" in service:
            raise ConfigurationError("the service's id is empty or has a slash", help="use its id in the registry")
        self.source = f"{SERVICE_SOURCE}{service}"
        self._key = PseudonymKey(key) if isinstance(key, bytes) else key
        self._owns_transport = transport is None
        self._transport = transport if transport is not None else _kafka(bootstrap_servers)
        self._clock, self._ids = clock, ids
        self._epoch = epoch if epoch is not None else int(clock().timestamp() * 1_000)
        self._number = 0
        self._partitions: dict[str, int] = {}

    async def __aenter__(self) -> Self:
        await self._transport.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self.flush()
        finally:
            if self._owns_transport:
                await self._transport.stop()

    async def collect(self, person: Person = None, /, **fields: Unpack[CollectFields]) -> Acknowledgement:
        """Publish that data was collected from somebody, or about somebody from another party."""
        return await self._happened(Kind.COLLECT, person, fields)

    async def use(self, person: Person = None, /, **fields: Unpack[UseFields]) -> Acknowledgement:
        """Publish that data was used, by a service or by a person (`actor`)."""
        return await self._happened(Kind.USE, person, fields)

    async def share(self, person: Person = None, /, **fields: Unpack[ShareFields]) -> Acknowledgement:
        """Publish that data was given to a party."""
        return await self._happened(Kind.SHARE, person, fields)

    async def store(self, person: Person = None, /, **fields: Unpack[StoreFields]) -> Acknowledgement:
        """Publish that data was laid down in a dataset."""
        return await self._happened(Kind.STORE, person, fields)

    async def erase(self, person: Person = None, /, **fields: Unpack[EraseFields]) -> Acknowledgement:
        """Publish that data was erased."""
        return await self._happened(Kind.ERASE, person, fields)

    async def incident(self, **fields: Unpack[IncidentFields]) -> Acknowledgement:
        """Publish a breach: what was reached in a service, a dataset or a party, and in which interval."""
        return await self._happened(Kind.INCIDENT, None, fields)

    async def consent(self, person: Person = None, /, **fields: Unpack[ConsentFields]) -> Acknowledgement:
        """Publish a state of one of somebody's consent, terms, usage, opt-out or account records."""
        given: dict[str, object] = dict(fields)
        envelope = self._envelope(given)
        envelope["subject"] = self._subject(person, given)
        return await self.publish_consent(consent_of(envelope, given))

    async def publish(self, event: Event) -> Acknowledgement:
        """Publish an event that is built already.

        Raises:
            ContractError: its type is unknown, or it lacks what its kind requires.
        """
        kind = TYPES.get(event.type)
        if kind is None:
            raise ContractError("unknown_type", "the event's type is unknown", field="type", help="see NAMES, kinds")
        check_required(kind, event)
        return await self.publish_encoded(event.subject, encode_event(event))

    async def publish_consent(self, record: ConsentRecord) -> Acknowledgement:
        """Publish a consent record that is built already."""
        key = consent_key(record.subject, record.data.record, record.id)
        return await self.publish_encoded_consent(record.subject, key, encode_consent(record))

    async def publish_encoded(self, subject: str, value: bytes) -> Acknowledgement:
        """Publish an event as it stood in a file or on another topic: taken as checked, sent unchanged."""
        return await self._send(EVENTS_TOPIC, subject, subject.encode(), value)

    async def publish_encoded_consent(self, subject: str, key: str, value: bytes) -> Acknowledgement:
        """Publish a consent record as it stood in a file, under its key `subject:record:event id`, unchanged."""
        return await self._send(CONSENTS_TOPIC, subject, key.encode(), value)

    async def flush(self) -> None:
        """Wait until everything published is safe.

        Raises:
            DeliveryError: the first failure since the last flush.
        """
        await self._transport.flush()

    async def _happened(self, kind: Kind, person: Person, fields: Mapping[str, object]) -> Acknowledgement:
        given = dict(fields)
        envelope = self._envelope(given)
        if kind is Kind.INCIDENT:
            envelope["subject"] = incident_subject(self.source, str(envelope["id"]))
        else:
            envelope["subject"] = self._subject(person, given)
        event = event_of(kind, envelope | {"sequence": f"{self._epoch}.{self._number + 1}"}, given)
        self._number += 1  # only now: a refused event leaves no hole that would look like a loss
        return await self.publish_encoded(event.subject, encode_event(event))

    def _envelope(self, given: dict[str, object]) -> dict[str, object]:
        """Take the envelope's fields out of what was given."""
        event_id, time = given.pop("event_id", None), given.pop("time", None)
        return {
            "source": self.source,
            "id": self._ids() if event_id is None else event_id,
            "time": self._clock() if time is None else time,
        }

    def _subject(self, person: Person, given: dict[str, object]) -> object:
        subject = given.pop("subject", None)
        if (person is None) == (subject is None):
            raise ContractError(
                "bad_subject",
                "either an identifier or a ready `subject` is needed",
                field="subject",
                help="pass the person's identifier first, or `subject=` with a pseudonym",
            )
        if person is None:
            return subject
        if self._key is None:
            raise ConfigurationError(
                "there is no key to make a pseudonym with", help="pass `key=PseudonymKey.read(FILE)` to Flowtrack"
            )
        return self._key.pseudonym(person)

    async def _send(self, topic: str, subject: str, key: bytes, value: bytes) -> Acknowledgement:
        partitions = self._partitions.get(topic)
        if partitions is None:
            partitions = self._partitions[topic] = await self._transport.partitions(topic)
        return await self._transport.send(topic, partition_of(subject, partitions), key, value)


def _kafka(bootstrap_servers: str) -> Transport:
    if not bootstrap_servers:
        raise ConfigurationError(
            "it is not said how to reach Kafka", help="pass `bootstrap_servers` or a `transport` to Flowtrack"
        )
    # Services that publish through a transport of their own, and tests, need no Kafka client.
    from flowtrack.sdk.kafka import KafkaTransport  # noqa: PLC0415 - aiokafka costs a tenth of a second to import

    return KafkaTransport(bootstrap_servers)
