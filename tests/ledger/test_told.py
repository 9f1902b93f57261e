"""What comes over HTTP from a ledger that lags, goes on meanwhile, or has forgotten somebody."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from flowtrack.adapters.clickhouse.pool import LedgerPool
from flowtrack.adapters.clickhouse.sink import SinkStore
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.audit.erasure import Erase
from flowtrack.audit.families import FAMILIES
from flowtrack.audit.family import Answer, Question
from flowtrack.audit.roles import Asker, Role
from flowtrack.audit.violations import Violations
from flowtrack.testing.ledger import MemoryLedger
from tests.api.conftest import Api, Flowing, ended
from tests.api.test_questions import required
from tests.ledger.conftest import ASKER, clock
from tests.ledger.day import START, subject_of
from tests.ledger.keeping import NOW, keeper_of
from tests.ledger.subjects_day import write_days

LAG = 5
SINCE = {"since": "2026-01-01T00:00:00Z"}


@pytest.fixture
def written(store: Store) -> Store:
    """A ledger with days in it."""
    write_days(SinkStore(store))
    return store


@pytest.fixture
def lagging(written: Store, tmp_path: Path) -> Iterator[Api]:
    """The API over a ledger that lags."""
    with LedgerPool(written.settings, 4, clock=clock, lag=lambda: LAG) as pool:
        unbounded = {"rate_per_minute": 100_000, "exports_per_minute": 100_000}
        yield Api(pool, tmp_path, unbounded, streams=pool)


def asked_of(family: type[Question[Any]]) -> dict[str, str]:
    """What a family is asked with, about somebody who is there."""
    said = required(family)
    return {**said, "subject": subject_of(0)} if "subject" in said else said


def test_a_ledger_that_lags_says_so_in_every_answer_and_export(lagging: Api) -> None:
    """Each answer and each export says how many records it lacks, and what it is complete up to; none knows more."""
    client = lagging.client(Role.AUDITOR, Role.SUBJECT_DESK)
    for name, family in FAMILIES.items():
        about = client.get(f"/v1/{name}", params=asked_of(family)).json()["about"]
        complete = about["completeness"]["complete_up_to"]
        assert (about["completeness"]["lag_records"], bool(complete)) == (LAG, True), name
        assert family.by_clock or about["question"]["known_at"] == complete, name
    for name in (*FAMILIES, "flows", "lineage"):
        said = asked_of(FAMILIES[name]) if name in FAMILIES else SINCE
        response = client.get(f"/v1/{name}/export", params=said)
        end = ended(response.content)[1]["about"]["completeness"]
        assert (end["lag_records"], response.headers["flowtrack-lag-records"]) == (LAG, str(LAG)), name
        assert response.headers["flowtrack-complete-up-to"][:19] == end["complete_up_to"][:19], name
    for form in ("csv", "parquet"):
        for name in ("flows", "violations"):
            response = client.get(f"/v1/{name}/export", params={"format": form})
            assert response.headers["flowtrack-lag-records"] == str(LAG)
            assert form == "parquet" or f",lag-records={LAG}" in response.text.splitlines()[-1]


def test_the_end_of_an_export_claims_no_more_than_its_rows(tmp_path: Path) -> None:
    """While pages are written the ledger goes on: the end says how far it had come at the first of them."""
    ledger = MemoryLedger(clock)
    write_days(ledger)
    first = ledger.ask(Violations(limit=10_000), asker=ASKER)

    class GoingOn:
        """Answers with two pages, the second from a ledger that has come further, by another pack."""

        def ask(self, question: Question[Answer], *, asker: Asker) -> Answer:
            del asker
            if not getattr(question, "after", ""):
                return first.model_copy(update={"about": first.about.cut(None, "more")})
            come = first.about.completeness.model_copy(update={"complete_up_to": START + timedelta(days=99)})
            about = first.about.model_copy(update={"completeness": come}).judged_by(["later@2"], [])
            return first.model_copy(update={"about": about, "rows": first.rows[:1]})

    api = Api(GoingOn(), tmp_path, streams=Flowing(0))  # type: ignore[arg-type]  # answers of one family only
    rows, end = ended(api.client(Role.AUDITOR).get("/v1/violations/export").content)
    complete = first.about.completeness.complete_up_to
    assert complete is not None
    assert len(rows) == len(first.rows) + 1
    assert end["about"]["completeness"]["complete_up_to"] == complete.isoformat().replace("+00:00", "Z")
    assert end["about"]["versions"]["packs"] == sorted({*first.about.versions.packs, "later@2"})


def test_who_was_erased_is_in_nothing_that_comes(written: Store, lagging: Api) -> None:
    """No answer, later page or export names a subject that was erased; that it was stands in the audit log."""
    subject = subject_of(0)
    client = lagging.client(Role.AUDITOR, Role.SUBJECT_DESK)
    assert subject in client.get("/v1/violations?limit=10000").text
    cursor = client.get("/v1/violations?limit=2").links["next"]["url"]
    keeper_of(written, now=NOW).erase(Erase(subjects=[subject], reason="request 4"), asker="jo")
    for name, family in FAMILIES.items():
        if name == "audit-log":  # names whoever is asked about, from now on
            continue
        for address in (f"/v1/{name}", f"/v1/{name}/export"):
            response = client.get(address, params=asked_of(family))
            assert response.status_code == 200, response.text
            asked = f'"subject":"{subject}"'  # by the question, as the answer repeats it
            assert subject not in response.text.replace(": ", ":").replace(asked, "", 1), address
    assert subject not in client.get("/v1/flows/export?subjects=true").text
    assert subject not in client.get(cursor).text
    assert client.get("/v1/trail", params={"subject": subject}).json()["rows"] == []
    lines = client.get("/v1/audit-log").json()["rows"]
    assert "erase" in {line["asked"] for line in lines}
    assert not any(subject in line["parameters"] for line in lines)
