"""`flowtrack up`, as a process of its own: it stays, survives its parts, and ends in order."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from flowtrack.apps.directory import DataDirectory, Running
from flowtrack.apps.ports import free_port
from flowtrack.sample.day import sample_day
from flowtrack.sample.options import SampleOptions

PARTS = {"broker", "checker", "sink", "alerter", "api"}


def eventually(holds: Callable[[], object], timeout_s: float = 60.0) -> None:
    """Wait until something holds."""
    pause, deadline_s = threading.Event(), time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline_s, "did not happen in time"
        pause.wait(0.05)


def flowtrack(*words: str) -> subprocess.CompletedProcess[str]:
    """Run the command line as a process."""
    return subprocess.run(
        [sys.executable, "-m", "flowtrack", *words], capture_output=True, check=False, timeout=60, text=True
    )


def _asked(*words: str) -> dict[str, Any]:
    """What a command says as JSON."""
    said: dict[str, Any] = json.loads(flowtrack(*words, "--json").stdout)
    return said


def part_of(process: subprocess.Popen[bytes], name: str) -> psutil.Process:
    """One of the processes that `up` runs."""
    children = psutil.Process(process.pid).children()
    return next(child for child in children if child.cmdline()[-1].endswith(name))


@pytest.fixture
def up(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A `flowtrack up` on a directory of its own."""
    with (tmp_path / "up.log").open("wb") as log:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "flowtrack", "up", "--data-dir", str(tmp_path / "data")),
                *("--port", str(free_port()), "--api-port", str(free_port())),
            ],
            stdout=log,
            stderr=log,
        )
        yield process
        process.kill()
        process.wait(10)


def running(tmp_path: Path) -> Running | None:
    """Where it is reached, once it is ready."""
    return DataDirectory(tmp_path / "data").running()


@pytest.mark.slow
def test_up_judges_what_is_emitted_and_ends_in_order(up: subprocess.Popen[bytes], tmp_path: Path) -> None:
    """A file emitted just before the end is judged and written; the broker's loss in between starts a new epoch.

    While it runs, a subject can be erased: the commands ask it over HTTP.
    """
    eventually(lambda: running(tmp_path))
    first = running(tmp_path)
    assert first is not None
    parts = psutil.Process(up.pid).children()
    assert {child.cmdline()[-1].rsplit(".", 1)[-1] for child in parts} == PARTS

    part_of(up, "broker").send_signal(signal.SIGKILL)
    eventually(lambda: (now := running(tmp_path)) is not None and now.epoch != first.epoch)

    yesterday = (datetime.now(UTC) - timedelta(days=1)).date()
    day = sample_day(SampleOptions(events=1_000, subjects=200, day=yesterday))
    file = tmp_path / "day.jsonl"
    file.write_bytes(b"".join(item.value + b"\n" for item in day.items))
    emitted = flowtrack("emit", str(file), "--data-dir", str(tmp_path / "data"), "--json")
    assert json.loads(emitted.stdout) == {"published": len(day.items)}

    where = ("--data-dir", str(tmp_path / "data"))
    shown = day.truth.violations[0].subject
    erased = next(item.subject for item in day.items if not item.consent and item.subject != shown)
    steps = sum(item.subject == erased and not item.consent for item in day.items)
    eventually(lambda: len(_asked("trace", erased, *where)["rows"]) == steps)
    (proof,) = _asked("ledger", "erase", erased, "--reason", "request 7", *where)["erasures"]
    assert proof["rows"]["flows"] >= steps
    assert _asked("trace", erased, *where)["rows"] == []
    assert [each["id"] for each in _asked("ledger", "erasures", *where)["erasures"]] == [proof["id"]]

    parts = psutil.Process(up.pid).children()
    up.send_signal(signal.SIGTERM)
    assert up.wait(60) == 0
    assert psutil.wait_procs(parts, timeout=10)[1] == []
    books = json.loads(flowtrack("reconcile", "--data-dir", str(tmp_path / "data"), "--json").stdout)
    assert books["balanced"]
    assert books["decisions"] == sum(not item.consent for item in day.items)
    letters = json.loads(flowtrack("deadletters", "list", "--data-dir", str(tmp_path / "data"), "--json").stdout)
    assert letters["total"] == 0
    trail = json.loads(flowtrack("trace", shown, "--data-dir", str(tmp_path / "data"), "--json").stdout)
    assert trail["about"]["question"]["subject"] == shown
    assert len(trail["rows"]) == sum(item.subject == shown and not item.consent for item in day.items)


def test_nobody_is_left_when_up_is_killed(up: subprocess.Popen[bytes], tmp_path: Path) -> None:
    """Killed with -9, `up` leaves no process behind, and the directory can be used again."""
    eventually(lambda: running(tmp_path))
    parts = psutil.Process(up.pid).children()
    assert len(parts) == len(PARTS)
    os.kill(up.pid, signal.SIGKILL)
    up.wait(10)
    assert psutil.wait_procs(parts, timeout=30)[1] == []
    assert running(tmp_path) is None
