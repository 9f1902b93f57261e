"""What a service's calls become, and what is refused before it leaves."""

from __future__ import annotations

import asyncio
import hashlib
import subprocess
import sys
import traceback
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from itertools import count
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtrack.domain.event import REQUIRED, Event, EventData
from flowtrack.domain.names import Kind
from flowtrack.errors import ConfigurationError, ContractError, DeliveryError, RuntimeStateError
from flowtrack.sdk import CONSENTS_TOPIC, EVENTS_TOPIC, Acknowledgement, Flowtrack, PseudonymKey, fields, pseudonym
from flowtrack.testing import MemoryTransport, Sent
from flowtrack.tracking.records import Topic
from flowtrack.wire.decode import decode_consent, decode_event
from flowtrack.wire.keys import consent_key
from flowtrack.wire.partition import partition_of

KEY = bytes(range(32))
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MARKER = "marker-alice@example.com"
TLS = {"encrypted": True, "protocol": "TLS 1.3"}
COLLECT: dict[str, Any] = {
    "categories": ["provided.phone"],
    "purpose": "service.provide",
    "method": "provided",
}


def _published(call: Callable[[Flowtrack], Awaitable[object]], *, key: bytes | None = KEY) -> list[Sent]:
    """What a call to a client publishes; ids are 1, 2, …, the clock stands still."""

    async def run() -> list[Sent]:
        transport = MemoryTransport(partitions=8)
        ids = count(1)
        client = Flowtrack(
            service="checkout",
            key=PseudonymKey(key) if key else None,
            transport=transport,
            clock=lambda: NOON,
            ids=lambda: str(next(ids)),
            epoch=7,
        )
        async with client as flowtrack:
            await call(flowtrack)
        return transport.sent

    return asyncio.run(run())


def _event(call: Callable[[Flowtrack], Awaitable[Acknowledgement]]) -> Event:
    (sent,) = _published(call)
    assert sent.topic == EVENTS_TOPIC
    return decode_event(sent.value)


def _refused(call: Callable[[Flowtrack], Awaitable[object]]) -> ContractError:
    with pytest.raises(ContractError) as refusal:
        _published(call)
    assert MARKER not in "".join(traceback.format_exception(refusal.value))
    return refusal.value


def test_the_envelope_is_made() -> None:
    """Id, source, subject, time and sequence stand in the event without the service's doing."""
    event = _event(lambda flowtrack: flowtrack.collect("user-42", **COLLECT))
    assert (event.id, event.source, event.time, event.sequence) == ("1", "/services/checkout", NOON, "7.1")
    assert event.type == "flowtrack.collect.v1"
    assert event.subject == pseudonym("user-42", KEY)


def test_the_envelope_can_be_given() -> None:
    """Time, id, subject and trace may be the service's own."""
    before = datetime(2026, 3, 1, tzinfo=UTC)
    event = _event(
        lambda flowtrack: flowtrack.collect(
            subject="ab" * 16, time=before, event_id="own", correlationid="order-1", traceparent="00-1", **COLLECT
        )
    )
    assert (event.id, event.subject, event.time) == ("own", "ab" * 16, before)
    assert (event.correlationid, event.traceparent, event.causationid) == ("order-1", "00-1", None)


def test_sequences_rise_with_what_is_taken() -> None:
    """A refused event takes no number: a hole would look like a loss."""

    async def calls(flowtrack: Flowtrack) -> None:
        await flowtrack.collect("user-42", **COLLECT)
        with pytest.raises(ContractError):
            await flowtrack.use("user-42", categories=[], purpose="service.provide")
        await flowtrack.erase("user-42")

    assert [decode_event(sent.value).sequence for sent in _published(calls)] == ["7.1", "7.2"]


