"""The reference page of all families of questions: `python -m flowtrack.apps.ask_reference [FILE]` writes it anew."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from inspect import Parameter, getdoc
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from flowtrack.apps.ask_families import SHARED, extras_of
from flowtrack.apps.ask_fields import parameters_of
from flowtrack.audit.families import FAMILIES
from flowtrack.audit.family import Question
from flowtrack.audit.row_forms import rows_of

PAGE = Path("docs/reference/questions.md")

FIRST = "## Options of every question"
"""What stands in the page from here on is made; what stands before is written by hand."""


def page(before: str) -> str:
    """Give the page anew, with what was written by hand as it stands."""
    head, _, _ = before.partition(FIRST)
    lines = [head + FIRST, "", *_table(SHARED)]
    for name in sorted(FAMILIES):
        lines += ["", f"## {name}", "", *_family(FAMILIES[name])]
    return "\n".join(lines) + "\n"


def _family(family: type[Question[Any]]) -> Iterator[str]:
    yield from _paragraph(getdoc(family) or "")
    yield f"Over HTTP for: {', '.join(sorted(role.value for role in family.roles))}."
    yield ""
    yield from _table([*parameters_of(family), *extras_of(family)])
    columns = {name: field for model in rows_of(family.answer) for name, field in model.model_fields.items()}
    yield from _fields("Columns of its rows", columns)
    yield from _fields(
        "Beside them", {n: f for n, f in family.answer.model_fields.items() if n not in {"about", "rows"}}
    )


def _fields(title: str, fields: dict[str, FieldInfo]) -> Iterator[str]:
    """Names of fields, and what is said of those of which something is said."""
    if not fields:
        return
    yield ""
    yield f"{title}: {', '.join(f'`{name}`' for name in fields)}."
    said = {name: _flat(field.description or _said_of(field.annotation)) for name, field in fields.items()}
    if any(said.values()):
        yield ""
        yield from (f"- `{name}`: {text.removesuffix('.')}" for name, text in said.items() if text)


def _said_of(annotation: object) -> str:
    """What the models in a field say of themselves."""
    models = [
        each for each in (annotation, *get_args(annotation)) if isinstance(each, type) and issubclass(each, BaseModel)
    ]
    return " ".join((getdoc(each) or "").split("\n")[0] for each in models)


def _table(parameters: list[Parameter]) -> list[str]:
    """Arguments and options as rows."""
    return ["| argument or option | default | |", "|---|---|---|", *map(_row, parameters)]


def _row(parameter: Parameter) -> str:
    _, info = get_args(parameter.annotation)
    names = info.param_decls or ()
    name = (
        info.metavar or parameter.name.upper()
        if type(info).__name__ == "ArgumentInfo"
        else _option(names, parameter.name, info.default)
    )
    default = parameter.default
    told = "required" if default is Parameter.empty else "" if default in (None, "", [], False) else f"`{default}`"
    known = ", else ".join(each for each in (f"`{info.envvar}`" if info.envvar else "", told) if each)
    return f"| `{name}` | {known} | {_flat(info.help or '').removesuffix('.')} |".replace("|  |", "| |")


def _option(names: tuple[str, ...], name: str, first: object) -> str:
    given = [first] if isinstance(first, str) and first.startswith("--") else list(names)
    return str(given[0]).split("/", maxsplit=1)[0] if given else f"--{name.replace('_', '-')}"


def _flat(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _paragraph(text: str) -> list[str]:
    return [*(" ".join(part.split()) for part in text.split("\n\n") if part), ""]


def main() -> None:
    """Write the page."""
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else PAGE
    target.write_text(page(target.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
