"""`flowtrack report`: a command for each report that can be ordered.

Light to import: reports are loaded when one is asked for, the work is in `flowtrack.apps.reports`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import typer

from flowtrack.apps.made_commands import MadeCommands


class Reports(MadeCommands):
    """A command for each report."""

    def made(self) -> Mapping[str, Any]:
        """Make a command of each report that can be ordered."""
        return _made()


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
