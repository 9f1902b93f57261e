"""Pages over a ledger in memory, asked as a browser asks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any, NamedTuple

import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient

from flowtrack.adapters.pages.site.frame import Backing
from flowtrack.adapters.pages.site.router import pages_router
from flowtrack.apps.api_reports import making
from flowtrack.apps.ledger_packs import packs_of
from flowtrack.audit.accounts import Account
from flowtrack.audit.family import Question
from flowtrack.audit.reports.frame import Report
from flowtrack.audit.reports.ordering import Order
from flowtrack.audit.roles import Asker, Role
from flowtrack.errors import AccessError
from flowtrack.testing.ledger import MemoryLedger
from flowtrack.tracking import rows as tables
from flowtrack.tracking.ledger import LedgerWriter
from flowtrack.tracking.records import Topic
from tests.ledger.day import a_day
from tests.reports import day as reports_day


class Shown(NamedTuple):
    """A page as it came."""

    status_code: int
    text: str
    headers: dict[str, str]


class Site:
    """Pages for whoever has a role.

    Args:
        ledger: who answers.
    """

    def __init__(self, ledger: MemoryLedger) -> None:
        self.ledger = ledger
        self.roles: tuple[Role, ...] = (Role.AUDITOR,)
        app = FastAPI()
        backing = Backing(self._ask, self._account, lambda: nullcontext(ledger), packs_of, self._report)
        app.include_router(pages_router(backing))
        self.client = TestClient(app, base_url="http://site", follow_redirects=True)

    async def _ask(self, question: Question[Any], asker: Asker) -> Any:
        return self.ledger.ask(question, asker=asker)

    async def _report(self, order: Order, asker: Asker) -> Report:
        return making(lambda: nullcontext(reports_day.ledger())).make(order, asker)

    async def _account(self, _: Request) -> Account:
        if not self.roles:
            raise AccessError("who asks is not known", known=False)
        return Account(who="jo", roles=self.roles, key="k")

    def say_why(self) -> None:
        """Say a purpose for lists whose rows name subjects, as its form does."""
        self.client.post("/purpose", data={"subject": "", "why": "case 1", "then": "/what-if"})

    def get(self, path: str, **parameters: str) -> Shown:
        """Open a page."""
        response = self.client.get(path, params=parameters or None)  # none at all: `{}` takes those of the path away
        return Shown(response.status_code, response.text, dict(response.headers))


@pytest.fixture
def site() -> Iterator[Site]:
    """The pages over a sample day."""
    ledger = MemoryLedger()
    records = [record for record in a_day(150) if record.topic not in {Topic.POLICIES, Topic.REGISTRY}]
    LedgerWriter(ledger, "run").process(records)
    for row in ledger.tables[tables.JUDGEMENTS]:
        row["attributes"] = ""  # those of the sample day are invented, and no pack can judge them anew
    made = Site(ledger)
    with made.client:
        made.say_why()
        yield made
