"""`flowtrack report`: light to import, the work is in `flowtrack.apps.reports`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(
    help="Reports for subjects, authorities and auditors: HTML ready for print, or JSON.", no_args_is_help=True
)

_DATA_DIR = Path(".flowtrack")
DataDir = Annotated[Path, typer.Option(help="Data directory of an embedded Flowtrack.", envvar="FLOWTRACK_DATA_DIR")]
Since = Annotated[str, typer.Option(help="What happened at this instant or later (ISO 8601 with zone).")]
Until = Annotated[str, typer.Option(help="What happened before this instant (ISO 8601 with zone).")]
AsOf = Annotated[str, typer.Option(help="What had happened by this instant (ISO 8601 with zone).")]
KnownAt = Annotated[str, typer.Option(help="What was known at this instant (ISO 8601 with zone).")]
Why = Annotated[
    str, typer.Option(help="What the report is for, e.g. the number of a case: it says so, and so does the log.")
]
Json = Annotated[bool, typer.Option("--json", help="The report as JSON instead of HTML.")]
Output = Annotated[Path | None, typer.Option(help="Into this file instead of standard output.")]


class Lang(StrEnum):
    """Of a report's HTML."""

    KO = "ko"
    EN = "en"


Language = Annotated[Lang, typer.Option(help="Language of the HTML; the JSON holds both.")]


@app.command()
def ropa(
    since: Since = "",
    until: Until = "",
    known_at: KnownAt = "",
    why: Why = "",
    lang: Language = Lang.EN,
    data_dir: DataDir = _DATA_DIR,
    json: Json = False,
    output: Output = None,
) -> None:
    """Record of processing activities from real traffic, compared with what is declared (GDPR 30, PIPL 56)."""
    fields = {"since": since, "until": until, "known_at": known_at}
    _write("ropa", fields, data_dir, why, lang, json=json, output=output)


@app.command("law-overlay")
def law_overlay(
    since: Since = "",
    until: Until = "",
    known_at: KnownAt = "",
    why: Why = "",
    lang: Language = Lang.EN,
    data_dir: DataDir = _DATA_DIR,
    json: Json = False,
    output: Output = None,
) -> None:
    """Verdicts that rest on deemed consent, which GDPR, PIPA or PIPL would not accept by itself."""
    fields = {"since": since, "until": until, "known_at": known_at}
    _write("law-overlay", fields, data_dir, why, lang, json=json, output=output)


def _write(
    name: str, fields: dict[str, Any], data_dir: Path, why: str, lang: Lang, *, json: bool, output: Path | None
) -> None:
    from flowtrack.apps.reports import write_report

    write_report(name, fields, data_dir=data_dir, why=why, lang=lang, as_json=json, output=output)
