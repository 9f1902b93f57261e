"""The fault runs, short: what is told at length in benchmarks/faults holds on every change."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from benchmarks.checker import day_of
from benchmarks.rig.malformed import spoil
from benchmarks.rig.publishing import progress_of, write_records
from flowtrack.errors import ContractError
from flowtrack.wire.decode import decode_event
from tests.rig.kafka_process import KafkaProcess, NoKafkaError

ROOT = Path(__file__).parents[2]


def _figures(folder: Path, *options: str) -> dict[str, float]:
    """Run the benchmark in short, and give its figures by name."""
    try:
        KafkaProcess(folder)
    except NoKafkaError as error:
        pytest.skip(str(error))
    target = folder / "figures.json"
    command = [sys.executable, "-m", "benchmarks.faults", "--tiny", "--json", str(target), *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=170, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return {each["name"]: each["values"][0] for each in json.loads(target.read_text(encoding="utf-8"))["figures"]}


@pytest.mark.real_kafka
@pytest.mark.slow
@pytest.mark.timeout(180)
def test_nothing_is_lost_nor_twice_over_kills(tmp_path: Path) -> None:
    """Three kills, the broker among them: the ledger is that of an undisturbed run, row for row."""
    figures = _figures(tmp_path)
    assert figures["faults: kills"] == 3
    assert figures["faults: ledger rows compared"] > figures["faults: events published"] > 2_500
    assert figures["faults: faults: lost, twice, or other than undisturbed"] == 0


@pytest.mark.real_kafka
@pytest.mark.slow
@pytest.mark.timeout(180)
def test_malformed_messages_are_dead_and_their_neighbours_judged(tmp_path: Path) -> None:
    """Each with the code of its fault, none ends the worker."""
    figures = _figures(tmp_path, "--malformed", "1")
    assert figures["malformed: messages"] == 2_000
    assert figures["malformed: neither dead with their code nor judged, or twice"] == 0


def test_spoilt_messages_are_malformed() -> None:
    """What the fault run calls malformed is: unreadable, or on a partition that is not its subject's."""
    found = spoil(list(day_of(1_000, 1).events())[:200], Random(1), 300)
    assert len(found) == 300
    for each in found:
        if each.code != "wrong_partition":
            with pytest.raises(ContractError) as caught:
                decode_event(each.item.value)
            assert caught.value.code == each.code


def test_a_killed_service_goes_on_behind_what_was_acknowledged(tmp_path: Path) -> None:
    """Records are a line each, so a byte says where to go on; without a note it is the first."""
    day = day_of(1_000, 1)
    count = write_records(day, tmp_path / "records")
    lines = (tmp_path / "records").read_bytes().splitlines()
    assert len(lines) == count == len(day.items)
    assert [line.split(b"\t", 4)[4] for line in lines] == [item.value for item in day.items]
    assert progress_of(tmp_path / "progress") == 0
    (tmp_path / "progress").write_text("17", encoding="utf-8")
    assert progress_of(tmp_path / "progress") == 17
