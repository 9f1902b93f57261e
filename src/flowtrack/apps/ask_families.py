"""`flowtrack ask FAMILY`: a command for each family of questions, made from its fields, and what it does."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import Parameter, Signature, getdoc
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from flowtrack.apps import answer_forms as forms
from flowtrack.apps.answer_forms import Form
from flowtrack.apps.answer_tables import about_parts, left_out, parts_of
from flowtrack.apps.ask_fields import parameters_of
from flowtrack.apps.directory import DEFAULT
from flowtrack.apps.ledger import asking, open_ledger
from flowtrack.apps.options import DataDir
from flowtrack.apps.screen import Screen
from flowtrack.audit.families import FAMILIES, question_of
from flowtrack.audit.family import ROWS_MAX, Answer, PagedQuestion, Question
from flowtrack.audit.following import joined, pages_of
from flowtrack.audit.roles import Asker
from flowtrack.audit.row_forms import columns_of
from flowtrack.errors import ConfigurationError

if TYPE_CHECKING:
    from flowtrack.audit.ledger import Ledger

_WHY = Annotated[
    str, typer.Option(help="What the question is for, e.g. the number of a case: the log of questions keeps it.")
]
_ALL = Annotated[bool, typer.Option("--all", help="Follow all pages; --limit is then the size of a page.")]
_JSON = Annotated[bool, typer.Option("--json", help="One JSON document instead of a table.")]
_CSV = Annotated[bool, typer.Option("--csv", help="The main table's rows as CSV.")]
_PARQUET = Annotated[Path | None, typer.Option(help="The main table's rows as Parquet, into this file.")]
_OUTPUT = Annotated[
    Path | None,
    typer.Option(help="Into this file; without another option its ending says the form: .json, .csv, .parquet."),
]


def _option(name: str, annotation: object, default: object) -> Parameter:
    return Parameter(name, Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


SHARED: Final = [
    _option("data_dir", DataDir, DEFAULT),
    _option("json", _JSON, default=False),
    _option("csv", _CSV, default=False),
    _option("parquet", _PARQUET, default=None),
    _option("output", _OUTPUT, default=None),
]
"""The options of every question."""


def command_of(family: type[Question[Any]]) -> Callable[..., None]:
    """Give the function that typer makes a family's command of."""

    def run(**given: Any) -> None:  # noqa: ANN401 - typer gives each field in its type
        out = {name: given.pop(name) for name in ("json", "csv", "parquet", "output")}
        pages, why, data_dir = given.pop("all", False), given.pop("why", ""), given.pop("data_dir")
        form, path = forms.form_of(as_json=out["json"], as_csv=out["csv"], parquet=out["parquet"], output=out["output"])
        if form is Form.PARQUET and path is None:
            raise ConfigurationError("Parquet goes into a file", where="--parquet", help="name it")
        fields = {name: value for name, value in given.items() if value is not None}
        question = question_of(family.family, fields)
        with open_ledger(data_dir) as ledger:
            give(ledger, question, who_asks(question, why), form, path, pages=pages)

    run.__signature__ = Signature([*parameters_of(family), *extras_of(family), *SHARED])  # type: ignore[attr-defined]  # typer reads it
    run.__doc__ = getdoc(family)
    run.__name__ = family.family
    return run


def extras_of(family: type[Question[Any]]) -> list[Parameter]:
    """Give the options that questions have which touch subjects, and those that come in pages."""
    shows_subjects = family.names_subjects or "subject" in family.model_fields
    found = [_option("why", _WHY, "")] if shows_subjects else []
    return [*found, _option("all", _ALL, default=False)] if issubclass(family, PagedQuestion) else found


def commands() -> dict[str, Any]:
    """Give the commands of all families, by name."""
    app = typer.Typer(rich_markup_mode=None)
    app.callback()(lambda: None)  # so that one command alone stays a command of its own
    for name, family in FAMILIES.items():
        app.command(name)(command_of(family))
    group: Any = typer.main.get_command(app)
    return dict(group.commands)


def give(ledger: Ledger, question: Question[Any], who: Asker, form: Form, path: Path | None, *, pages: bool) -> None:
    """Ask, and give the answer in a form; rows of CSV and Parquet are handed on page by page.

    Raises:
        QuestionError: the question is not right.
        StoreError: the ledger does not answer.
        ConfigurationError: the file cannot be written.
    """
    if form in {Form.CSV, Form.PARQUET}:
        _give_rows(ledger, question, who, form, path, pages=pages)
        return
    answer = joined(list(_answers(ledger, question, who, pages=pages)))
    if form is Form.JSON:
        forms.write_json(path, answer)
        if answer.about.completeness.truncated:
            sys.stderr.write(f"flowtrack: {left_out(answer.about)}\n")
        return
    with forms.opened(path) as file:
        Screen(file).show(*parts_of(question.family, answer))


def _give_rows(
    ledger: Ledger, question: Question[Any], who: Asker, form: Form, path: Path | None, *, pages: bool
) -> None:
    columns = columns_of(question.answer)
    opening = (
        forms.csv_writer(path, columns) if path is None or form is Form.CSV else forms.parquet_writer(path, columns)
    )
    last: Answer | None = None
    with opening as writer:
        for last in _answers(ledger, question, who, pages=pages):
            writer.write(last.rows)
    if last is not None:
        Screen(sys.stderr).show(*about_parts(last.about))


def _answers(ledger: Ledger, question: Question[Any], who: Asker, *, pages: bool) -> Iterator[Answer]:
    """Ask; with all pages, ask on until there is no more."""
    if pages and isinstance(question, PagedQuestion) and "limit" not in question.model_fields_set:
        question = question.model_copy(update={"limit": ROWS_MAX})
    rows = 0
    with _waiting(question.family) as told:
        for answer in islice(pages_of(ledger, question, who), None if pages else 1):
            rows += len(answer.rows)
            told(rows)
            yield answer


@contextmanager
def _waiting(family: str) -> Iterator[Callable[[int], None]]:
    """Show on a terminal that work goes on and how many rows have come; elsewhere nothing."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console

    with Console(stderr=True).status(f"asking {family} …") as status:
        yield lambda rows: status.update(f"asking {family}: {rows:,} rows …")


def who_asks(question: Question[Any], why: str) -> Asker:
    """Give who asks; on a terminal, what a question about subjects is for is asked where no option says it."""
    if question.needs_purpose and not why and sys.stdin.isatty() and sys.stderr.isatty():
        why = typer.prompt(
            "What is the question for (e.g. the number of a case)", default="", show_default=False, err=True
        )
    return asking(why)
