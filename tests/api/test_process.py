"""`flowtrack api` as a process of its own, over an embedded ledger."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from flowtrack.adapters.clickhouse.settings import ClickHouseSettings
from flowtrack.adapters.clickhouse.sink import SinkStore
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.apps.ports import free_port
from flowtrack.tracking.ledger import LedgerWriter
from tests.ledger.day import a_day

_DEADLINE_S = 60.0


def flowtrack(*words: str) -> subprocess.CompletedProcess[str]:
    """Run the command line as a process."""
    command = [sys.executable, "-m", "flowtrack", *words]
    return subprocess.run(command, capture_output=True, check=False, timeout=60, text=True)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data directory of an embedded Flowtrack that does not run, with a day in it; written by another process."""
    directory = tmp_path_factory.mktemp("process")
    code = f"from tests.api.test_process import write_day; write_day({str(directory)!r})"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([".", *sys.path])}
    subprocess.run([sys.executable, "-c", code], check=True, env=env, timeout=60)
    return directory


def write_day(directory: str) -> None:
    """Write a day into a ledger: in a process of its own, since an engine opens one directory in its life."""
    with Store(ClickHouseSettings(data_dir=Path(directory) / "store")) as store:
        store.migrate()
        LedgerWriter(SinkStore(store), "run").process(a_day(150))


@pytest.fixture(scope="module")
def running(directory: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The process, once it is ready, and its address."""
    port, pause = free_port(), threading.Event()
    words = ["api", "--port", str(port), "--data-dir", str(directory)]
    with (directory / "api.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "flowtrack", *words], stdout=log, stderr=log)
    url, deadline_s = f"http://127.0.0.1:{port}", time.monotonic() + _DEADLINE_S
    while True:
        try:
            if httpx.get(f"{url}/readyz").status_code == httpx.codes.OK:
                break
        except httpx.TransportError:
            assert process.poll() is None, (directory / "api.log").read_text()
        assert time.monotonic() < deadline_s
        pause.wait(0.1)
    yield url, process
    process.kill()
    process.wait(10)


def test_it_answers_over_an_embedded_ledger(running: tuple[str, subprocess.Popen[bytes]], directory: Path) -> None:
    """A token made beside it opens it at once; subjects take a purpose; what was asked stands in the audit log."""
    url, process = running
    made = flowtrack("api", "token", "--role", "auditor", "--who", "audit-7", "--data-dir", str(directory))
    headers = {"authorization": f"Bearer {made.stdout.strip()}"}
    with httpx.Client(base_url=url, headers=headers) as client:
        rows = client.get("/v1/violations", params={"limit": 2, "why": "case 7"}).json()["rows"]
        about = {"subject": rows[0]["subject"]}
        assert client.get("/v1/trail", params=about).status_code == 400
        trail = client.get("/v1/trail", params=about, headers={"flowtrack-purpose": "case 7"})
        assert trail.json()["rows"]
        exported = client.get("/v1/flows/export").content.splitlines()
        assert json.loads(exported[-1])["end"]["rows"] == len(exported) - 1
        log = client.get("/v1/audit-log", params={"why": "to check"}).json()["rows"]
    assert "case 7" in {line["why"] for line in log}

    (kept,) = json.loads(flowtrack("api", "tokens", "--data-dir", str(directory), "--json").stdout)["tokens"]
    assert (kept["who"], "sha256" in kept) == ("audit-7", False)
    assert flowtrack("api", "revoke", kept["id"], "--data-dir", str(directory)).returncode == 0
    assert flowtrack("api", "revoke", kept["id"], "--data-dir", str(directory)).returncode == 2
    assert httpx.get(f"{url}/v1", headers=headers).status_code == 401

    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    log_text = (directory / "api.log").read_text()
    assert rows[0]["subject"] not in log_text
    assert made.stdout.strip() not in log_text


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("api", "--host", "192.0.2.1"), "certificate"),
        (("api", "token", "--role", "king", "--who", "jo"), "no such role"),
        (("api", "token", "--role", "auditor", "--who", ""), "account's name"),
    ],
)
def test_what_is_not_right_is_said(words: tuple[str, ...], says: str, tmp_path: Path) -> None:
    """An interface without TLS, a role that is none, an account without a name: status 2, and what to do."""
    done = flowtrack(*words, "--data-dir", str(tmp_path))
    assert done.returncode == 2
    assert says in done.stderr
    assert "help:" in done.stderr
