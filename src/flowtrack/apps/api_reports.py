"""Reports for the API and the pages: made from the ledger that they ask, written by the pages' renderer."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from functools import partial

from flowtrack.adapters.http.api.reports import Making
from flowtrack.adapters.pages.reports.render import render
from flowtrack.apps.ledger_packs import packs_of
from flowtrack.apps.reports_settings import ReportSettings
from flowtrack.apps.settings import read
from flowtrack.audit.ledger import Ledger
from flowtrack.audit.reports.frame import Report
from flowtrack.audit.reports.ordering import Bench, Order
from flowtrack.audit.reports.terms import Terms
from flowtrack.audit.roles import Asker
from flowtrack.errors import QuestionError

WholeLedger = Callable[[], AbstractContextManager[Ledger]]
"""Opens the ledger for one thread at a time."""


def making(whole: WholeLedger) -> Making:
    """Give how reports are made.

    Raises:
        ConfigurationError: a setting of reports is wrong.
    """
    return Making(partial(_made, whole, read(ReportSettings).terms), render)


def _made(whole: WholeLedger, terms: Terms, order: Order, asker: Asker) -> Report:
    with whole() as ledger:
        bench = Bench(ledger=ledger, asker=asker, now=datetime.now(UTC), packs=packs_of(ledger), terms=terms)
        try:
            return order.make(bench)
        except OverflowError:  # deadlines are counted from what the order says
            raise QuestionError(
                "an instant of the order is too far away", help="give instants between the years 1900 and 9000"
            ) from None
