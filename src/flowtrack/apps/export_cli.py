"""`flowtrack export`: light to import, the work is in `flowtrack.apps.exporting`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from flowtrack.apps.directory import DEFAULT
from flowtrack.apps.options import INSTANT, AsOf, DataDir, KnownAt

app = typer.Typer(
    help="What happened to one subject's data, or to all in a period, in the terms of others.", no_args_is_help=True
)

_Subject = Annotated[str, typer.Argument(help="Pseudonym, 32 hex digits (see `flowtrack pseudonym`).")]
_Why = Annotated[str, typer.Option(help="What it is for, e.g. a case: the log of questions keeps it.")]
_Output = Annotated[Path | None, typer.Option(help="Into this file instead of standard output.")]


@app.command()
def openlineage(
    subject: _Subject,
    as_of: AsOf = "",
    known_at: KnownAt = "",
    why: _Why = "",
    output: _Output = None,
    data_dir: DataDir = DEFAULT,
) -> None:
    """Give the flows as OpenLineage run events, a JSON document each line; no event names the subject."""
    from flowtrack.apps.exporting import as_openlineage, export

    export(subject, as_openlineage, data_dir, as_of=as_of, known_at=known_at, why=why, output=output)


@app.command()
def prov(
    subject: _Subject,
    as_of: AsOf = "",
    known_at: KnownAt = "",
    why: _Why = "",
    output: _Output = None,
    data_dir: DataDir = DEFAULT,
) -> None:
    """Give the flows as W3C PROV-JSON: events as activities, data at a place as entities, who answers as agents."""
    from flowtrack.apps.exporting import as_prov, export

    export(subject, as_prov, data_dir, as_of=as_of, known_at=known_at, why=why, output=output)


@app.command()
def lineage(
    since: Annotated[str, typer.Argument(help=f"What happened at this instant or later {INSTANT}.")],
    until: Annotated[str, typer.Option(help="What happened before this instant; left out, until now.")] = "",
    known_at: KnownAt = "",
    service: Annotated[str, typer.Option(help="Only flows of this service.")] = "",
    recipient: Annotated[str, typer.Option(help="Only what this party received.")] = "",
    vocabulary: Annotated[Literal["openlineage", "prov"], typer.Option(help="In whose terms.")] = "openlineage",
    output: _Output = None,
    data_dir: DataDir = DEFAULT,
) -> None:
    """Give the flows of all in a period, day by day: OpenLineage run events, or PROV-JSON documents, one a line.

    They are counted as the lineage graph counts them, and name no subject.
    """
    from flowtrack.apps.exporting import PeriodAsked, export_period
    from flowtrack.audit.lineage import Vocabulary

    export_period(Vocabulary(vocabulary), data_dir, PeriodAsked(since, until, known_at, service, recipient), output)


@app.command()
def dpv(
    subject: _Subject,
    controller: Annotated[str, typer.Option(help="Who asked for the consents: a name, or an IRI.")],
    as_of: AsOf = "",
    known_at: KnownAt = "",
    why: _Why = "",
    output: _Output = None,
    data_dir: DataDir = DEFAULT,
) -> None:
    """Give the consent records in the Data Privacy Vocabulary (JSON-LD), in the shape of ISO/IEC TS 27560."""
    from flowtrack.apps.exporting import as_dpv, export

    export(
        subject, as_dpv(controller), data_dir, as_of=as_of, known_at=known_at, why=why, output=output, told="consents"
    )
