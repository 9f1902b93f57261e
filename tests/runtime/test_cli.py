"""The command line: light, clear when something is wrong, and the same words everywhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from flowtrack.apps.cli import describe
from flowtrack.apps.progress import STAGES
from flowtrack.apps.worker import WorkerKind
from flowtrack.errors import FlowtrackError, PackError
from flowtrack.tracking.ledger import SINK_TOPICS

HEAVY = {
    "aiokafka",
    "cedarpy",
    "chdb",
    "clickhouse_connect",
    "confluent_kafka",
    "fastapi",
    "faust",
    "httpx",
    "pandas",
    "pydantic",
    "structlog",
    "uvicorn",
    "yaml",
}


def flowtrack(*words: str, stdin: bytes = b"", env: dict[str, str] | None = None) -> subprocess.CompletedProcess[bytes]:
    """Run the command line as a process."""
    return subprocess.run(
        [sys.executable, "-m", "flowtrack", *words],
        input=stdin,
        capture_output=True,
        check=False,
        timeout=100,
        env={**os.environ, **(env or {})},
    )


def test_help_is_light() -> None:
    """`flowtrack --help` loads nothing heavy, and takes a fraction of a second of processor time."""
    code = (
        "import sys, time, typer.testing\n"
        "begun = time.process_time()\n"
        "from flowtrack.apps.cli import app\n"
        "result = typer.testing.CliRunner().invoke(app, ['--help'])\n"
        "took_s = time.process_time() - begun\n"
        f"heavy = sorted({HEAVY!r} & sys.modules.keys())\n"
        "print(result.exit_code, took_s < 0.3, heavy)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert ran.stdout.split("\n")[0] == "0 True []"


@pytest.mark.parametrize("words", [["up"], ["demo"], ["worker"], ["topics"], ["policy"], ["deadletters"], ["trace"]])
def test_every_command_has_help(words: list[str]) -> None:
    """Each command says what it does."""
    ran = flowtrack(*words, "--help")
    assert ran.returncode == 0
    assert b"Usage" in ran.stdout


def test_an_error_is_one_message(tmp_path: Path) -> None:
    """Our own errors go to standard error: what, where and help, no traceback; exit status 2."""
    ran = flowtrack("trace", "0" * 32, "--data-dir", str(tmp_path / "none"))
    assert (ran.returncode, ran.stdout) == (2, b"")
    assert ran.stderr.startswith(b"flowtrack: there is no ledger")
    assert b"Traceback" not in ran.stderr
    assert b"help: " in ran.stderr


def test_a_wrong_subject_or_instant_is_refused() -> None:
    """A subject that is no pseudonym is not repeated in the message: it might be somebody's name."""
    ran = flowtrack("trace", "hong@example.com")
    assert ran.returncode == 2
    assert b"hong" not in ran.stderr
    ran = flowtrack("trace", "0" * 32, "--as-of", "2026-03-02T09:30:00")
    assert ran.returncode == 2
    assert b"--as-of" in ran.stderr


def test_a_wrong_setting_names_its_variable() -> None:
    """A setting that cannot be read is named, its value is not."""
    ran = flowtrack("topics", "create", env={"FLOWTRACK_KAFKA__PARTITIONS": "s3cret"})
    assert ran.returncode == 2
    assert b"FLOWTRACK_KAFKA__PARTITIONS" in ran.stderr
    assert b"s3cret" not in ran.stderr


def test_a_refused_pack_shows_all_its_problems() -> None:
    """Every problem of a pack is shown, each with its place."""
    problems = tuple(PackError(f"problem {n}", where=f"rules.cedar:{n}") for n in range(3))
    text = describe(PackError("the pack is refused", help="mend each", problems=problems))
    assert [line for line in text.splitlines() if "rules.cedar" in line] == [
        f"  - rules.cedar:{n}: problem {n}" for n in range(3)
    ]
    assert describe(FlowtrackError("it broke")) == "flowtrack: it broke\n"


def test_pseudonym_reads_standard_input(tmp_path: Path) -> None:
    """The identifier comes by standard input, so that it is in no process list; its final newline does not count."""
    key = tmp_path / "key"
    key.write_text("0f" * 32)
    one, other = (flowtrack("pseudonym", "--key-file", str(key), stdin=text) for text in (b"user 42", b"user 42\n"))
    assert one.returncode == 0, one.stderr
    assert len(one.stdout.strip()) == 32
    assert one.stdout == other.stdout


def test_progress_watches_what_the_sink_reads() -> None:
    """The topics whose lag is watched for the sink are those that it reads."""
    assert set(STAGES[WorkerKind.SINK].topics) == set(SINK_TOPICS)


def test_demo_prints_one_document() -> None:
    """`flowtrack demo --json` writes nothing but one JSON document, and ends with 0 when all is as planted."""
    ran = flowtrack("demo", "--events", "2000", "--subjects", "300", "--json")
    document = json.loads(ran.stdout)
    assert (ran.returncode, document["differences"]) == (0, [])
    assert document["findings"]["found"] == document["findings"]["planted"] > 0
