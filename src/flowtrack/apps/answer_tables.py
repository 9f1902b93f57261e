"""Answers of all families as tables: made by hand for those in `_MADE_BY_HAND`, from their rows for all others."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any, Final

from pydantic import BaseModel

from flowtrack.apps.clauses import clause_texts
from flowtrack.apps.coverage_tables import tables_of
from flowtrack.apps.questions import completeness_of
from flowtrack.apps.screen import Lines, Part, Table
from flowtrack.apps.trails import tree_of
from flowtrack.audit.explanation import ExplanationAnswer
from flowtrack.audit.family import About, Answer
from flowtrack.audit.violations import ViolationsAnswer

Rows = list[list[str | int]]

CELL_NAMES = 4
"""So many names in a cell; the other forms have all."""
_ROWS_BESIDE = 40
"""So many rows of what stands beside the main table."""
_OWN = {"about", "rows"}


def parts_of(family: str, answer: Answer) -> list[Part]:
    """Give an answer as it is shown on a terminal, what it says of itself at the end."""
    made = _MADE_BY_HAND.get(family, _from_rows)
    return [*made(answer), *about_parts(answer.about)]


def about_parts(about: About) -> list[Part]:
    """Say how complete an answer is, what is left out, and by what its rows were judged."""
    lines = list(about.hints)
    complete = about.completeness
    if complete.truncated:
        lines.append(left_out(about))
    if about.versions.packs:
        lines.append(f"judged by {some(about.versions.packs)}")
    if about.versions.registries:
        lines.append(f"with the registry {some(about.versions.registries)}")
    return [Lines(completeness_of(complete).title, lines)]


def left_out(about: About) -> str:
    """Say that there is more, how much, and how it is had."""
    count = about.completeness.left_out
    how = "--all gives them, --limit more of them" if about.completeness.after else "ask for less at a time"
    return f"{'more rows' if count is None else f'{count:,} rows'} left out: {how}"


def some(names: Sequence[str]) -> str:
    """Give the first of some names, and how many more there are."""
    shown = ", ".join(names[:CELL_NAMES])
    return f"{shown} and {len(names) - CELL_NAMES} more" if len(names) > CELL_NAMES else shown


def _from_rows(answer: Answer) -> list[Part]:
    """The main table, and whatever an answer has beside it: numbers and names as lines, further tables as tables."""
    said: list[str] = []
    tables = [_table(f"{answer.about.family}: {len(answer.rows):,} rows", answer.rows)]
    for name in type(answer).model_fields:
        value = getattr(answer, name)
        if name in _OWN or value in (None, "", [], {}):
            continue
        title = name.replace("_", " ")
        if isinstance(value, list) and isinstance(value[0], BaseModel):
            tables.append(_beside(title.capitalize(), value))
        elif isinstance(value, BaseModel) and any(each for _, each in value):
            said += [f"{title}, {inner.replace('_', ' ')}: {_told(each)}" for inner, each in value]
        elif not isinstance(value, BaseModel):
            said.append(f"{title}: {_told(value)}")
    return [*([Lines("In all", said)] if said else []), *tables]


def _told(value: object) -> str:
    """Give what stands in a line of its own, where no heading says what it is."""
    given = _cell(value)
    if isinstance(value, datetime):
        return f"{given} UTC"
    return f"{given:,}" if isinstance(given, int) else given


def _beside(title: str, rows: Sequence[BaseModel]) -> Part:
    """A further table, as much of it as fits a screen."""
    left_out = len(rows) - _ROWS_BESIDE
    note = f"and {left_out:,} more: --json gives all" if left_out > 0 else ""
    return _table(f"{title}: {len(rows):,}", rows[:_ROWS_BESIDE], note)


def _table(title: str, rows: Sequence[BaseModel], note: str = "") -> Part:
    """Rows with those of their columns that say something."""
    if not rows:
        return Lines(title, [])
    cells = [{name: _cell(value) for name, value in row} for row in rows]
    names = list(dict.fromkeys(name for row in cells for name in row))
    named = [name for name in names if any(row.get(name, "") not in ("", "-") for row in cells)]
    shown = [[row.get(name, "") for name in named] for row in cells]
    instants = {name for row in rows for name, value in row if isinstance(value, datetime)}
    heads = [f"{name.replace('_', ' ')}{' (UTC)' if name in instants else ''}" for name in named]
    return Table(title, heads, shown, note)


def _cell(value: object) -> str | int:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return at(value)
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, (int, str)):
        return value
    if isinstance(value, float):
        return f"{value:,.2f}"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, (list, tuple, set, frozenset)):
        return some([str(_cell(each)) for each in value])
    given = value.model_dump(mode="json", exclude_none=True) if isinstance(value, BaseModel) else value
    if isinstance(given, Mapping):
        return ", ".join(
            f"{name} {each if isinstance(each, (str, int)) else json.dumps(each)}" for name, each in given.items()
        )
    return str(given)


def at(moment: datetime) -> str:
    """Give an instant as it is shown: in UTC, as in every other form, to the second; its heading says so."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def _violations(answer: ViolationsAnswer) -> list[Part]:
    rows: Rows = [
        [
            at(each.happened_at),
            each.verdict,
            each.severity or "-",
            f"{each.service} {each.kind}" + (f" → {each.recipient}" if each.recipient else ""),
            each.category,
            each.purpose or "-",
            some([*each.reasons, *each.gaps]),
            ", ".join(f"§ {clause}" for clause in each.clauses),
            each.subject,
        ]
        for each in answer.rows
    ]
    columns = ["when (UTC)", "verdict", "severity", "who did what", "category", "purpose", "why", "clauses", "subject"]
    return [Table(f"Violations: {len(rows):,}", columns, rows)]


def _explanation(answer: ExplanationAnswer) -> list[Part]:
    why: Rows = [
        [
            each.service,
            each.category,
            each.verdict,
            ", ".join(each.rules) or "-",
            ", ".join(f"§ {clause}" for clause in each.clauses),
            some([*each.reasons, *each.gaps]),
            each.consent or "-",
        ]
        for each in answer.rows
    ]
    near: Rows = [
        [each.category, one.effect, one.id, ", ".join(f"§ {clause}" for clause in one.clauses), some(one.kept_out_by)]
        for each in answer.rows
        for one in each.nearly
    ]
    unknown = [each.category for each in answer.rows if not each.known]
    note = f"not known of {some(unknown)}: pack or situation is not in the ledger" if unknown else ""
    columns = ["service", "category", "verdict", "rules", "clauses", "why", "consent"]
    return [
        Table(f"Categories: {len(why):,}", columns, why),
        Table(
            f"Rules that nearly matched: {len(near):,}",
            ["category", "effect", "rule", "clauses", "kept out by"],
            near,
            note,
        ),
    ]


_MADE_BY_HAND: Final[Mapping[str, Callable[[Any], list[Part]]]] = {
    "trail": lambda answer: [tree_of(answer, clause_texts())],
    "coverage": lambda answer: tables_of(answer, some),
    "explanation": _explanation,
    "violations": _violations,
}
