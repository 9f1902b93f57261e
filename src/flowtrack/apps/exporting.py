"""What `flowtrack export` writes."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import NamedTuple

from flowtrack.apps.answer_forms import opened
from flowtrack.apps.answer_tables import about_parts
from flowtrack.apps.ask_families import who_asks
from flowtrack.apps.ledger import open_ledger
from flowtrack.apps.ledger_packs import packs_of
from flowtrack.apps.questions import instant
from flowtrack.apps.screen import Screen
from flowtrack.apps.tracing import pseudonym
from flowtrack.audit.exports import flows_of, flows_of_edges, states_of
from flowtrack.audit.family import ROWS_MAX
from flowtrack.audit.following import pages_of
from flowtrack.audit.graph import Graph, GraphAnswer
from flowtrack.audit.ledger import Ledger
from flowtrack.audit.trail import Trail, TrailAnswer
from flowtrack.errors import ConfigurationError
from flowtrack.wire.dpv import consent_records
from flowtrack.wire.lineage import Flow
from flowtrack.wire.openlineage import run_events
from flowtrack.wire.prov import prov_document

Written = Callable[[Ledger, TrailAnswer], Iterator[str]]
"""Gives the lines of an export."""
WrittenFlows = Callable[[Iterable[Flow]], Iterator[str]]
"""Gives the lines for some flows."""


class PeriodAsked(NamedTuple):
    """Which flows of all subjects, as the command line has it; empty is any."""

    since: str
    until: str
    known_at: str
    service: str
    recipient: str


def export(
    subject: str, written: Written, data_dir: Path, *, as_of: str, known_at: str, why: str, output: Path | None
) -> None:
    """Ask for a subject's trail, and write it; on standard error it is said how complete it is.

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
    Screen(sys.stderr).show(*about_parts(trail.about))


def export_period(written: WrittenFlows, data_dir: Path, period: PeriodAsked, output: Path | None) -> None:
    """Write the flows of a period between all places, day by day and page by page; no subject is in them.

    Raises:
        ConfigurationError: an instant is none, or the file cannot be written.
        StoreError: there is no ledger, or it does not answer.
    """
    since, until = instant("SINCE", period.since), instant("--until", period.until) or datetime.now(UTC)
    if since is None:
        raise ConfigurationError("a period has to begin somewhere", where="SINCE", help="give an instant")
    asked = Graph(
        known_at=instant("--known-at", period.known_at),
        service=period.service or None,
        recipient=period.recipient or None,
        limit=ROWS_MAX,
    )
    last: GraphAnswer | None = None
    with open_ledger(data_dir) as ledger, opened(output) as file:
        who = who_asks(asked, "")
        for begin, end in _days(since, until):
            day = asked.model_copy(update={"since": begin, "until": end})
            for last in pages_of(ledger, day, who):
                for line in written(flows_of_edges(last.rows)):
                    file.write(line + "\n")
                known = last.about.question.get("known_at")  # all days as of what was known for the first
                asked = asked.model_copy(update={"known_at": None if known is None else datetime.fromisoformat(known)})
    if last is not None:
        Screen(sys.stderr).show(*about_parts(last.about))


def _days(since: datetime, until: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The days of a period, in UTC; the first and the last may be parts of one."""
    begin = since.astimezone(UTC)
    while begin < until:
        end = min(datetime.combine(begin.date() + timedelta(days=1), time.min, UTC), until)
        yield begin, end
        begin = end


def runs_of(flows: Iterable[Flow]) -> Iterator[str]:
    """Give OpenLineage run events, one a line."""
    return (_line(event) for event in run_events(flows))


def documents_of(flows: Iterable[Flow]) -> Iterator[str]:
    """Give one PROV-JSON document of these flows, on a line; nothing where there are none."""
    told = list(flows)
    if told:
        yield _line(prov_document("", told))


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


def _line(document: object) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))
