"""Sums that tests make of a ledger's answers."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

from flowtrack.audit.ledger import Ledger
from flowtrack.audit.questions import Situations

Hits = dict[tuple[str, str, str], int]
"""By pack, rule and verdict, the flows that the rule decided."""


def rules_hit(ledger: Ledger, as_of: datetime | None = None, known_at: datetime | None = None) -> Hits:
    """How often each rule decided, and with what outcome, by what had happened and was known at two instants."""
    until = None if as_of is None else as_of + timedelta(microseconds=1)  # it holds to the instant itself
    met = ledger.situations_met(Situations(until=until, known_at=known_at))
    rules = {(each.pack, each.situation): each.rules for each in met.judgements}
    hits: Counter[tuple[str, str, str]] = Counter()
    for group in met.flows:
        for rule in rules.get((group.pack, group.situation), []):
            hits[group.pack, rule, group.verdict] += group.flows
    return dict(hits)
