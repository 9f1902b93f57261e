"""What `flowtrack.testing` judges for the tests of services."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from flowtrack.domain.names import Verdict
from flowtrack.errors import RegistryError
from flowtrack.sdk import Flowtrack
from flowtrack.testing import MemoryTransport
from flowtrack.testing.judging import assert_allowed, judged

REGISTRY = {
    "services": {"accounts": {"controller": "platform", "regions": ["KR"]}},
    "parties": {"shop": {"type": "merchant", "country": "KR"}},
}


def _published(act: Callable[[Flowtrack], Awaitable[object]]) -> MemoryTransport:
    transport = MemoryTransport()

    async def run() -> None:
        async with Flowtrack(service="accounts", key=bytes(32), transport=transport) as flowtrack:
            await flowtrack.consent("user 42", record="account", kind="account", state="open", country="KR")
            await flowtrack.consent("user 42", record="terms", kind="terms", state="accepted")
            await act(flowtrack)

    asyncio.run(run())
    return transport


def test_what_the_policy_permits_passes() -> None:
    """An event that rests on accepted terms is permitted."""
    transport = _published(
        lambda f: f.collect("user 42", categories=["provided.email"], purpose="service.provide", method="provided")
    )
    ((_, verdict),) = judged(transport, REGISTRY)
    assert verdict.verdict is Verdict.PERMIT
    assert_allowed(transport, REGISTRY)


def test_what_the_policy_denies_fails_with_its_clauses() -> None:
    """A sale for an outside purpose fails; the failure names category and clauses, and nobody."""
    transport = _published(
        lambda f: f.share(
            "user 42",
            categories=["provided.phone"],
            purpose="outside",
            recipient="shop",
            destination="KR",
            basis="consent",
            channel={"encrypted": True, "protocol": "TLS 1.3"},
            consideration="sale",
        )
    )
    with pytest.raises(AssertionError, match=r"provided\.phone: deny: .*\(clauses ") as caught:
        assert_allowed(transport, REGISTRY)
    (event,) = transport.published()
    assert event["subject"] not in str(caught.value)


def test_what_cannot_be_decided_fails() -> None:
    """A service that the registry does not know fails too, with the gap's name."""
    transport = _published(
        lambda f: f.collect("user 42", categories=["provided.email"], purpose="service.provide", method="provided")
    )
    with pytest.raises(AssertionError, match="unknown_service"):
        assert_allowed(transport)


def test_a_wrong_registry_is_refused() -> None:
    """What is no registry is refused with the field's name."""
    with pytest.raises(RegistryError) as caught:
        judged(MemoryTransport(), {"services": {"accounts": {"controller": "nobody"}}})
    assert caught.value.where.startswith("services.accounts")
