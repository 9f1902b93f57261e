"""A week of events with datasets, references, facts and origins, some of them judged anew later."""

from __future__ import annotations

import hashlib
from datetime import timedelta

from flowtrack.domain.decision import CategoryDecision, Decision
from flowtrack.domain.facts import Facts, Particulars
from flowtrack.domain.names import Basis, Kind, Method, Verdict
from flowtrack.tracking.ledger import LedgerStore, LedgerWriter
from flowtrack.tracking.records import Record
from flowtrack.tracking.rows import FLOWS, block_of, flow_rows
from tests.ledger.day import START, START_MS, a_day, category, decision, record, situation, subject_of

DAY = timedelta(days=1)
INSTANTS = (
    None,
    START - DAY,
    START + DAY,
    START + timedelta(hours=30),
    START.replace(hour=0) + 2 * DAY,
    START + 9 * DAY,
)
"""Of questions: on and off midnight, before everything and after it."""
_EVENTS = 60
_FIRST_OFFSET = 5_000


def fill(store: LedgerStore) -> None:
    """Write the week into a ledger, and judge some of it anew three days later."""
    writer = LedgerWriter(store, "run")
    writer.process(a_day(120))
    writer.process(_a_week())
    for number in range(0, _EVENTS, 9):
        first = _decision(number)
        later = record(first, 900 + number, at_ms=START_MS + 3 * 86_400_000 + number)
        verdict = Verdict.PERMIT if number % 2 else Verdict.DENY
        amended = first.model_copy(update={"revision": 1, "categories": [category("provided.email", verdict)]})
        taken_back = [row for row in flow_rows(first, later) if row[3] == "provided.email"]
        retracted = [(*row[:5], -1, *row[6:]) for row in taken_back]
        store.insert(block_of(FLOWS, [*retracted, *flow_rows(amended, later)]), f"amendment {number}")


def _a_week() -> list[Record]:
    found = []
    for number in range(_EVENTS):
        each = _decision(number)
        for part in each.categories:
            defined = situation(part)
            said = {**defined.attributes, "basis": each.basis, "method": each.facts.method or "none"}
            found.append(record(defined.model_copy(update={"attributes": said}), 2 * number))
        found.append(record(each, 2 * number + 1, at_ms=START_MS + number * 10_000_000))
    return found


def _decision(number: int) -> Decision:
    verdict = (Verdict.PERMIT, Verdict.DENY, Verdict.INDETERMINATE)[number % 3]
    kind = (Kind.STORE, Kind.USE, Kind.SHARE, Kind.COLLECT)[number % 4]
    basis = Basis.LAW if number % 2 else Basis.DEEMED_CONSENT
    method = None if kind is not Kind.COLLECT else Method.RECEIVED if number % 3 else Method.PROVIDED
    parts = [
        category("provided.email" if number % 4 < 3 else "content.photo", verdict, "r-1" if number % 5 else ""),
        category("provided.phone"),
    ]
    each = decision(
        _FIRST_OFFSET + number,
        *(_of(part, basis, method) for part in parts),
        subject=subject_of(number % 7),
        kind=kind,
        happened_at=START + timedelta(hours=3 * number, microseconds=number),
    )
    return each.model_copy(
        update={
            "service": f"service-{number % 3}",
            "basis": basis.value,
            "purpose": f"purpose-{number % 2}",
            "dataset": f"dataset-{number % 2}" if number % 5 < 3 else "",
            "recipient": _recipient(number) if kind is Kind.SHARE else "",
            "facts": Facts(
                basis=basis if number % 2 else None,
                method=method,
                received_from="partner" if method is Method.RECEIVED else None,
            ),
            "particulars": _particulars(number),
            "registry": "registry@1+more@2" if number % 10 == 0 else "registry@1",
        }
    )


def _of(part: CategoryDecision, basis: Basis, method: Method | None) -> CategoryDecision:
    """The same judgement in the situation that has this basis and method."""
    number = hashlib.blake2b(f"{part.situation} {basis} {method}".encode(), digest_size=8).hexdigest()
    return part.model_copy(update={"situation": number})


def _recipient(number: int) -> str:
    """A party, or now and then another service."""
    return "service-1" if number % 9 == 2 else f"party-{number % 5}"


def _particulars(number: int) -> Particulars:
    stems_from = [f"e-0-{_FIRST_OFFSET + number - 7}"] if number % 7 == 0 and number else None
    return Particulars(reference=f"order-{number % 2}" if number % 6 == 0 else None, derived_from=stems_from)
