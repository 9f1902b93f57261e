"""Three steps of one subject's data and the consents behind them, for the vocabularies of other tools."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from flowtrack.domain.consent import AllOf, Duration, Notice, Storage, UsagePolicy
from flowtrack.wire.dpv import State
from flowtrack.wire.lineage import Flow, places_of

SUBJECT = "3f9d2c41a7b85e06d1f4937c20ab6e58"
BEGAN = datetime(2026, 3, 2, 9, tzinfo=UTC)


def flow(number: int, kind: str, service: str, **said: str) -> Flow:
    """One step, an hour after the one before."""
    verdict, derived = said.pop("verdict", "permit"), said.pop("derived_from", "")
    at = BEGAN + timedelta(hours=number)
    source, target = places_of(kind, service, **said)
    return Flow(
        id=f"{service}/e{number}",
        kind=kind,
        service=service,
        purpose="service.provide",
        first=at,
        last=at,
        events=1,
        categories=("provided.email", "provided.phone"),
        verdicts={verdict: 2},
        source=source,
        target=target,
        clauses=("3.1",),
        reasons=("deemed_consent",) if verdict == "permit" else ("no_agreement",),
        packs=("default@1",),
        registries=("platform@7",),
        derived_from=(derived,) if derived else (),
        consents=("sign-up",) if verdict == "permit" else (),
    )


FLOWS = [
    flow(0, "collect", "sign up, 1"),
    flow(1, "store", "sign up, 1", dataset="members", location="KR", derived_from="sign up, 1/e0"),
    flow(2, "use", "support", dataset="members"),
    flow(3, "share", "support", recipient="courier", location="JP", verdict="deny"),
    flow(4, "collect", "partners", received_from="shop"),
    flow(5, "erase", "sign up, 1", dataset="members", location="KR"),
]
SCOPE = UsagePolicy(
    data=AllOf(all=["provided", "contact"]),
    processing="share",
    purpose="recommendation",
    recipient="affiliate",
    storage=Storage(location="KR", duration=Duration(max_days=365)),
)
NOTICE = Notice(version="2026-02", language="ko", hash="sha256-1b2c")
STATES = [
    State("news", "consent", "given", BEGAN, BEGAN, BEGAN + timedelta(days=365), SCOPE, NOTICE, "sign-up form"),
    State("terms", "terms", "accepted", BEGAN, BEGAN, None, None, None),
    State("news", "consent", "withdrawn", BEGAN + timedelta(days=9), BEGAN + timedelta(days=9), None, None, None),
]
TITLES = {"contact": "Contact details", "recommendation": "Recommend what may interest the user"}
