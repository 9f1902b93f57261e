"""What an erasure takes away between two statements of one answer makes neither a hole nor an error."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from flowtrack.adapters.clickhouse.hiding import hide
from flowtrack.adapters.clickhouse.holds import Condition
from flowtrack.adapters.clickhouse.ledger import ClickHouseLedger
from flowtrack.adapters.clickhouse.sink import SinkStore
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.audit.exposed import ExposedSubjects, ledger_order
from flowtrack.audit.following import pages_of
from flowtrack.audit.violations import Violations
from flowtrack.domain.names import Verdict
from flowtrack.tracking.ledger import LedgerWriter
from tests.ledger.conftest import ASKER, clock
from tests.ledger.day import START, START_MS, category, decision, record, subject_of

pytestmark = pytest.mark.embedded


def written(store: Store) -> tuple[str, str]:
    """Deny two flows of one subject, and after two days two of another; give both, the first in the ledger's order."""
    first, last = sorted((subject_of(1), subject_of(2)), key=ledger_order)
    denied = category("provided.email", Verdict.DENY)
    made = [
        decision(number, denied, subject=subject, happened_at=START + timedelta(days=number // 2, minutes=number))
        for number, subject in enumerate([last, last, first, first])
    ]
    records = [record(each, number, at_ms=START_MS + number) for number, each in enumerate(made)]
    LedgerWriter(SinkStore(store), "all").process(records)
    return first, last


def erase_behind(statement: str, subject: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Hide a subject once a statement with these words was answered; give a list that it is then in."""
    rows, erased = Store.rows, list[str]()

    def answered(self: Store, asked: str, **parameters: object) -> list[tuple[Any, ...]]:
        found = rows(self, asked, **parameters)
        if statement in asked and not erased:
            erased.append(subject)
            hide(self, "flows", Condition("subject = {gone:UUID}", {"gone": subject}))
        return found

    monkeypatch.setattr(Store, "rows", answered)
    return erased


def test_violations_behind_those_that_were_erased_are_found(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A day may have fewer than were counted on it: then days before it are looked at, too."""
    newest, other = written(store)
    erased = erase_behind("AS day_s", newest, monkeypatch)
    answer = ClickHouseLedger(store, clock=clock).ask(Violations(limit=1), asker=ASKER)
    assert erased == [newest]
    assert [row.subject for row in answer.rows] == [other]
    assert answer.about.completeness.truncated


def test_pages_of_subjects_go_on_behind_one_that_was_erased(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page of none but subjects that are gone by now says where the next one begins."""
    first, last = written(store)
    erased = erase_behind("groupArraySorted", first, monkeypatch)
    pages = pages_of(
        ClickHouseLedger(store, clock=clock), ExposedSubjects(start="service", name="shop", limit=1), ASKER
    )
    assert [row.subject for page in pages for row in page.rows] == [last]
    assert erased == [first]
