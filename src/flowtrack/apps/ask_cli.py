"""`flowtrack ask`: a command for each family of questions, and one written by hand.

Light to import: families are loaded when one is asked for, the work is in `flowtrack.apps.ask_families` and `.asking`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import typer

from flowtrack.apps.directory import DEFAULT
from flowtrack.apps.made_commands import MadeCommands
from flowtrack.apps.options import DataDir, Json


class Families(MadeCommands):
    """A command for each family, and those written by hand."""

    def made(self) -> Mapping[str, Any]:
        """Make a command of each family."""
        return _made()


@cache
def _made() -> dict[str, Any]:
    from flowtrack.apps.ask_families import commands

    return commands()


app = typer.Typer(
    cls=Families,
    help="Questions about all flows; `flowtrack trace` asks about one subject.",
    no_args_is_help=True,
)


@app.command()
def orphans(data_dir: DataDir = DEFAULT, json: Json = False) -> None:
    """Show what the ledger refers to and does not have; ends with 1 when there is something."""
    from flowtrack.apps.asking import orphans as run

    raise typer.Exit(1 if run(data_dir, as_json=json) else 0)
