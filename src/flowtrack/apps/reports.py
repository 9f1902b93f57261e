"""What `flowtrack report` does: order a report from the ledger that there is, and write it as HTML or JSON."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from flowtrack.adapters.pages.reports.render import render
from flowtrack.apps.ledger import asker, open_ledger
from flowtrack.apps.ledger_packs import packs_of
from flowtrack.apps.reports_settings import ReportSettings
from flowtrack.apps.settings import read
from flowtrack.audit.reports.orders import Bench, Order, order_of
from flowtrack.audit.roles import Asker
from flowtrack.errors import ConfigurationError

if TYPE_CHECKING:
    from flowtrack.audit.reports.frame import Report


def write_report(
    name: str,
    fields: dict[str, Any],
    *,
    data_dir: Path,
    why: str,
    lang: str,
    as_json: bool,
    output: Path | None,
) -> Report:
    """Make a report, and write it to a file or to standard output.

    Raises:
        ConfigurationError: an option is not right, or the file cannot be written.
        QuestionError: the order is not right.
        StoreError: there is no ledger, or it does not answer.
    """
    order = ordered(name, fields)
    with open_ledger(data_dir) as ledger:
        bench = Bench(
            ledger=ledger,
            asker=Asker(who=asker(), why=why),
            now=datetime.now(UTC),
            packs=packs_of(ledger),
            terms=read(ReportSettings).terms,
        )
        report = order.make(bench)
    text = report.model_dump_json(indent=2) + "\n" if as_json else render(report, lang)
    if output is None:
        sys.stdout.write(text)
    else:
        _save(output, text)
    if not report.head.complete:
        sys.stderr.write("flowtrack: some answers are cut off: the report says which\n")
    return report


def ordered(name: str, fields: dict[str, Any]) -> Order:
    """Give the order that options mean.

    Raises:
        ConfigurationError: one is not right; it is named, what was given is not.
    """
    try:
        return order_of(name, fields)
    except ValidationError as error:
        wrong = sorted({str(fault["loc"][0]) for fault in error.errors(include_input=False) if fault["loc"]})
        options = ", ".join(f"--{each.replace('_', '-')}" for each in wrong)
        raise ConfigurationError(
            f"the order is not right in `{options}`",
            where=name,
            help="instants are ISO 8601 with zone, subjects 32 hex digits; see flowtrack report --help",
        ) from None


def _save(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"cannot write `{path}`: {error.strerror}", where="--output", help="name a file in a folder that is there"
        ) from error
