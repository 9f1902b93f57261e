"""`flowtrack report`: a command for each report that can be ordered.

Light to import: reports are loaded when one is asked for, the work is in `flowtrack.apps.reports`.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import typer
from typer.core import TyperGroup


class Reports(TyperGroup):
    """Commands made of the reports that can be ordered."""

    def list_commands(self, ctx: object) -> list[str]:  # noqa: ARG002 - whatever the context
        """Give the names of all commands."""
        return list(_made())

    def get_command(self, ctx: object, cmd_name: str) -> Any:  # noqa: ANN401, ARG002 - typer hides the type of its commands
        """Give a command; None where there is none of this name."""
        return _made().get(cmd_name)


@cache
def _made() -> dict[str, Any]:
    from flowtrack.apps.reports import commands

    return commands()


app = typer.Typer(
    cls=Reports,
    help="Reports for subjects, authorities and auditors: HTML ready for print, or JSON.",
    no_args_is_help=True,
)


@app.callback()
def _reports() -> None:
    """Reports for subjects, authorities and auditors: HTML ready for print, or JSON."""
