"""`flowtrack store ...`: the tables of the ledger."""

from __future__ import annotations

import json as jsonlib
import sys
from threading import Event
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from flowtrack.adapters.clickhouse.store import Store

_POLL_S = 1.0

app = typer.Typer(help="The tables of the ledger.", no_args_is_help=True)


@app.command()
def migrate(
    wait: Annotated[
        bool, typer.Option("--wait", help="Stay until older rows are rewritten, and say how far that is.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON document instead of lines.")] = False,
) -> None:
    """Bring the ledger's tables up to date, and say what was applied.

    Older rows are rewritten in the background, by the embedded store only while a process has it open; until that is
    done, questions are answered slower.
    """
    from flowtrack.adapters.clickhouse.settings import ClickHouseSettings
    from flowtrack.adapters.clickhouse.store import Store
    from flowtrack.apps.settings import read

    with Store(read(ClickHouseSettings)) as store:
        applied = store.migrate()
        _tell_rewriting(store, wait=wait)
    if json:
        sys.stdout.write(jsonlib.dumps({"applied": applied}) + "\n")
    else:
        sys.stdout.write("".join(f"applied {name}\n" for name in applied) or "nothing was missing\n")


def _tell_rewriting(store: Store, *, wait: bool) -> None:
    """Say on the standard error how much is left to be rewritten, whenever that changes."""
    pause, told = Event(), None
    while left := store.rewriting():
        if left != told:
            lines = (
                f"{each.table}: {each.parts} parts to rewrite{', of which one failed' if each.failing else ''}\n"
                for each in left
            )
            sys.stderr.write("".join(lines))
            told = left
        if not wait:
            return
        pause.wait(_POLL_S)
