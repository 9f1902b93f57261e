"""`python -m flowtrack.sample --out DIR`: write a sample day to files."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from flowtrack.errors import FlowtrackError
from flowtrack.sample.day import sample_day
from flowtrack.sample.files import write_day
from flowtrack.sample.options import SampleOptions

_DEFAULT = SampleOptions()


def main(
    out: Annotated[Path, typer.Option(help="Folder to write to.")],
    seed: Annotated[int, typer.Option(help="The same seed always gives the same day.")] = _DEFAULT.seed,
    events: Annotated[int, typer.Option(help="About how many events.")] = _DEFAULT.events,
    subjects: Annotated[int, typer.Option(help="How many people.")] = _DEFAULT.subjects,
    services: Annotated[int, typer.Option(help="How many services.")] = _DEFAULT.services,
    parties: Annotated[int, typer.Option(help="How many parties.")] = _DEFAULT.parties,
    day: Annotated[str, typer.Option(help="Which day, e.g. 2026-03-02.")] = _DEFAULT.day.isoformat(),
) -> None:
    """Write a sample day: events.jsonl, consents.jsonl, registry.json and truth.json."""
    try:
        date = datetime.fromisoformat(day).date()
    except ValueError:
        raise typer.BadParameter("write it as 2026-03-02", param_hint="--day") from None
    try:
        made = sample_day(SampleOptions(seed, events, subjects, services, parties, date))
        sizes = write_day(made, out)
    except FlowtrackError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None
    for name, size in sizes.items():
        typer.echo(f"{out / name}  {size:,} bytes")


if __name__ == "__main__":
    typer.run(main)
