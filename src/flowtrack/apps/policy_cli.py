"""`flowtrack policy`: light to import, the work is in `flowtrack.apps.policy_commands`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flowtrack.apps.directory import DEFAULT
from flowtrack.apps.options import INSTANT, DataDir, KnownAt

app = typer.Typer(help="Policy packs: rules, clauses and cases.", no_args_is_help=True)

PackOption = Annotated[Path | None, typer.Option("--pack", help="Folder of a pack; without it the default pack.")]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document instead of text.")]


@app.command()
def validate(
    folder: Annotated[Path | None, typer.Argument(help="Folder of a pack; without it the default pack.")] = None,
    json: JsonOption = False,
) -> None:
    """Hold a pack against its schema, clauses and cases; ends with 1 when it is refused."""
    from flowtrack.apps.policy_commands import validate as run

    raise typer.Exit(run(folder, as_json=json))


@app.command("test")
def run_cases(
    paths: Annotated[list[Path] | None, typer.Argument(help="Files or folders of cases; else the pack's own.")] = None,
    pack: PackOption = None,
    json: JsonOption = False,
) -> None:
    """Run conformance cases; ends with 1 when one fails, 2 when one cannot be read."""
    from flowtrack.apps.policy_commands import test as run

    raise typer.Exit(run(paths or [], pack, as_json=json))


@app.command()
def explain(
    source: Annotated[Path, typer.Argument(help="Events (JSON lines), or cases (.yaml).")],
    consents: Annotated[Path | None, typer.Option(help="Consent records, a CloudEvent each line.")] = None,
    registry: Annotated[list[Path] | None, typer.Option(help="Registry document, YAML or JSON.")] = None,
    only: Annotated[str, typer.Option("--id", help="Only the event, or the case, of this id or name.")] = "",
    pack: PackOption = None,
    json: JsonOption = False,
) -> None:
    """Say why each category got its verdict: rules, near misses, the clauses' words, the consent record."""
    from flowtrack.apps.policy_commands import explain as run

    raise typer.Exit(run(source, consents, registry or [], only, pack, as_json=json))


@app.command()
def clauses(
    only: Annotated[list[str] | None, typer.Argument(help="Ids of clauses; else all.")] = None,
    pack: PackOption = None,
    json: JsonOption = False,
) -> None:
    """List the policy's clauses, and by which rules and cases each is carried out."""
    from flowtrack.apps.policy_commands import clauses as run

    raise typer.Exit(run(only or [], pack, as_json=json))


@app.command()
def whatif(
    newpack: Annotated[Path, typer.Argument(help="Folder of the pack to judge by.")],
    since: Annotated[str, typer.Option(help=f"What happened at this instant or later {INSTANT}.")] = "",
    until: Annotated[str, typer.Option(help=f"What happened before this instant {INSTANT}.")] = "",
    known_at: KnownAt = "",
    fail_above: Annotated[
        list[str] | None, typer.Option(help="Flows that may change, KIND=NUMBER or KIND=SHARE%.")
    ] = None,
    why: Annotated[
        str,
        typer.Option(help="What it is for, e.g. the number of a change: some subjects are named, and the log says so."),
    ] = "",
    data_dir: DataDir = DEFAULT,
    json: JsonOption = False,
) -> None:
    """Judge what the ledger holds by another pack; ends with 1 above a limit, 2 when something cannot be judged."""
    from flowtrack.apps.whatif import whatif as run

    limits = fail_above or []
    raise typer.Exit(
        run(newpack, data_dir, since=since, until=until, known_at=known_at, fail_above=limits, why=why, as_json=json)
    )


@app.command()
def keygen(
    file: Annotated[Path, typer.Argument(help="Where the private key goes; its public half becomes FILE.pub.")],
    json: JsonOption = False,
) -> None:
    """Make a pair of Ed25519 keys to sign packs with and to check them by."""
    from flowtrack.apps.policy_commands import keygen as run

    raise typer.Exit(run(file, as_json=json))


@app.command()
def publish(
    folder: Annotated[Path | None, typer.Argument(help="Folder of a pack; without it the default pack.")] = None,
    signing_key: Annotated[
        Path | None, typer.Option(envvar="FLOWTRACK_POLICY__SIGNING_KEY", help="Private key to sign it with.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Validate a pack, sign it, and publish it on the policies topic: it is in force from its `effective_from`."""
    from flowtrack.apps.policy_commands import publish as run

    raise typer.Exit(run(folder, signing_key, as_json=json))
