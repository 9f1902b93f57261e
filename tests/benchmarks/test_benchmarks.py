from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import msgspec
import pytest

from benchmarks.backlog import Sample, slope
from benchmarks.peers.answer import answering
from benchmarks.peers.lineup import PEERS
from benchmarks.rig.ledger_picture import drawn, growth_of
from flowtrack.domain.decision import Decision
from tests.rig.kafka import NoKafkaError, real_kafka

ROOT = Path(__file__).parent.parent.parent
# The others need a compiler of Java or a package index: they run when the benchmark is asked for, not in every test.
PEERS_AT_HAND = ("bare", "bare-transactions", "faust")
WITHIN_S = 240


def tiny(folder: Path, module: str, *options: str) -> dict[str, Any]:
    """Run a benchmark once, too small to measure, and give the document that it writes."""
    target = folder / "figures.json"
    command = [sys.executable, "-m", f"benchmarks.{module}", "--tiny", "--json", str(target), *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=WITHIN_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    document: dict[str, Any] = json.loads(target.read_text(encoding="utf-8"))
    return document


def names_of(document: dict[str, Any]) -> list[str]:
    """The names of a document's figures, each of which has values, a unit and a goal or none."""
    for figure in document["figures"]:
        assert set(figure) == {"name", "unit", "values", "goal"}
        assert figure["values"]
        assert all(isinstance(value, float) for value in figure["values"])
    return [figure["name"] for figure in document["figures"]]


@pytest.fixture
def kafka(tmp_path: Path) -> Any:
    """The environment of a benchmark on a real Kafka that is there for this test."""
    folder = tmp_path / "kafka"
    folder.mkdir()
    try:
        with real_kafka(folder) as address, pytest.MonkeyPatch.context() as patch:
            patch.setenv("FLOWTRACK_TEST_KAFKA", address)
            yield address
    except NoKafkaError as error:
        pytest.skip(str(error))


def test_deciding_runs(tmp_path: Path) -> None:
    """The benchmark of deciding tells of warm and cold decisions, of consents, and of its peer."""
    names = names_of(tiny(tmp_path, "deciding"))
    assert any(name.startswith("warm decision") for name in names)
    assert any(name.startswith("peer: Cedar") for name in names)


@pytest.mark.timeout(WITHIN_S)
def test_ledger_runs(tmp_path: Path) -> None:
    """The benchmark of the ledger makes one, and tells bytes a row and what each question takes."""
    names = names_of(tiny(tmp_path, "ledger"))
    for question in ("trail", "overview", "blast radius", "books", "coverage", "what-if, other rules"):
        assert any(f": {question}, wall p50" in name for name in names)
    for family in ("transfers", "access", "overdue by their own ends", "audit log, a day"):
        assert any(f": {family}, rows read" in name for name in names)
    assert any("bytes a row" in name for name in names)


@pytest.mark.timeout(WITHIN_S)
def test_judging_anew_adds_nothing_the_second_time(tmp_path: Path) -> None:
    """A change of rules over a whole ledger, done again from the beginning, finds every row in its place."""
    document = tiny(tmp_path, "rejudging")
    values = dict(zip(names_of(document), (each["values"][0] for each in document["figures"]), strict=True))
    assert values["rows written"] > 20_000
    assert values["rows written by that"] == 0


def test_growth_is_drawn_from_what_was_measured() -> None:
    """A question is a line through its figures of all sizes, whichever run they are of; other figures are left out."""
    figures = [
        [{"name": f"{rows:,}: {name}, processor time", "values": [of, of + 1, 9_000.0]} for name, of in found]
        for rows, found in ((1_000, (("trail", 5.0), ("books", 50.0))), (10_000, (("trail", 6.0), ("books", 90.0))))
    ]
    figures[0].append({"name": "1,000: trail, wall p95", "values": [7.0]})
    growth = growth_of({"figures": each} for each in figures)
    assert growth == {"trail": {1_000: 6.0, 10_000: 7.0}, "books": {1_000: 51.0, 10_000: 91.0}}
    picture = ET.fromstring(drawn(growth))  # noqa: S314 - of our own making
    assert len(picture.findall("{*}polyline")) == 2
    assert {"trail, 7 ms", "books, 91 ms", "10,000"} <= {each.text for each in picture.findall("{*}text")}


@pytest.mark.timeout(WITHIN_S)
def test_audit_runs(tmp_path: Path) -> None:
    """The benchmark of auditors asks the API one by one, exports, and asks from several at once while a sink writes."""
    document = tiny(tmp_path, "audit")
    values = dict(zip(names_of(document), (figure["values"][0] for figure in document["figures"]), strict=True))
    assert {"a subject's trail, p95", "export as parquet", "regulator (GDPRbench), p95"} <= set(values)
    assert values["answers that were refusals"] == 0
    assert values["export as csv: rows"] == values["export as parquet: rows"] > 0
    assert values["records that the sink wrote meanwhile"] > 0


@pytest.mark.timeout(WITHIN_S)
def test_checker_runs_on_the_embedded_broker(tmp_path: Path) -> None:
    """The benchmark of the checker tells throughput by processor and by wall, and memory."""
    names = names_of(tiny(tmp_path, "checker", "--broker", "embedded"))
    assert names == [
        "checker, embedded broker: events per CPU second",
        "checker, embedded broker: events per second, wall",
        "checker, embedded broker: peak resident memory",
    ]


@pytest.mark.real_kafka
@pytest.mark.slow
@pytest.mark.timeout(WITHIN_S)
@pytest.mark.usefixtures("kafka")
def test_checker_runs_beside_its_peers(tmp_path: Path) -> None:
    """On a real Kafka the checker stands beside each peer that was asked for, with its ratio to it."""
    names = names_of(tiny(tmp_path, "checker", "--broker", "real", "--peers", *PEERS_AT_HAND))
    titles = {peer.key: peer.title for peer in PEERS}
    for key in PEERS_AT_HAND:
        assert f"{titles[key]}: events per CPU second" in names
        assert f"checker / {titles[key]}, per CPU second" in names


@pytest.mark.real_kafka
@pytest.mark.slow
@pytest.mark.timeout(WITHIN_S)
@pytest.mark.usefixtures("kafka")
def test_two_checkers_share_the_work(tmp_path: Path) -> None:
    """One checker and two are told with their costs, and the ratio of each."""
    names = names_of(tiny(tmp_path, "checker", "--workers", "2"))
    assert "1 checker(s): events per CPU second" in names
    assert "2 checker(s): events per CPU second" in names
    assert "2 checkers / 1, per CPU second" in names


@pytest.mark.real_kafka
@pytest.mark.slow
@pytest.mark.timeout(WITHIN_S)
@pytest.mark.usefixtures("kafka")
def test_latency_runs(tmp_path: Path) -> None:
    """The benchmark of latency gets a decision on every event that it publishes, none before its event."""
    document = tiny(tmp_path, "latency")
    values = {
        name.split(": ")[1]: each["values"] for name, each in zip(names_of(document), document["figures"], strict=True)
    }
    assert values["publish to readable, p50"][0] > 0
    assert next(each for name, each in values.items() if name.startswith("still on their way")) == [0.0]


@pytest.mark.real_kafka
@pytest.mark.slow
@pytest.mark.timeout(WITHIN_S)
@pytest.mark.usefixtures("kafka")
def test_backlog_runs(tmp_path: Path) -> None:
    """The benchmark of a backlog works all of it off, and tells the memory on the way, its peak and its slope."""
    document = tiny(tmp_path, "backlog")
    values = dict(zip(names_of(document), (each["values"][0] for each in document["figures"]), strict=True))
    assert values["events of backlog"] == 5_000
    assert 0 < values["resident memory after 10%"] <= values["resident memory at its peak"]
    assert "slope from the first tenth on" in values


def test_the_slope_is_that_of_the_samples() -> None:
    """Memory that grows by 3 MiB a million events is told so; what came before the first counted one is left out."""
    found = [Sample(0, 0), *(Sample(number * 100_000, 2**20 * 50 + number * 2**20 * 3 // 10) for number in range(1, 9))]
    assert slope(found, 100_000) == pytest.approx(3, abs=1e-3)
    assert slope(found[:1], 0) == 0


def test_peers_write_what_the_checker_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The answers of the peers are decisions by contract, with the event's own fields, of a decision's size."""
    path = ROOT / "benchmarks" / "peers" / "decisions.jsonl"
    monkeypatch.setitem(os.environ, "FLOWTRACK_BENCH_DECISION", str(path))
    answer = answering()
    event = {"id": "e-1", "subject": "0" * 32, "time": "2026-03-02T09:00:00Z"}
    answers = [answer(msgspec.json.encode(event)) for _ in path.read_text(encoding="utf-8").splitlines()]
    for each in answers:
        decision = Decision.model_validate_json(each)
        assert (decision.event_id, decision.subject) == ("e-1", "0" * 32)
        assert not re.search(rb"@\w+@", each)
    assert 800 < sum(map(len, answers)) / len(answers) < 1_100


def test_judging_runs(tmp_path: Path) -> None:
    """The benchmark of judging from memory tells what a consent record and an event cost."""
    names = names_of(tiny(tmp_path, "judging"))
    assert names == ["consent record applied", "event of the first day", "event of the next day"]


@pytest.mark.slow
@pytest.mark.timeout(300)  # the engine deletes old parts when it comes to it
def test_erasure_runs(tmp_path: Path) -> None:
    """The benchmark of erasure hides subjects, and proves them gone."""
    names = names_of(tiny(tmp_path, "erasure"))
    assert [name.partition(": ")[2] for name in names[-2:]] == [
        "out of every part in use",
        "from there to proved gone",
    ]


def test_stored_state(tmp_path: Path) -> None:
    """The benchmark of stored consent state runs, and tells memory, disk and time."""
    names = names_of(tiny(tmp_path, "stored_state"))
    assert {"open again", "the process's own memory grew by", "the store on disk, a subject"} <= set(names)


@pytest.mark.real_kafka
@pytest.mark.slow
@pytest.mark.timeout(WITHIN_S)
@pytest.mark.usefixtures("kafka")
def test_sink_runs_beside_its_peers(tmp_path: Path) -> None:
    """The benchmark of the sink tells rows by processor and by wall beside both peers, and how fresh rows are."""
    document = tiny(tmp_path, "sink")
    values = dict(zip(names_of(document), (each["values"] for each in document["figures"]), strict=True))
    for name in ("sink", "engine parses, no bookkeeping", "a statement a record"):
        assert values[f"{name}: rows per CPU second"][0] > 0
    assert "sink / engine parses, no bookkeeping, per CPU second" in values
    assert values["200 decisions/s: publish to queryable, p99"][0] > 0
