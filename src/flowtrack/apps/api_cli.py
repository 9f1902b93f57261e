"""`flowtrack api`: light to import, the work is in `flowtrack.apps.api` and `flowtrack.apps.api_tokens`."""

from __future__ import annotations

from typing import Annotated

import typer

from flowtrack.apps.directory import DEFAULT
from flowtrack.apps.options import DataDir, Json

app = typer.Typer(help="The HTTP API and the pages for auditors.")


@app.callback(invoke_without_command=True)
def serve(
    context: typer.Context,
    host: Annotated[str, typer.Option(help="Interface to listen on; beyond the loopback it takes TLS.")] = "",
    port: Annotated[int | None, typer.Option(min=0, max=65_535, help="Port to listen on.")] = None,
    data_dir: DataDir = DEFAULT,
) -> None:
    """Answer auditors over HTTP, until SIGTERM or Ctrl-C; settings come from FLOWTRACK_API__… variables."""
    if context.invoked_subcommand is not None:
        return
    from flowtrack.apps.api import run

    raise typer.Exit(run(data_dir, host=host, port=port))


@app.command()
def token(
    role: Annotated[
        list[str], typer.Option(help="auditor, regulator, subject_desk, controller or operator; repeat it for several.")
    ],
    who: Annotated[str, typer.Option(help="The account that it is for; never a person's name.")],
    days: Annotated[int, typer.Option(min=1, help="It expires after so many days.")] = 90,
    data_dir: DataDir = DEFAULT,
) -> None:
    """Make a token, and show it this once; only its hash is kept."""
    from flowtrack.apps.api_tokens import make

    typer.echo(make(data_dir, who=who, roles=role, days=days))


@app.command()
def tokens(data_dir: DataDir = DEFAULT, json: Json = False) -> None:
    """List the tokens: whose they are, and until when."""
    from flowtrack.apps.api_tokens import show

    show(data_dir, as_json=json)


@app.command()
def revoke(
    token_id: Annotated[str, typer.Argument(help="The id of the token, as `flowtrack api tokens` lists it.")],
    data_dir: DataDir = DEFAULT,
) -> None:
    """Take a token out: it ends at once, and so do sessions that were begun with it."""
    from flowtrack.apps.api_tokens import revoke as run

    run(data_dir, token_id)
