"""`flowtrack ask`: a command for each family of questions, and one written by hand.

Light to import: families are loaded when one is asked for, the work is in `flowtrack.apps.ask_families` and `.asking`.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import typer
from typer.core import TyperGroup

from flowtrack.apps.directory import DEFAULT
from flowtrack.apps.options import DataDir, Json


class Families(TyperGroup):
    """Commands written by hand, and those made of families; of one name the family's is taken."""

    def list_commands(self, ctx: object) -> list[str]:  # noqa: ARG002 - whatever the context
        """Give the names of all commands, in order."""
        return sorted({*self.commands, *_made()})

    def get_command(self, ctx: object, cmd_name: str) -> Any:  # noqa: ANN401, ARG002 - typer hides the type of its commands
        """Give a command; None where there is none of this name."""
        return _made().get(cmd_name) or self.commands.get(cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401 - typer hides the types of its own
        """Find the command that is meant; what is spelt nearly right is asked about, be it made of a family."""
        written = self.commands
        self.commands = {**written, **_made()}
        try:
            return super().resolve_command(ctx, args)
        finally:
            self.commands = written


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