def test_each_kind_has_its_call() -> None:
    """Use, share, store and erase carry what is given, and nothing that is not."""

    async def calls(flowtrack: Flowtrack) -> None:
        await flowtrack.use("u", categories=["provided.name"], purpose="service.provide", combined_with=["maps"])
        await flowtrack.share(
            "u",
            categories=["provided.name"],
            purpose="service.provide",
            recipient="courier",
            destination="KR",
            basis="processor",
            channel=TLS,
        )
        await flowtrack.store(
            "u",
            categories=["provided.name"],
            purpose="service.provide",
            dataset="orders",
            custodian="platform",
            location="KR",
            channel=TLS,
            role="backup",
            retain_until=NOON,
        )
        await flowtrack.erase("u", dataset="orders")

    use, share, store, erase = (decode_event(sent.value) for sent in _published(calls))
    assert [each.type.split(".")[1] for each in (use, share, store, erase)] == ["use", "share", "store", "erase"]
    assert use.data.combined_with == ["maps"]
    assert share.data.channel is not None
    assert (share.data.basis, share.data.channel.encrypted) == ("processor", True)
    assert (store.data.role, store.data.retain_until) == ("backup", NOON)
    assert erase.data.categories is None


def test_an_incident_has_a_subject_made_from_source_and_id() -> None:
    """An incident concerns nobody alone: its subject is made as NAMES says."""
    event = _event(
        lambda flowtrack: flowtrack.incident(
            dataset="orders", interval={"from": NOON, "to": NOON}, noticed_at=NOON, categories=["provided.name"]
        )
    )
    assert event.subject == hashlib.sha256(b"/services/checkout\x001").hexdigest()[:32]
    assert event.data.interval is not None
    assert event.data.interval.to == NOON


def test_a_consent_record_stands_under_its_own_key() -> None:
    """Consent records go to their topic, keyed by subject, record and event id."""
    (sent,) = _published(
        lambda flowtrack: flowtrack.consent(
            "user-42",
            record="promo:1",
            kind="consent",
            state="given",
            scope={"purpose": "recommendation", "recipient": "book-world"},
            expires=NOON,
        )
    )
    record = decode_consent(sent.value)
    assert sent.topic == CONSENTS_TOPIC
    assert sent.key.decode() == consent_key(record.subject, "promo:1", "1")
    assert record.data.scope is not None
    assert (record.data.scope.recipient, record.data.expires) == ("book-world", NOON)


@given(identifier=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20))
def test_records_are_partitioned_by_subject(identifier: str) -> None:
    """Event and consent of one person stand on the same partition, which every producer would choose."""

    async def calls(flowtrack: Flowtrack) -> None:
        await flowtrack.collect(identifier, **COLLECT)
        await flowtrack.consent(identifier, record="r", kind="terms", state="accepted")

    event, consent = _published(calls)
    assert event.partition == consent.partition == partition_of(pseudonym(identifier, KEY), 8)
    assert event.key.decode() == pseudonym(identifier, KEY)


@pytest.mark.parametrize(
    ("given", "code", "field"),
    [
        ({"method": MARKER}, "bad_field", "data.method"),
        ({"categories": MARKER}, "bad_field", "data.categories"),
        ({"categories": []}, "bad_field", "data.categories"),
        ({"categories": ["x" * 200]}, "bad_field", "data.categories.0"),
        ({"method": None}, "missing_field", "data.method"),
        ({"method": "received"}, "missing_field", "data.received_from"),
        ({"subject": MARKER}, "bad_subject", "subject"),
        ({"time": datetime(2026, 3, 2)}, "bad_time", "time"),  # noqa: DTZ001 - a time without zone is the point
        ({"time": MARKER}, "bad_time", "time"),
        ({"email": MARKER}, "bad_field", "data"),
        ({"derived_from": [MARKER * 30]}, "bad_field", "data.derived_from.0"),
    ],
)
def test_what_breaks_the_contract_is_refused(given: dict[str, Any], code: str, field: str) -> None:
    """The error names code and field, and no part of it or of its traceback shows a value."""
    values: dict[str, Any] = {**COLLECT, "subject": "ab" * 16, **given}
    error = _refused(lambda flowtrack: flowtrack.collect(**values))
    assert (error.code, error.field) == (code, field)
    assert error.help


def test_names_of_nested_fields_are_not_told() -> None:
    """An unknown field inside a mapping may come out of data: only where it stood is told."""
    error = _refused(
        lambda flowtrack: flowtrack.use(
            "u", categories=["provided.name"], purpose="service.provide", actor={"type": "staff", MARKER: 1}
        )
    )
    assert error.field == "data.actor"


