"""`flowtrack ledger`: light to import, the work is in `flowtrack.apps.ledger_keeping`."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from flowtrack.apps.directory import DEFAULT
from flowtrack.apps.options import INSTANT, DataDir, Json

app = typer.Typer(help="Look after the ledger: erase, keep, copy.", no_args_is_help=True)
hold_app = typer.Typer(help="Legal holds.", no_args_is_help=True)
retention_app = typer.Typer(help="What is kept for how long.", no_args_is_help=True)
app.add_typer(hold_app, name="hold")
app.add_typer(retention_app, name="retention")

_WAIT_S = 120.0

Policy = Annotated[Path, typer.Option(help="Retention policy, YAML or JSON.")]
Why = Annotated[str, typer.Option(help="Why, for the record; nothing personal.")]


@app.command()
def erase(
    subjects: Annotated[list[str], typer.Argument(help="Pseudonyms, 32 hex digits each.")],
    reason: Why,
    now: Annotated[bool, typer.Option("--now", help="Clean up at once, and prove that the bytes are gone.")] = False,
    data_dir: DataDir = DEFAULT,
    json: Json = False,
) -> None:
    """Erase subjects: out of every answer at once, off the disk with the next clean-up."""
    from pydantic import ValidationError

    from flowtrack.apps.ledger import asker
    from flowtrack.apps.ledger_keeping import erasures_table, invalid, open_keeper, show
    from flowtrack.audit.erasure import Erase, ErasureAnswer

    try:
        request = Erase(subjects=tuple(subjects), reason=reason)
    except ValidationError as error:
        raise invalid(error, "SUBJECTS", "make one from an identifier: flowtrack pseudonym --key-file FILE") from error
    with open_keeper(data_dir) as keeper:
        answer = keeper.erase(request, asker=asker())
        if now:
            keeper.vacuum(asker=asker(), wait_s=_WAIT_S)
            wanted = {each.id for each in answer.erasures}
            answer = ErasureAnswer(erasures=[each for each in keeper.erasures().erasures if each.id in wanted])
    show(answer, erasures_table(answer), as_json=json)


@app.command()
def erasures(data_dir: DataDir = DEFAULT, json: Json = False) -> None:
    """List erasures with their proofs."""
    from flowtrack.apps.ledger_keeping import erasures_table, open_keeper, show

    with open_keeper(data_dir) as keeper:
        answer = keeper.erasures()
    show(answer, erasures_table(answer), as_json=json)


@app.command()
def vacuum(
    wait_s: Annotated[float, typer.Option(min=0, max=600, help="Wait so long for old parts to be deleted.")] = _WAIT_S,
    data_dir: DataDir = DEFAULT,
    json: Json = False,
) -> None:
    """Clean up after erasures and retention; ends with 1 when an erasure is past its bound."""
    from flowtrack.apps.ledger import asker
    from flowtrack.apps.ledger_keeping import open_keeper, show, vacuum_table

    with open_keeper(data_dir) as keeper:
        answer = keeper.vacuum(asker=asker(), wait_s=wait_s)
    show(answer, vacuum_table(answer), as_json=json)
    raise typer.Exit(1 if answer.overdue else 0)


@hold_app.command()
def add(
    reason: Why,
    subject: Annotated[str | None, typer.Option(help="Rows of this subject.")] = None,
    category: Annotated[str | None, typer.Option(help="Rows of this category and those under it.")] = None,
    service: Annotated[str | None, typer.Option(help="Rows of this service.")] = None,
    since: Annotated[str | None, typer.Option(help=f"What happened since then {INSTANT}.")] = None,
    until: Annotated[str | None, typer.Option(help=f"What happened before then {INSTANT}.")] = None,
    data_dir: DataDir = DEFAULT,
    json: Json = False,
) -> None:
    """Keep rows from retention and erasure; what is given together holds together."""
    from pydantic import ValidationError

    from flowtrack.apps.ledger import asker
    from flowtrack.apps.ledger_keeping import holds_table, invalid, open_keeper, show
    from flowtrack.apps.questions import midnight
    from flowtrack.audit.holds import Hold

    since, until = since and midnight(since), until and midnight(until)
    said = {"subject": subject, "category": category, "service": service, "since": since, "until": until}
    try:
        hold = Hold.model_validate({"reason": reason, **said})
    except ValidationError as error:
        raise invalid(error, "hold", "subjects are 32 hex digits, instants ISO 8601 with zone") from error
    with open_keeper(data_dir) as keeper:
        placed = keeper.hold(hold, asker=asker())
    show(placed, holds_table([placed]), as_json=json)


@hold_app.command(name="list")
def list_holds(data_dir: DataDir = DEFAULT, json: Json = False) -> None:
    """List every hold there ever was."""
    from flowtrack.apps.ledger_keeping import holds_table, open_keeper, show

    with open_keeper(data_dir) as keeper:
        holds = keeper.holds()
    show(holds, holds_table(holds), as_json=json)


@hold_app.command()
def release(
    hold: Annotated[str, typer.Argument(help="Its id.")],
    reason: Why,
    data_dir: DataDir = DEFAULT,
    json: Json = False,
) -> None:
    """Release a hold; what it alone kept goes with the next retention and clean-up."""
    from flowtrack.apps.ledger import asker
    from flowtrack.apps.ledger_keeping import holds_table, open_keeper, show

    with open_keeper(data_dir) as keeper:
        placed = keeper.release(hold, reason, asker=asker())
    show(placed, holds_table([placed]), as_json=json)


@retention_app.command(name="show")
def show_retention(policy: Policy, data_dir: DataDir = DEFAULT, json: Json = False) -> None:
    """Show what a policy no longer keeps; nothing goes."""
    _retain(policy, data_dir, dry_run=True, as_json=json)


@retention_app.command()
def apply(
    policy: Policy,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would go.")] = False,
    data_dir: DataDir = DEFAULT,
    json: Json = False,
) -> None:
    """Let go what a policy no longer keeps; its numbers stay."""
    _retain(policy, data_dir, dry_run=dry_run, as_json=json)


def _retain(policy: Path, data_dir: Path, *, dry_run: bool, as_json: bool) -> None:
    from flowtrack.apps.ledger import asker
    from flowtrack.apps.ledger_keeping import open_keeper, read_policy, retention_table, show
    from flowtrack.audit.retention import Retain

    request = Retain(policy=read_policy(policy), dry_run=dry_run)
    with open_keeper(data_dir) as keeper:
        answer = keeper.retain(request, asker=asker())
    show(answer, retention_table(answer), as_json=as_json)


@app.command()
def backup(
    target: Annotated[Path, typer.Argument(help="A new folder.")], data_dir: DataDir = DEFAULT, json: Json = False
) -> None:
    """Copy the embedded store into a new folder, also while it runs, and prove that it can be put back."""
    from flowtrack.apps.ledger import asker
    from flowtrack.apps.ledger_keeping import open_keeper, show
    from flowtrack.apps.screen import Lines
    from flowtrack.audit.copies import BackUp

    with open_keeper(data_dir) as keeper:
        answer = keeper.back_up(BackUp(target=str(target.resolve())), asker=asker())
    lines = [
        f"{answer.rows:,} rows in {answer.files:,} files, {answer.bytes:,} bytes",
        f"complete up to {answer.complete_up_to}; SHA-256 of its manifest {answer.manifest_sha256}",
    ]
    show(answer, Lines(f"Backed up to {answer.target}", lines), as_json=json)


@app.command()
def restore(
    source: Annotated[Path, typer.Argument(help="Folder of a backup.")],
    erasures: Annotated[
        Path | None, typer.Option(help="Erasures since, as `flowtrack ledger erasures --json` gave them.")
    ] = None,
    data_dir: DataDir = DEFAULT,
    json: Json = False,
) -> None:
    """Put a backup back into a data directory that has no ledger."""
    from flowtrack.apps.ledger_keeping import restore as put_back
    from flowtrack.apps.ledger_keeping import show
    from flowtrack.apps.screen import Lines

    answer = put_back(source, data_dir, erasures)
    lines = [
        f"{answer.rows:,} rows, as of {answer.taken_at}; complete up to {answer.complete_up_to}",
        f"{answer.erased_again:,} rows of subjects erased since went again",
    ]
    show(answer, Lines(f"Restored {answer.source}", lines), as_json=json)


@app.command()
def export(  # noqa: PLR0913, PLR0917 - typer makes an option of each
    output: Annotated[Path, typer.Option(help="A new folder.")],
    table: Annotated[str, typer.Option(help="What: flows, consents, judgements, alerts, …")] = "flows",
    since: Annotated[str | None, typer.Option(help=f"Recorded since then {INSTANT}.")] = None,
    until: Annotated[str | None, typer.Option(help=f"Recorded before then {INSTANT}.")] = None,
    as_of: Annotated[str | None, typer.Option(help="What had happened by this instant.")] = None,
    known_at: Annotated[str | None, typer.Option(help="What was known at this instant.")] = None,
    with_subjects: Annotated[bool, typer.Option("--with-subjects", help="With pseudonyms; else without.")] = False,
    data_dir: DataDir = DEFAULT,
    json: Json = False,
) -> None:
    """Write rows of the ledger as Parquet, a file a month, with a manifest."""
    from pydantic import ValidationError

    from flowtrack.apps.ledger import asker
    from flowtrack.apps.ledger_keeping import invalid, open_keeper, show
    from flowtrack.apps.questions import midnight
    from flowtrack.apps.screen import Table
    from flowtrack.audit.copies import Export

    said: dict[str, str | bool | datetime | None] = {
        "target": str(output.resolve()),
        "table": table,
        "since": since and midnight(since),
        "until": until and midnight(until),
        "as_of": as_of and midnight(as_of),
        "known_at": known_at and midnight(known_at),
        "with_subjects": with_subjects,
    }
    try:
        request = Export.model_validate(said)
    except ValidationError as error:
        raise invalid(
            error, "export", "see `flowtrack ledger export --help`; instants are ISO 8601 with zone"
        ) from error
    with open_keeper(data_dir) as keeper:
        answer = keeper.export(request, asker=asker())
    rows: list[list[str | int]] = [[file.path, file.rows or 0, file.bytes, file.sha256[:16]] for file in answer.files]
    note = f"complete up to {answer.complete_up_to}; manifest.json has the rest"
    show(answer, Table(f"Exported to {output}", ["file", "rows", "bytes", "SHA-256"], rows, note), as_json=json)
