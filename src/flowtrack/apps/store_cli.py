"""`flowtrack store ...`: the tables of the ledger."""

from __future__ import annotations

import json as jsonlib
import sys
from typing import Annotated

import typer

app = typer.Typer(help="The tables of the ledger.", no_args_is_help=True)


@app.command()
def migrate(
    json: Annotated[bool, typer.Option("--json", help="One JSON document instead of lines.")] = False,
) -> None:
    """Bring the ledger's tables up to date, and say what was applied."""
    from flowtrack.adapters.clickhouse.settings import ClickHouseSettings
    from flowtrack.adapters.clickhouse.store import Store
    from flowtrack.apps.settings import read

    with Store(read(ClickHouseSettings)) as store:
        applied = store.migrate()
    if json:
        sys.stdout.write(jsonlib.dumps({"applied": applied}) + "\n")
    else:
        sys.stdout.write("".join(f"applied {name}\n" for name in applied) or "nothing was missing\n")
