"""Options that commands share; light to import."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DataDir = Annotated[Path, typer.Option(help="Data directory of an embedded Flowtrack.", envvar="FLOWTRACK_DATA_DIR")]
"""By default `apps.directory.DEFAULT`."""
Json = Annotated[bool, typer.Option("--json", help="One JSON document instead of a table.")]
INSTANT = "(ISO 8601 with zone, or a day in UTC)"
"""How an instant is written, for the help of an option that takes one."""
AsOf = Annotated[str, typer.Option(help=f"What had happened by this instant {INSTANT}.")]
KnownAt = Annotated[str, typer.Option(help=f"What was known at this instant {INSTANT}.")]
