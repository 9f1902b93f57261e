"""What deciding costs: warm and cold decisions, `covers`, consent as of an instant; Cedar itself as the peer.

Goals (TARGETS.md, "Deciding"): a warm decision at most 1.5 us a category, flat from 10 to 10,000 rules;
a cold situation at most 300 us among 10,000 rules; `covers` at most 5 us a pair; consent as of an instant at most
2 us for a subject with 20 records.

Left out: reading the event and writing the decision (`benchmarks.checker` has them).  The peer is asked the same
question, all rules in one parsed set: what a decision costs without situations, slices and memory.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime

import cedarpy

from benchmarks.rig.telling import Figure, arguments, tell
from flowtrack.domain.consent import ConsentData, UsagePolicy
from flowtrack.domain.covers import covers
from flowtrack.domain.event import Event
from flowtrack.domain.history import ConsentView, Entry, as_of, entry_of, with_entry
from flowtrack.domain.instants import DAY_US, instant_us
from flowtrack.domain.names import Kind
from flowtrack.domain.registry import RegistryDocument, registry_of
from flowtrack.policy.decide import PackDecider
from flowtrack.policy.judge import Judge, request_of
from flowtrack.policy.pack import Pack, load_pack
from flowtrack.policy.rules import policy_set
from flowtrack.policy.source import files_of_default_pack
from flowtrack.tracking.packing import HEAD, Packing
from flowtrack.tracking.standing import Forms, Standings
from flowtrack.wire.decode import decode_event

_AT = datetime(2026, 3, 2, 9, tzinfo=UTC)
_RULES = (0, 1_000, 10_000)
_REGISTRY = RegistryDocument.model_validate(
    {"name": "bench", "services": {"shop": {"controller": "platform", "regions": ["KR"]}}}
)


def pack_with(extra: int) -> Pack:
    """The default pack with so many further rules, each for one category that the event does not name."""
    files = files_of_default_pack()
    categories = ("content.photo", "interaction.survey", "provided.gender", "automatic.language")
    files["policy/zz-more.cedar"] = "\n".join(
        f'@id("more-{number}") @clause("3.1") @reason("no_rule_permits")\n'
        f'forbid (principal, action == Action::"use", resource in Category::"{categories[number % 4]}")\n'
        f'when {{ context.purpose == Purpose::"service.provide" && context.recipient_type == "r{number}" }};'
        for number in range(extra)
    )
    return load_pack(files)


def event_of(categories: list[str]) -> Event:
    """A use of two categories, as the checker reads it."""
    return decode_event(
        json.dumps(
            {
                "specversion": "1.0",
                "id": "e-1",
                "source": "/services/shop",
                "type": "flowtrack.use.v1",
                "subject": "0" * 32,
                "time": _AT.isoformat(),
                "data": {"categories": categories, "purpose": "service.provide"},
            }
        ).encode()
    )


def history_of(records: int) -> tuple[Entry, ...]:
    """A subject that accepted the terms and decided on so many consents."""
    history: tuple[Entry, ...] = ()
    before_us = instant_us(_AT) - 400 * DAY_US
    for number in range(records):
        kind = "terms" if number == 0 else "consent"
        state = "accepted" if number == 0 else ("given", "withdrawn")[number % 2]
        data = ConsentData.model_validate(
            {"record": f"r{number // 2}", "kind": kind, "state": state, "scope": {"purpose": "service"}}
        )
        history = with_entry(history, entry_of(f"c{number}", before_us + number * DAY_US, data))
    return history


def per_call_us(call: Callable[[], object], calls: int) -> float:
    """Processor time of one call, in microseconds."""
    begun = time.process_time()
    for _ in range(calls):
        call()
    return (time.process_time() - begun) / calls * 1e6


def main() -> None:
    """Measure each in turn, and tell."""
    options = arguments(__doc__)
    rounds, calls = (1, 50) if options.tiny else (options.rounds, 20_000)
    extras = (0, 100) if options.tiny else _RULES
    event = event_of(["provided.email", "provided.phone"])
    view = as_of(history_of(3), instant_us(_AT))
    values: dict[tuple[str, str, str], list[float]] = {}
    packs = {extra: pack_with(extra) for extra in extras}
    for _ in range(rounds):
        for pack in packs.values():
            rules = f"{len(pack.rules):,} rules"
            for name, value in _decisions(pack, event, view, calls).items():
                values.setdefault((f"{name}, {rules}", "us", _GOALS.get(name, "")), []).append(value)
        for name, value in _consents(packs[0], calls).items():
            values.setdefault((name, "us", _GOALS.get(name, "")), []).append(value)
    figures = [Figure(name, unit, tuple(each), goal) for (name, unit, goal), each in values.items()]
    tell("Deciding", figures, options.json)


_GOALS = {
    "warm decision, a category": "<= 1.5",
    "cold situation": "<= 300",
    "covers, a pair": "<= 5",
    "consent as of an instant, 20 records": "<= 2",
}


def _decisions(pack: Pack, event: Event, view: ConsentView, calls: int) -> dict[str, float]:
    judge = Judge(pack)
    decider = PackDecider(judge, registry_of([pack.registry, _REGISTRY]), "bench")
    at_us = instant_us(_AT)
    first = decider.answer(Kind.USE, event, view, at_us).verdict
    decider.answer(Kind.USE, event, view, at_us)
    warm = per_call_us(lambda: decider.answer(Kind.USE, event, view, at_us), calls) / len(first.categories)
    situation = first.categories[0].situation
    if situation is None:
        raise AssertionError("a judged category has a situation")
    cold_calls = max(20, calls // 100)
    numbered = iter(range(10 * cold_calls))
    cold = per_call_us(
        lambda: judge.judge(
            situation._replace(circumstances=situation.circumstances._replace(terms=f"t{next(numbered)}"))
        ),
        cold_calls,
    )
    everything = policy_set(list(pack.rules))
    request, entities = request_of(situation), judge.entities_of(situation)
    peer = per_call_us(lambda: cedarpy.is_authorized(request, everything, entities), cold_calls)
    return {"warm decision, a category": warm, "cold situation": cold, "peer: Cedar, one parsed set": peer}


def _consents(pack: Pack, calls: int) -> dict[str, float]:
    consent = UsagePolicy(data="contact", processing="share", purpose="recommendation", recipient="partner")
    use = UsagePolicy(data="provided.email", processing="share", purpose="recommendation.send", recipient="acme")
    parties = {"acme": "partner"}
    history, at_us = history_of(20), instant_us(_AT)
    packing = Packing()
    packed, forms = packing.pack(0, history), Forms(packing, Standings())
    _, count, expiring = HEAD.unpack_from(packed)
    within_us = at_us - 391 * DAY_US  # between the ninth record and the tenth
    return {
        "covers, a pair": per_call_us(lambda: covers(consent, use, pack.vocabularies, parties=parties), calls),
        "consent as of an instant, 20 records": per_call_us(
            lambda: forms.standing(packed, count, expiring, within_us), calls
        ),
        "the same after all records": per_call_us(lambda: forms.standing(packed, count, expiring, at_us), calls),
        "peer: the same by the plain definition": per_call_us(lambda: as_of(history, at_us), calls),
    }


if __name__ == "__main__":
    main()
