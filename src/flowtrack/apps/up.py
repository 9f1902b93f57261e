"""`flowtrack up`: an embedded Flowtrack that stays, until Ctrl-C."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import structlog

from flowtrack.adapters.http.api.settings import ApiSettings
from flowtrack.apps.child import stop_on_signals
from flowtrack.apps.directory import DataDirectory, Running
from flowtrack.apps.documents import Document, pack_document, registry_document
from flowtrack.apps.logs import configure
from flowtrack.apps.runtime import BROKER, Runtime
from flowtrack.apps.settings import read

_log = structlog.get_logger(__name__)

_DRAIN_S = 60.0  # a full window of every topic is judged and written in seconds


def run(
    data_dir: Path,
    *,
    port: int,
    api_port: int | None = None,
    registries: Sequence[Path] = (),
    packs: Sequence[Path] = (),
) -> int:
    """Run until SIGINT or SIGTERM, and give the exit status: 0 when all that was published is in the ledger.

    When the broker dies, whatever it held is gone: a new one starts with what the ledger knows of consents, registry
    and rules, under a new epoch.

    Raises:
        RuntimeStateError: the directory or the port is taken, or a process cannot be kept alive.
    """
    configure("up")
    api_port = read(ApiSettings).port if api_port is None else api_port
    documents = [*(pack_document(pack) for pack in packs), *(registry_document(path) for path in registries)]
    with DataDirectory(data_dir) as directory:
        while True:
            done = _one_epoch(directory, port, api_port, documents)
            if done is not None:
                return 0 if done else 1


def _one_epoch(directory: DataDirectory, port: int, api_port: int, documents: Sequence[Document]) -> bool | None:
    """Run with one broker; gives whether it ended with nothing left undone, None when the broker was lost."""
    # Until everything runs there is nothing to end in order: both signals just end the start.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with Runtime(directory, port=port, api_port=api_port, documents=documents) as runtime:
        runtime.start()
        running = runtime.wait_ready()
        directory.announce(running)
        stop = stop_on_signals()
        _greet(running, directory.path, runtime.signing_key)
        _wait(stop, runtime.supervisor.failed)
        if not stop.is_set():
            if runtime.supervisor.lost != BROKER:
                runtime.supervisor.check()
            _log.error(
                "the broker is lost, and with it what was published and not yet judged; starting anew",
                epoch=runtime.epoch,
                log=runtime.supervisor.log_tail(BROKER),
            )
            return None
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a second Ctrl-C does not wait for the rest
        _log.info("ending: what is published is still judged and written", at_most_s=_DRAIN_S)
        return runtime.drain(_DRAIN_S)


def _wait(*events: threading.Event) -> None:
    """Wait until one of several events is set."""
    pause = threading.Event()
    while not any(event.is_set() for event in events):
        pause.wait(0.1)


def _greet(running: Running, path: Path, signing_key: Path) -> None:
    sys.stdout.write(
        f"Flowtrack runs; Ctrl-C ends it in order.\n"
        f"  services publish to   FLOWTRACK_KAFKA__BOOTSTRAP_SERVERS={running.broker}\n"
        f"  auditors ask at       {running.api}\n"
        f"  with a token of       flowtrack api token --role auditor --who ACCOUNT --data-dir {path}\n"
        f"  the ledger answers at {running.ledger}\n"
        f"  data and logs are in  {path}\n"
        f"  packs are signed by   FLOWTRACK_POLICY__SIGNING_KEY={signing_key}\n"
        f"  ask it                flowtrack trace SUBJECT --data-dir {path}\n"
    )
    sys.stdout.flush()
