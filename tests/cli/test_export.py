"""`flowtrack export`: a subject's trail in the words of other tools; and `flowtrack trace` in every form."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from prov.model import ProvDocument

from flowtrack.audit.graph import Graph
from flowtrack.audit.roles import Asker
from flowtrack.audit.trail import Trail, TrailAnswer
from flowtrack.domain.instants import from_us
from flowtrack.tracking.rows import DOCUMENTS, FLOWS

if TYPE_CHECKING:
    from pathlib import Path

    from flowtrack.testing.ledger import MemoryLedger
    from tests.cli.commands import Commands


@pytest.fixture
def trail(ledger: MemoryLedger) -> TrailAnswer:
    """The trail of a subject with many steps and a consent."""
    subjects = {row["subject"] for row in ledger.tables[FLOWS]}
    found = [ledger.ask(Trail(subject=subject), asker=Asker(who="test")) for subject in sorted(subjects)]
    return max(found, key=lambda answer: (bool(answer.consents), len(answer.rows)))


def subject_of(trail: TrailAnswer) -> str:
    """Whose it is."""
    return str(trail.about.question["subject"])


def test_openlineage_has_each_step_once(flowtrack: Commands, trail: TrailAnswer) -> None:
    """Each event of a service starts and completes once, as JSON lines that name nobody."""
    ran = flowtrack.run("export", "openlineage", subject_of(trail))
    assert ran.status == 0, ran.err
    events = {(row.service, row.event_id) for row in trail.rows}
    assert len(ran.lines) == 2 * len(events)
    assert {line["job"]["name"].split(".")[0] for line in ran.lines} == {row.service for row in trail.rows}
    assert subject_of(trail) not in ran.out
    assert "Complete up to" in ran.err


def test_prov_has_each_step_as_an_activity(flowtrack: Commands, trail: TrailAnswer, tmp_path: Path) -> None:
    """The file that is written is PROV-JSON with an activity for each event."""
    target = tmp_path / "prov.json"
    assert flowtrack.run("export", "prov", subject_of(trail), "--output", target).status == 0
    document = json.loads(target.read_text(encoding="utf-8"))
    assert len(document["activity"]) == len({(row.service, row.event_id) for row in trail.rows})
    assert list(ProvDocument.deserialize(content=json.dumps(document), format="json").get_records())


def test_a_period_is_told_without_anybody(flowtrack: Commands, ledger: MemoryLedger) -> None:
    """Flows of all, or of a service, start and complete day by day, are as many as in the graph, and name nobody."""
    subjects = {row["subject"] for row in ledger.tables[FLOWS]}
    moments = [from_us(row["happened_at"]) for row in ledger.tables[FLOWS]]
    since, until = min(moments), max(moments) + timedelta(seconds=1)
    period = ["export", "lineage", since.isoformat(), "--until", until.isoformat()]
    ran = flowtrack.run(*period)
    assert ran.status == 0, ran.err
    told = Counter[str]()
    for event in ran.lines:
        if event["eventType"] == "COMPLETE":
            told.update(event["run"]["facets"]["flowtrack_verdicts"]["verdicts"])
    edges = ledger.ask(Graph(since=since, until=until, limit=10_000), asker=Asker(who="test")).rows
    assert told.total() == sum(edge.flows for edge in edges) > 0
    assert len({event["run"]["runId"] for event in ran.lines}) * 2 == len(ran.lines)
    assert not [subject for subject in subjects if subject in ran.out]
    service = edges[0].source if edges[0].source_kind == "service" else edges[0].target
    assert flowtrack.run(*period, "--service", service).lines
    assert flowtrack.run(*period, "--service", "nobody").out == ""
    documents = flowtrack.run(*period, "--vocabulary", "prov").lines
    for document in documents:
        assert list(ProvDocument.deserialize(content=json.dumps(document), format="json").get_records())
    assert sum(len(document["activity"]) for document in documents) * 2 == len(ran.lines)
    assert not [line for line in ledger.audit_log if line.question == "graph"]


def test_a_period_begins_somewhere(flowtrack: Commands) -> None:
    """An instant that is none is refused, and nothing is exported."""
    ran = flowtrack.run("export", "lineage", "last month")
    assert (ran.status, ran.out) == (2, "")
    assert "SINCE" in ran.err


def test_dpv_has_each_consent(flowtrack: Commands, trail: TrailAnswer, ledger: MemoryLedger) -> None:
    """Each consent is there with all of its states; a pack that cannot be read is said so."""
    ran = flowtrack.run("export", "dpv", subject_of(trail), "--controller", "platform")
    assert (ran.status, "documents cannot be read" in ran.err) == (2, True)
    ledger.tables[DOCUMENTS].clear()
    document = flowtrack.run("export", "dpv", subject_of(trail), "--controller", "platform").document
    records = {each.record for each in trail.consents if each.kind == "consent"}
    assert {each["dct:identifier"] for each in document["@graph"]} == records
    states = [process for each in document["@graph"] for process in each["dpv:hasProcess"]]
    assert len(states) == sum(each.kind == "consent" for each in trail.consents)


def test_exports_are_written_down(flowtrack: Commands, trail: TrailAnswer, ledger: MemoryLedger) -> None:
    """Who exports whose data and why stands in the log of questions."""
    flowtrack.run("export", "prov", subject_of(trail), "--why", "case 7")
    assert (ledger.audit_log[-1].subject, ledger.audit_log[-1].why) == (subject_of(trail), "case 7")


@pytest.mark.usefixtures("ledger")
@pytest.mark.parametrize("words", [("openlineage",), ("prov",), ("dpv", "--controller", "platform")], ids=str)
def test_an_export_is_never_silently_empty(flowtrack: Commands, ledger: MemoryLedger, words: tuple[str, ...]) -> None:
    """Of a subject that nobody has seen it says that there is nothing, and what to look at."""
    ledger.tables[DOCUMENTS].clear()
    ran = flowtrack.run("export", *words, "0" * 32)
    assert ran.status == 0
    assert "Nothing to export" in ran.err
    assert "never seen" in ran.err
    assert "flowtrack pseudonym" in ran.err
    earlier = flowtrack.run("export", *words, "0" * 32, "--known-at", "2020-01-01")
    assert "nothing was known of this subject then" in earlier.err


def test_an_export_of_what_is_there_says_nothing_of_the_kind(flowtrack: Commands, trail: TrailAnswer) -> None:
    """Only what is empty is said to be; a period without any flow is."""
    assert "Nothing to export" not in flowtrack.run("export", "prov", subject_of(trail)).err
    empty = flowtrack.run("export", "lineage", "2020-01-01", "--until", "2020-01-03")
    assert (empty.status, empty.out) == (0, "")
    assert "Nothing to export" in empty.err


@pytest.mark.parametrize("command", [("export", "prov"), ("trace",)], ids=str)
def test_what_is_no_pseudonym_is_refused(flowtrack: Commands, command: tuple[str, ...]) -> None:
    """A subject that is none ends with 2, and is not repeated."""
    ran = flowtrack.run(*command, "jo@example.com")
    assert (ran.status, ran.out) == (2, "")
    assert "no pseudonym" in ran.err
    assert "jo@" not in ran.err


def test_a_trail_is_given_in_every_form(flowtrack: Commands, trail: TrailAnswer, tmp_path: Path) -> None:
    """`flowtrack trace` gives a tree, JSON, CSV and files, as `flowtrack ask trail` does."""
    subject = subject_of(trail)
    assert TrailAnswer.model_validate(flowtrack.run("trace", subject, "--json").document).rows == trail.rows
    lines = list(csv.DictReader(io.StringIO(flowtrack.run("trace", subject, "--csv").out)))
    assert [line["event_id"] for line in lines] == [row.event_id for row in trail.rows]
    assert flowtrack.run("trace", subject, "--output", tmp_path / "trail.parquet").status == 0
    assert (tmp_path / "trail.parquet").stat().st_size
    assert flowtrack.run("trace", subject).out == flowtrack.run("ask", "trail", subject).out
