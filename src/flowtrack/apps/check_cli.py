"""`flowtrack check`: light to import, the work is in `flowtrack.apps.check_file`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def check(
    events: Annotated[Path, typer.Argument(help="CloudEvents, a JSON document each line; - is standard input.")],
    consents: Annotated[Path | None, typer.Option(help="Consent records, a CloudEvent each line.")] = None,
    registry: Annotated[list[Path] | None, typer.Option(help="Registry document, YAML or JSON.")] = None,
    pack: Annotated[Path | None, typer.Option(help="Folder of a policy pack; without it the default pack.")] = None,
) -> None:
    """Judge a file without any server: decisions as JSON lines.

    Ends with 0 when everything was permitted, 1 when something was denied or indeterminate, 2 when something could
    not be read.
    """
    from flowtrack.apps.check_file import run

    raise typer.Exit(run(events, consents, registry or [], pack))
