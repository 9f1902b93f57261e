"""A report as one HTML file: nothing in it comes from elsewhere, so it can be printed, sent and kept."""

from __future__ import annotations

from typing import NamedTuple

from flowtrack.adapters.pages.rendering import Language, Words, stylesheet, words
from flowtrack.adapters.pages.rendering import render as filled
from flowtrack.adapters.pages.reports.cells import Cell, Cells
from flowtrack.adapters.pages.reports.pictures import pictures_of
from flowtrack.adapters.pages.reports.sections import SECTIONS, Facts, Group, Section
from flowtrack.audit.reports.frame import Report

_TEMPLATE = "reports/report.html"
_ANSWER = ("family", "id", "complete_up_to", "lag_records", "truncated", "left_out", "excerpt")


class Shown(NamedTuple):
    """A section as it is written."""

    id: str
    heading: str
    about: str
    """What it tells, in a sentence; empty where the heading says it."""
    kind: str
    """`facts` or `table`."""
    columns: list[str]
    rows: list[list[Cell]]


def render(report: Report, lang: str | Language = Language.EN) -> str:
    """Give a report as HTML.

    Args:
        report: any of those in `flowtrack.audit.reports`.
        lang: `ko` or `en`.

    Raises:
        ConfigurationError: a word is missing.
        ValueError: there is no such language.
    """
    language = Language(lang)
    t = words(language)
    cells = Cells(report.head, t)
    return filled(
        _TEMPLATE,
        language,
        css=stylesheet(),
        report=report,
        head=report.head,
        title=t(f"report.{report.name}.title"),
        about=t(f"report.{report.name}.about"),
        sections=[_shown(report, section, cells, t) for section in SECTIONS[report.name]],
        pictures=list(pictures_of(report, cells, t)),
        answers=[cells.row(each, _ANSWER) for each in report.head.answers],
        answer_columns=[t(f"report_column.{name}") for name in _ANSWER],
        text=cells.text,
    )


def _shown(report: Report, section: Section, cells: Cells, t: Words) -> Shown:
    heading = t(f"report.{report.name}.{section.name}")
    code = f"{report.name}.{section.name}"
    about = said if (said := t.code("about", code)) != code else ""
    if isinstance(section, Facts | Group):
        whose = report if isinstance(section, Facts) else getattr(report, section.name)
        rows = [[t(f"report_column.{name}"), cells.cell(name, getattr(whose, name))] for name in section.fields]
        return Shown(section.name, heading, about, "facts", [], rows)
    columns = [t(f"report_column.{name}") for name in section.columns]
    rows = [cells.row(each, section.columns) for each in getattr(report, section.name)]
    return Shown(section.name, heading, about, "table", columns, rows)
