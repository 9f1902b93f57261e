"""The lineage of a period over HTTP: as the command line tells it, whole, and for those who may export rows."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path

import pytest
from prov.model import ProvDocument

from flowtrack.apps import exporting
from flowtrack.apps.exporting import PeriodAsked, export_period
from flowtrack.audit.lineage import Lineage, Vocabulary
from flowtrack.audit.roles import Role
from flowtrack.audit.streams import FlowRows
from flowtrack.testing.ledger import MemoryLedger
from tests.api.conftest import Api, Flowing, clock, ended
from tests.ledger.day import START
from tests.ledger.subjects_day import write_days

SINCE = START.isoformat()


@pytest.fixture(scope="module")
def days() -> MemoryLedger:
    """Several days."""
    ledger = MemoryLedger(clock)
    write_days(ledger)
    return ledger


@pytest.mark.parametrize("vocabulary", list(Vocabulary))
@pytest.mark.parametrize("narrowed", [{}, {"service": "desk"}, {"recipient": "bank"}, {"service": "nobody"}], ids=str)
def test_it_is_what_the_command_line_writes(
    make: Callable[..., Api],
    days: MemoryLedger,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    vocabulary: Vocabulary,
    narrowed: dict[str, str],
) -> None:
    """Line for line what `flowtrack export lineage` writes of the same period, and an end that counts and hashes it."""
    until = (START + timedelta(days=2, hours=3)).isoformat()
    client = make(days, Flowing(0)).client(Role.AUDITOR)
    said = {"since": SINCE, "until": until, "vocabulary": vocabulary, **narrowed}
    response = client.get("/v1/lineage/export", params=said)
    monkeypatch.setattr(exporting, "open_ledger", lambda _: nullcontext(days))
    period = PeriodAsked(SINCE, until, "", narrowed.get("service", ""), narrowed.get("recipient", ""))
    export_period(vocabulary, tmp_path, period, tmp_path / "written")
    rows, end = ended(response.content)
    assert rows == [json.loads(line) for line in (tmp_path / "written").read_text().splitlines()]
    assert bool(rows) == ("nobody" not in narrowed.values())
    assert response.headers["content-type"] == "application/x-ndjson"
    assert f'filename="lineage.{vocabulary}.ndjson"' in response.headers["content-disposition"]
    assert (end["about"]["family"], end["about"]["question"]["known_at"][:4]) == ("lineage", "2026")
    assert end["about"]["completeness"]["complete_up_to"]
    assert not any(row["subject"] in response.text for row in days.tables["flows"])
    if vocabulary is Vocabulary.PROV:
        for each in rows:
            assert list(ProvDocument.deserialize(content=json.dumps(each), format="json").get_records())


def test_a_long_period_asks_for_days_on_which_something_flowed(make: Callable[..., Api], days: MemoryLedger) -> None:
    """Two thousand years take no more questions than the days that they hold flows of."""
    client = make(days, Flowing(0), timeout_s=5).client(Role.AUDITOR)
    ever = client.get("/v1/lineage/export", params={"since": "0001-01-01T00:00:00Z", "until": "9999-12-31T00:00:00Z"})
    known = client.get("/v1/lineage/export", params={"since": SINCE})
    assert ended(ever.content)[0] == ended(known.content)[0] != []
    backwards = client.get("/v1/lineage/export", params={"since": "2030-01-01T00:00:00Z", "until": SINCE})
    assert ended(backwards.content)[0] == []


def test_all_days_are_told_as_of_what_was_known_first(make: Callable[..., Api]) -> None:
    """What is recorded while an export is under way is not in its later days."""
    ledger = MemoryLedger(clock)
    write_days(ledger)
    before = ended(make(ledger, Flowing(0)).client(Role.AUDITOR).get(f"/v1/lineage/export?since={_at(SINCE)}").content)

    class Growing:
        """Records more before each answer but the first."""

        def __init__(self) -> None:
            self.asked = 0

        def ask(self, question: object, *, asker: object) -> object:
            self.asked += 1
            if self.asked == 2:
                for row in ledger.tables["flows"][:50]:
                    ledger.tables["flows"].append(
                        {**row, "recorded_at": row["recorded_at"] + 10**9, "source_offset": 9}
                    )
            return ledger.ask(question, asker=asker)  # type: ignore[arg-type]  # as it came

    growing = Growing()
    client = make(growing, Flowing(0)).client(Role.AUDITOR)
    rows, _ = ended(client.get(f"/v1/lineage/export?since={_at(SINCE)}").content)
    assert rows == before[0]
    assert growing.asked > 2


@pytest.mark.parametrize("role", list(Role))
def test_roles_limits_and_log_are_those_of_rows_in_bulk(
    make: Callable[..., Api], days: MemoryLedger, role: Role
) -> None:
    """Who may export rows may export lineage, and nobody else; who does is written down, and counts as an export."""
    flowing = Flowing(0)
    api = make(days, flowing, exports_per_minute=2, exports_max=1)
    client = api.client(role)
    asked = client.get("/v1/lineage/export", params={"since": SINCE, "vocabulary": "prov"})
    assert asked.status_code == client.get("/v1/flows/export").status_code
    assert (asked.status_code == 200) == (role in Lineage.roles)
    assert Lineage.roles == FlowRows.roles
    begun = [(question.since, vocabulary, asker.who, asker.role) for question, vocabulary, asker in flowing.begun]
    assert begun == ([(START, "prov", "jo", role)] if role in Lineage.roles else [])
    assert client.get("/v1/lineage/export", params={"since": SINCE}).status_code == 429
    with api.desk.exporting():
        other = api.client(role).get("/v1/lineage/export", params={"since": SINCE})
    assert other.status_code == (503 if role in Lineage.roles else 403)


@pytest.mark.parametrize("wrong", [{}, {"since": "May"}, {"vocabulary": "dpv"}, {"subject": "0" * 32}, {"limit": "1"}])
def test_what_is_not_right_is_refused_before_it_begins(shared: Api, wrong: dict[str, str]) -> None:
    """A period begins somewhere, and an export has the parameters that the document names."""
    said = {**({"since": SINCE} if wrong else {}), **wrong}
    assert shared.client(Role.AUDITOR).get("/v1/lineage/export", params=said).status_code == 422


def _at(moment: str) -> str:
    return moment.replace("+", "%2B")
