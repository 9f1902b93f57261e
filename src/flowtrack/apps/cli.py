"""The command line.

Nothing heavy is imported up here: `flowtrack --help` answers at once, and each command loads what it needs.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from flowtrack.apps.api_cli import app as api
from flowtrack.apps.ask_cli import app as ask
from flowtrack.apps.check_cli import check
from flowtrack.apps.directory import DEFAULT
from flowtrack.apps.export_cli import app as export
from flowtrack.apps.ledger_cli import app as ledger
from flowtrack.apps.options import AsOf, DataDir, Json, KnownAt
from flowtrack.apps.policy_cli import app as policy
from flowtrack.apps.registry_cli import app as registry_app
from flowtrack.apps.reports_cli import app as report_app
from flowtrack.apps.store_cli import app as store_app
from flowtrack.apps.worker import WorkerKind
from flowtrack.errors import FlowtrackError, PackError

EXIT_ERROR = 2
"""Exit status where Flowtrack cannot do what it was asked for."""
_PORT = 8470

app = typer.Typer(
    name="flowtrack",
    help="Where personal data went, whether each step was allowed, and by which clause of the privacy policy.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
worker = typer.Typer(help="One worker, until SIGTERM; settings come from FLOWTRACK_… variables.", no_args_is_help=True)
topics = typer.Typer(help="The Kafka topics.", no_args_is_help=True)
deadletters = typer.Typer(help="Messages that could not be taken.", no_args_is_help=True)
app.add_typer(worker, name="worker")
app.add_typer(topics, name="topics")
app.add_typer(policy, name="policy")
app.add_typer(registry_app, name="registry")
app.add_typer(ledger, name="ledger")
app.add_typer(deadletters, name="deadletters")
app.add_typer(store_app, name="store")
app.add_typer(ask, name="ask")
app.add_typer(report_app, name="report")
app.add_typer(export, name="export")
app.add_typer(api, name="api")
app.command("check")(check)


@app.command()
def up(
    data_dir: DataDir = DEFAULT,
    port: Annotated[int, typer.Option(help="Port of the ledger service on this machine.")] = _PORT,
    api_port: Annotated[int | None, typer.Option(help="Port of the API and the pages for auditors.")] = None,
    registry: Annotated[list[Path] | None, typer.Option(help="Registry to publish (YAML or JSON).")] = None,
    pack: Annotated[list[Path] | None, typer.Option(help="Folder of a policy pack to publish.")] = None,
) -> None:
    """Run broker, checker, store, alerter and the auditors' API on this machine, until Ctrl-C."""
    from flowtrack.apps.up import run

    raise typer.Exit(run(data_dir, port=port, api_port=api_port, registries=registry or [], packs=pack or []))


@app.command()
def demo(
    events: Annotated[int, typer.Option(help="About how many events the day has.")] = 50_000,
    subjects: Annotated[int, typer.Option(help="How many people it is about.")] = 2_000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same day.")] = 1,
    json: Json = False,
    keep: Annotated[Path | None, typer.Option(help="Keep the data in this directory.")] = None,
) -> None:
    """Send a whole day of a platform through the real pipeline, show what came out, and end."""
    from flowtrack.apps.demo import run

    raise typer.Exit(run(events=events, subjects=subjects, seed=seed, as_json=json, keep=keep))


@worker.command()
def checker() -> None:
    """Judge events: events and consents in, decisions out."""
    _work(WorkerKind.CHECKER)


@worker.command()
def sink() -> None:
    """Write decisions into the ledger."""
    _work(WorkerKind.SINK)


@worker.command()
def alerter() -> None:
    """Group findings into alerts, and tell who must know."""
    _work(WorkerKind.ALERTER)


@topics.command()
def create(json: Json = False) -> None:
    """Create the topics that are missing; counts of partitions are fixed here, for good."""
    from flowtrack.apps.operations import create_topics

    create_topics(as_json=json)


@topics.command()
def acknowledge(
    group: Annotated[str, typer.Option(help="Consumer group of the workers that ended; they must not run.")],
    json: Json = False,
) -> None:
    """Let a group go on after its topics were made anew or its offsets lost: whoever runs it knows what is gone."""
    from flowtrack.apps.operations import acknowledge_topics

    acknowledge_topics(group, as_json=json)


@app.command()
def pseudonym(
    key_file: Annotated[Path, typer.Option(help="File that holds the organisation's pseudonym key.")],
) -> None:
    """Give the pseudonym of an identifier that is read from standard input."""
    from flowtrack.apps.operations import pseudonym_of

    typer.echo(pseudonym_of(sys.stdin.buffer.read(), key_file))


@app.command()
def emit(
    file: Annotated[Path, typer.Argument(help="Events and consent records, a JSON document each line.")],
    data_dir: DataDir = DEFAULT,
    json: Json = False,
) -> None:
    """Publish a file of events and consent records."""
    from flowtrack.apps.operations import emit_file

    emit_file(file, data_dir, as_json=json)


@app.command()
def trace(
    subject: Annotated[str, typer.Argument(help="Pseudonym, 32 hex digits (see `flowtrack pseudonym`).")],
    as_of: AsOf = "",
    known_at: KnownAt = "",
    why: Annotated[
        str, typer.Option(help="What it is for, e.g. the number of a case: the log of questions keeps it.")
    ] = "",
    data_dir: DataDir = DEFAULT,
    json: Json = False,
    csv: Annotated[bool, typer.Option("--csv", help="The steps as CSV.")] = False,
    output: Annotated[
        Path | None, typer.Option(help="Into this file; its ending may say the form: .json, .csv, .parquet.")
    ] = None,
) -> None:
    """Show one subject's trail: each step, its verdict, its clauses, the consent that carried it."""
    from flowtrack.apps.tracing import show_trail

    show_trail(
        subject,
        data_dir,
        as_of=as_of,
        known_at=known_at,
        why=why,
        as_json=json,
        as_csv=csv,
        output=output,
    )


@app.command()
def reconcile(data_dir: DataDir = DEFAULT, json: Json = False) -> None:
    """Show whether the books balance: offsets read = decisions + dead letters = rows of the ledger."""
    from flowtrack.apps.questions import show_books

    raise typer.Exit(0 if show_books(data_dir, as_json=json) else 1)


@deadletters.command(name="list")
def list_deadletters(
    limit: Annotated[int, typer.Option(min=1, help="Show at most so many, the newest.")] = 50,
    data_dir: DataDir = DEFAULT,
    json: Json = False,
) -> None:
    """List messages that could not be taken: where they stood and why, never what they held."""
    from flowtrack.apps.questions import show_dead_letters

    show_dead_letters(data_dir, limit=limit, as_json=json)


def _work(kind: WorkerKind) -> None:
    from flowtrack.apps.worker import run

    raise typer.Exit(run(kind))


def main() -> None:
    """Run the command line; our own errors become one message on standard error, and exit status 2."""
    try:
        app()
    except FlowtrackError as error:
        sys.stderr.write(describe(error))
        sys.exit(EXIT_ERROR)


def describe(error: FlowtrackError) -> str:
    """Give an error as it is shown: what was wrong, where, and what to do; a refused pack lists all its problems."""
    lines = [f"flowtrack: {error.what}"]
    if error.where:
        lines.append(f"  where: {error.where}")
    if isinstance(error, PackError):
        lines.extend(f"  - {problem}" for problem in error.problems)
    if error.help:
        lines.append("  help: " + error.help.replace("\n", "\n        "))
    return "\n".join(lines) + "\n"
