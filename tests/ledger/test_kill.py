"""A sink that is killed, and killed again, leaves each row once.

The long run is `python -m benchmarks.sink --kills 100`.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from flowtrack.audit.answers import BooksAnswer
from flowtrack.audit.questions import Books
from flowtrack.testing.ledger import MemoryLedger
from flowtrack.tracking.ledger import LedgerWriter
from tests.ledger.day import a_day
from tests.rig.kafka_process import KafkaProcess, NoKafkaError

ROOT = Path(__file__).parents[2]
EVENTS = 1_500
KILLS = 4


def start(directory: Path, batch: int) -> subprocess.Popen[str]:
    """Start a writer that begins at the first record."""
    argv = [sys.executable, "-m", "tests.ledger.writing_process", str(directory), str(EVENTS), str(batch)]
    return subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_a_killed_writer_leaves_each_row_once(tmp_path: Path) -> None:
    """Killed at any point of a batch and started anew with batches of another size: the books are the undisturbed ones.

    The instant within the batch is left to the machine; where the writer is when its line is read differs each time.
    """
    chance = random.Random(7)
    for _ in range(KILLS):
        writer = start(tmp_path, chance.randint(20, 60))
        assert writer.stdout is not None
        for _ in range(chance.randint(2, 15)):
            writer.stdout.readline()
        writer.kill()
        writer.wait(30)
        writer.stdout.close()
    last = start(tmp_path, 200)
    out, _ = last.communicate(timeout=100)
    books = BooksAnswer.model_validate_json(out.splitlines()[-1])
    undisturbed = MemoryLedger()
    LedgerWriter(undisturbed, "run").process(a_day(EVENTS))
    assert books == undisturbed.books(Books())
    assert all(part.repeated_rows == 0 and part.missing == 0 for part in books.partitions)


@pytest.mark.real_kafka
@pytest.mark.slow
@pytest.mark.timeout(280)
def test_sinks_killed_at_named_points_leave_the_undisturbed_ledger(tmp_path: Path) -> None:
    """On a real Kafka, with promises, late consents and a successor for each: every row, once, in every table."""
    try:
        KafkaProcess(tmp_path)
    except NoKafkaError as error:
        pytest.skip(str(error))
    target = tmp_path / "figures.json"
    command = [sys.executable, "-m", "benchmarks.sink", "--kills", "6", "--json", str(target)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=270, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    figures = {each["name"]: each["values"][0] for each in json.loads(target.read_text(encoding="utf-8"))["figures"]}
    assert figures["kills of sinks: kills"] == 6
    assert figures["kills of sinks: rows compared"] > 1_000
    assert figures["kills of sinks: rows missing, too many, or other"] == 0
