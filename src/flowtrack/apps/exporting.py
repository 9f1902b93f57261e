"""What `flowtrack export` writes."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, NamedTuple

from flowtrack.apps.answer_forms import opened
from flowtrack.apps.answer_tables import about_parts
from flowtrack.apps.ask_families import who_asks
from flowtrack.apps.ledger import open_ledger
from flowtrack.apps.ledger_packs import packs_of
from flowtrack.apps.questions import instant
from flowtrack.apps.screen import Lines, Screen
from flowtrack.apps.tracing import pseudonym
from flowtrack.audit.exports import flows_of, states_of
from flowtrack.audit.ledger import Ledger
from flowtrack.audit.lineage import Lineage, Telling, Vocabulary, runs_of
from flowtrack.audit.trail import Trail, TrailAnswer
from flowtrack.errors import ConfigurationError
from flowtrack.wire.dpv import consent_records
from flowtrack.wire.prov import prov_document

Told = Literal["rows", "consents"]
Written = Callable[[Ledger, TrailAnswer], Iterator[str]]
"""Gives the lines of an export."""


class PeriodAsked(NamedTuple):
    """Which flows of all subjects, as the command line has it; empty is any."""

    since: str
    until: str
    known_at: str
    service: str
    recipient: str


def export(
    subject: str,
    written: Written,
    data_dir: Path,
    *,
    as_of: str,
    known_at: str,
    why: str,
    output: Path | None,
    told: Told = "rows",
) -> None:
    """Ask for a subject's trail, and write it; on standard error it is said how complete or empty it is.

    Args:
        subject: a pseudonym.
        written: gives the lines.
        data_dir: of the ledger.
        as_of: what had happened by then; empty is now.
        known_at: what was known then; empty is now.
        why: it is exported.
        output: where to; None is standard output.
        told: what of the trail is written: its events, or its consent records.

    Raises:
        ConfigurationError: the subject is no pseudonym, an instant is none, or the file cannot be written.
        StoreError: there is no ledger, or it does not answer.
    """
    question = Trail(
        subject=pseudonym(subject), as_of=instant("--as-of", as_of), known_at=instant("--known-at", known_at)
    )
    with open_ledger(data_dir) as ledger, opened(output) as file:
        trail = ledger.ask(question, asker=who_asks(question, why))
        for line in written(ledger, trail):
            file.write(line + "\n")
    nothing = [] if getattr(trail, told) else [_nothing(trail, told, earlier=bool(as_of or known_at))]
    Screen(sys.stderr).show(*nothing, *about_parts(trail.about))


def _nothing(trail: TrailAnswer, told: Told, *, earlier: bool) -> Lines:
    """Say that an export is empty, and what to look at."""
    advice = "check the pseudonym (`flowtrack pseudonym` makes it of the identifier and the key) and --data-dir"
    if trail.rows or trail.consents:
        what = "of this subject no event is known" if told == "rows" else "of this subject no consent record is known"
        advice = "`flowtrack trace` shows what is"
    elif earlier:
        what = "nothing was known of this subject then"
        advice += "; without --as-of and --known-at, what came later counts as well"
    else:
        what = "this subject was never seen"
    return Lines("Nothing to export", [what, advice])


def export_period(vocabulary: Vocabulary, data_dir: Path, period: PeriodAsked, output: Path | None) -> None:
    """Write the flows of a period between all places, day by day and page by page; no subject is in them.

    Raises:
        ConfigurationError: an instant is none, or the file cannot be written.
        StoreError: there is no ledger, or it does not answer.
    """
    since = instant("SINCE", period.since)
    if since is None:
        raise ConfigurationError("a period has to begin somewhere", where="SINCE", help="give an instant")
    asked = Lineage(
        since=since,
        until=instant("--until", period.until) or datetime.now(UTC),
        known_at=instant("--known-at", period.known_at),
        service=period.service or None,
        recipient=period.recipient or None,
    )
    telling, lines = Telling(asked, vocabulary), 0
    with open_ledger(data_dir) as ledger, opened(output) as file:
        while telling.question is not None:
            answer = ledger.ask(telling.question, asker=who_asks(telling.question, ""))
            for line in telling.take(answer):
                file.write(line + "\n")
                lines += 1
    nothing = [] if lines else [Lines("Nothing to export", ["no flow lies in this period, between these places"])]
    Screen(sys.stderr).show(*nothing, *([] if telling.about is None else about_parts(telling.about)))


def as_openlineage(_: Ledger, trail: TrailAnswer) -> Iterator[str]:
    """Give OpenLineage run events, one a line."""
    return runs_of(flows_of(trail))


def as_prov(_: Ledger, trail: TrailAnswer) -> Iterator[str]:
    """Give the PROV-JSON document."""
    yield json.dumps(prov_document(_subject_of(trail), flows_of(trail)), indent=2, ensure_ascii=False)


def as_dpv(controller: str) -> Written:
    """Give what gives the JSON-LD document of consents that a controller asked for."""

    def written(ledger: Ledger, trail: TrailAnswer) -> Iterator[str]:
        titles = {name: title.en for pack in packs_of(ledger).values() for name, title in pack.titles.items()}
        document = consent_records(_subject_of(trail), states_of(trail), controller=controller, titles=titles)
        yield json.dumps(document, indent=2, ensure_ascii=False)

    return written


def _subject_of(trail: TrailAnswer) -> str:
    return str(trail.about.question["subject"])
