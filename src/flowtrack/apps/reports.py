"""`flowtrack report NAME`: order a report from the ledger that there is, and write it as HTML or JSON."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import file_digest
from inspect import Parameter, Signature, getdoc
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from pydantic import ValidationError

from flowtrack.adapters.pages.rendering import Language
from flowtrack.adapters.pages.reports.render import render
from flowtrack.apps.answer_forms import csv_writer, parquet_writer
from flowtrack.apps.ask_fields import option_of, parameters_of
from flowtrack.apps.directory import DEFAULT
from flowtrack.apps.ledger import asker, open_ledger
from flowtrack.apps.ledger_packs import packs_of
from flowtrack.apps.options import DataDir
from flowtrack.apps.reports_settings import ReportSettings
from flowtrack.apps.settings import read
from flowtrack.audit.family import ROWS_MAX, PagedQuestion
from flowtrack.audit.following import pages_of
from flowtrack.audit.reports.ordering import Annex, Bench, Order, faults_of
from flowtrack.audit.reports.orders import ORDERS, order_of
from flowtrack.audit.roles import Asker
from flowtrack.audit.row_forms import columns_of
from flowtrack.errors import ConfigurationError

if TYPE_CHECKING:
    from flowtrack.audit.ledger import Ledger
    from flowtrack.audit.reports.frame import Report

_FORMS: Final = "instants are ISO 8601 with zone, subjects 32 hex digits, a month is 2026-03"
_WHY = Annotated[
    str, typer.Option(help="What the report is for, e.g. the number of a case: it says so, and so does the log.")
]
_LANG = Annotated[Language, typer.Option(help="Language of the HTML; the JSON holds both.")]
_JSON = Annotated[bool, typer.Option("--json", help="The report as JSON instead of HTML.")]
_OUTPUT = Annotated[Path | None, typer.Option(help="Into this file instead of standard output.")]
_ANNEX: Final[dict[str, Any]] = {
    "subjects": Annotated[
        Path | None,
        typer.Option(help="List every subject in this file, .csv or .parquet; the report says its rows and its hash."),
    ],
}
"""The option of each kind of annex."""
SHARED: Final = [
    Parameter("why", Parameter.KEYWORD_ONLY, annotation=_WHY, default=""),
    Parameter("lang", Parameter.KEYWORD_ONLY, annotation=_LANG, default=Language.EN),
    Parameter("data_dir", Parameter.KEYWORD_ONLY, annotation=DataDir, default=DEFAULT),
    Parameter("json", Parameter.KEYWORD_ONLY, annotation=_JSON, default=False),
    Parameter("output", Parameter.KEYWORD_ONLY, annotation=_OUTPUT, default=None),
]
"""The options of every report."""


def commands() -> dict[str, Any]:
    """Give a command for each report, by name."""
    app = typer.Typer(rich_markup_mode=None)
    app.callback()(lambda: None)  # so that one command alone stays a command of its own
    for name, order in ORDERS.items():
        app.command(name)(_command_of(name, order))
    group: Any = typer.main.get_command(app)
    return dict(group.commands)


def _command_of(name: str, order: type[Order]) -> Callable[..., None]:
    """Give the function that typer makes a report's command of."""

    def run(**given: Any) -> None:  # noqa: ANN401 - typer gives each field in its type
        said = {each.name: given.pop(each.name) for each in SHARED}
        as_json, annex = said.pop("json"), given.pop(order.annex, None)
        write_report(name, given, as_json=as_json, annex=annex, **said)

    annexes = [order.annex] if order.annex else []
    also = [Parameter(each, Parameter.KEYWORD_ONLY, annotation=_ANNEX[each], default=None) for each in annexes]
    run.__signature__ = Signature([*parameters_of(order), *also, *SHARED])  # type: ignore[attr-defined]  # typer reads it
    run.__doc__ = getdoc(order)
    run.__name__ = name
    return run


def write_report(
    name: str,
    fields: dict[str, Any],
    *,
    data_dir: Path,
    why: str,
    lang: str,
    as_json: bool,
    output: Path | None,
    annex: Path | None = None,
) -> Report:
    """Make a report, and write it to a file or to standard output; before it its annex, where one is wanted.

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
        question = None if annex is None else order.annex_of(report)
        if annex is not None and question is not None:
            report = order.with_annex(report, write_annex(annex, question, ledger, bench.asker))
    text = report.model_dump_json(indent=2) + "\n" if as_json else render(report, lang)
    if output is None:
        sys.stdout.write(text)
    else:
        _save(output, text)
    if not report.head.complete:
        sys.stderr.write("flowtrack: some answers are cut off: the report says which\n")
    return report


def write_annex(path: Path, question: PagedQuestion[Any], ledger: Ledger, asker: Asker) -> Annex:
    """Write every row of a question into a file, page by page, and say what it holds.

    Raises:
        ConfigurationError: the file cannot be written.
        StoreError: the ledger does not answer.
    """
    columns = columns_of(question.answer)
    opening = parquet_writer if path.suffix == ".parquet" else csv_writer
    rows = 0
    with opening(path, columns) as writer:
        for page in pages_of(ledger, question.model_copy(update={"limit": ROWS_MAX}), asker):
            writer.write(page.rows)
            rows += len(page.rows)
    with path.open("rb") as file:
        return Annex(path.name, rows, file_digest(file, "sha256").hexdigest())


def ordered(name: str, fields: dict[str, Any]) -> Order:
    """Give the order that options mean.

    Raises:
        ConfigurationError: one is not right; it is named, what was given is not.
    """
    try:
        return order_of(name, fields)
    except ValidationError as error:
        wrong, lacks = faults_of(error)
        options = ", ".join(map(option_of, wrong))
        needed = f"it takes {lacks}; " if lacks else ""
        raise ConfigurationError(
            f"the order is not right in `{options}`" if wrong else "the order is not whole",
            where=name,
            help=f"{needed}{_FORMS}; see flowtrack report {name} --help",
        ) from None


def _save(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"cannot write `{path}`: {error.strerror}", where="--output", help="name a file in a folder that is there"
        ) from error