def test_somebody_must_be_meant_once() -> None:
    """Neither nobody, nor an identifier and a pseudonym at once."""
    assert _refused(lambda flowtrack: flowtrack.collect(**COLLECT)).code == "bad_subject"
    assert _refused(lambda flowtrack: flowtrack.collect("u", subject="ab" * 16, **COLLECT)).code == "bad_subject"


def test_an_identifier_needs_a_key() -> None:
    """Without a key no pseudonym is guessed."""
    with pytest.raises(ConfigurationError, match="no key"):
        _published(lambda flowtrack: flowtrack.collect(MARKER, **COLLECT), key=None)


def test_a_ready_event_is_checked() -> None:
    """`publish` takes built events of known types with all that their kind requires."""
    event = Event(
        specversion="1.0",
        id="1",
        source="/services/checkout",
        type="flowtrack.erase.v1",
        subject="ab" * 16,
        time=NOON,
        data=EventData(),
    )
    assert _event(lambda flowtrack: flowtrack.publish(event)).id == "1"
    unknown = event.model_copy(update={"type": "flowtrack.guess.v1"})
    assert _refused(lambda flowtrack: flowtrack.publish(unknown)).code == "unknown_type"
    lacking = event.model_copy(update={"type": "flowtrack.use.v1"})
    assert _refused(lambda flowtrack: flowtrack.publish(lacking)).field == "data.categories"


@pytest.mark.parametrize("service", ["", "a/b"])
def test_a_service_without_a_proper_id_is_refused(service: str) -> None:
    """The source would be ambiguous."""
    with pytest.raises(ConfigurationError, match="service's id"):
        Flowtrack(service=service, transport=MemoryTransport())


def test_kafka_or_a_transport_is_needed() -> None:
    """A client that cannot reach anybody says so at once."""
    with pytest.raises(ConfigurationError, match="how to reach Kafka"):
        Flowtrack(service="checkout")


def test_a_client_that_is_not_started_says_so() -> None:
    """Publishing outside of `async with` is an error with its mend."""

    async def run() -> None:
        await Flowtrack(service="checkout", key=KEY, transport=MemoryTransport()).collect("u", **COLLECT)

    with pytest.raises(RuntimeStateError, match="not started"):
        asyncio.run(run())


def test_a_failure_that_nobody_awaited_comes_at_the_end() -> None:
    """Leaving the client's block tells of what was not delivered."""

    async def run() -> None:
        transport = MemoryTransport()
        async with Flowtrack(service="checkout", key=KEY, transport=transport) as flowtrack:
            transport.fail()
            await flowtrack.collect("u", **COLLECT)

    with pytest.raises(DeliveryError):
        asyncio.run(run())


def test_topics_are_those_of_the_workers() -> None:
    """The SDK's topics are the ones that the checker reads."""
    assert (EVENTS_TOPIC, CONSENTS_TOPIC) == (Topic.EVENTS, Topic.CONSENTS)


@pytest.mark.parametrize("kind", list(Kind))
def test_keyword_arguments_are_the_contracts_fields(kind: Kind) -> None:
    """What a call requires is what the contract requires, and every argument is a field of it."""
    asked = getattr(fields, f"{kind.value.capitalize()}Fields")
    of_envelope = {"subject", "time", "event_id", "traceparent", "correlationid", "causationid"}
    assert asked.__required_keys__ == set(REQUIRED[kind])
    assert set(get_type_hints(asked)) - of_envelope <= set(EventData.model_fields)


def test_every_field_of_the_contract_can_be_given() -> None:
    """No field of event data is out of the SDK's reach."""
    given = set().union(*(get_type_hints(getattr(fields, f"{kind.value.capitalize()}Fields")) for kind in Kind))
    assert set(EventData.model_fields) <= given


@pytest.mark.parametrize(
    "heavy", ["aiokafka", "faust", "chdb", "cedarpy", "confluent_kafka", "fastapi", "clickhouse_connect"]
)
def test_importing_is_light(heavy: str) -> None:
    """`import flowtrack.sdk` brings no server code, and Kafka's client only once it is needed."""
    code = f"import sys, flowtrack.sdk, flowtrack.testing; sys.exit({heavy!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
