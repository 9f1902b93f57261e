"""`flowtrack registry`: light to import, the work is in `flowtrack.apps.documents`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Services, parties, agreements and orders.", no_args_is_help=True)


@app.callback()
def registry() -> None:
    """Services, parties, agreements and orders."""


@app.command()
def publish(
    files: Annotated[list[Path], typer.Argument(help="Registry documents, YAML or JSON.")],
) -> None:
    """Check registry documents and publish them on the registry topic; the last version of a name counts."""
    from flowtrack.adapters.kafka.settings import KafkaSettings
    from flowtrack.apps.documents import publish as send
    from flowtrack.apps.documents import registry_document
    from flowtrack.apps.settings import read

    documents = [registry_document(path) for path in files]
    send(read(KafkaSettings), [document.output() for document in documents])
    for document in documents:
        typer.echo(f"published {document.key} on {document.topic}")
