"""The embedded runtime, with its real processes: what is taken, what dies, what ends, and that nothing is lost."""

from __future__ import annotations

import io
import os
import signal
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest

from flowtrack.adapters.kafka.lag import end_offsets
from flowtrack.apps.books import reconciled
from flowtrack.apps.demo import publish_day, run_day
from flowtrack.apps.directory import DataDirectory, Running
from flowtrack.apps.documents import as_registry_document
from flowtrack.apps.ledger import open_ledger
from flowtrack.apps.ports import check_free, free_port
from flowtrack.apps.report import Report
from flowtrack.apps.runtime import BROKER, Runtime
from flowtrack.apps.screen import Screen, Steps
from flowtrack.errors import RuntimeStateError
from flowtrack.sample.day import SampleDay, sample_day
from flowtrack.sample.options import SampleOptions
from flowtrack.tracking.records import Topic

GIB = 1024 * 1024 * 1024
QUIET = {"FLOWTRACK_ALERTS__TERMINAL": "false"}


def day_of(events: int, subjects: int = 300) -> SampleOptions:
    """Yesterday, of a size."""
    return SampleOptions(events=events, subjects=subjects, day=(datetime.now(UTC) - timedelta(days=1)).date())


def pid_of(module: str) -> int:
    """The process id of one of this process's children, by what it runs."""
    for child in psutil.Process().children():
        if child.status() != psutil.STATUS_ZOMBIE and " ".join(child.cmdline()).endswith(module):
            return child.pid
    raise AssertionError(f"no process runs {module}")


class Killer(Steps):
    """Kills processes with -9 when as much is published as it was told."""

    def __init__(self, when: dict[float, str]) -> None:
        super().__init__(None)
        self.when = sorted(when.items())
        self.killed: list[str] = []

    def update(self, name: str, done: int, total: int) -> None:
        """Kill whose time has come."""
        while name == "published" and self.when and done >= self.when[0][0] * total:
            module = self.when.pop(0)[1]
            os.kill(pid_of(module), signal.SIGKILL)
            self.killed.append(module)


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[DataDirectory]:
    """A data directory that this process holds."""
    with DataDirectory(tmp_path / "data") as it:
        yield it


def test_a_directory_has_one_holder(directory: DataDirectory) -> None:
    """A second Flowtrack on the same directory is refused, with the holder's process id and what to do."""
    with (
        pytest.raises(RuntimeStateError, match=f"in use by process {os.getpid()}") as caught,
        DataDirectory(directory.path),
    ):
        pytest.fail("two held one directory")
    assert "--data-dir" in caught.value.help


def test_a_directory_is_free_again_when_its_holder_has_gone(tmp_path: Path) -> None:
    """What a killed process leaves behind holds nobody up: the lock goes with its holder."""
    with DataDirectory(tmp_path) as first:
        first.announce(Running(2**22 + 1, "e", "b", "l"))
        assert first.running() is None
    with DataDirectory(tmp_path) as again:
        assert again.running() is None


def test_a_directory_tells_where_its_flowtrack_is(directory: DataDirectory) -> None:
    """Other commands find the running Flowtrack by the directory, and none once it has ended."""
    here = Running(os.getpid(), "e1", "127.0.0.1:1", "http://127.0.0.1:2")
    directory.announce(here)
    assert DataDirectory(directory.path).running() == here


def test_a_directory_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    """A file where the directory should be is said so, not a traceback."""
    (tmp_path / "file").write_text("")
    with pytest.raises(RuntimeStateError, match="cannot use the data directory"), DataDirectory(tmp_path / "file"):
        pytest.fail("held a file")


def test_a_taken_port_names_who_has_it(directory: DataDirectory) -> None:
    """A port that somebody listens on is refused before anything starts, naming the process."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(RuntimeStateError, match=f"port `{port}` is in use by process {os.getpid()}"):
            check_free(port)
        with Runtime(directory, port=port) as runtime, pytest.raises(RuntimeStateError, match="is in use"):
            runtime.start()
        assert runtime.supervisor.pids == {}


def test_a_chosen_port_is_none_that_clients_get() -> None:
    """Ports that are chosen lie below those that the system gives to client connections."""
    assert all(20_000 <= free_port() < 32_768 for _ in range(100))


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """What came of a small day in which checker, store and alerter were killed."""
    killer = Killer(
        {0.3: "flowtrack.apps.worker checker", 0.5: "flowtrack.apps.worker sink", 0.6: "flowtrack.apps.worker alerter"}
    )
    with DataDirectory(tmp_path_factory.mktemp("killed")) as directory:
        it = run_day(directory, day_of(12_000), killer, kept=False)
    assert len(killer.killed) == 3
    return it


def test_killed_workers_come_back_and_the_books_balance(report: Report) -> None:
    """Checker, store and alerter killed with -9 on the way: nothing lost, nothing twice, all found, no false alarm."""
    assert report.differences == []
    assert report.restarts == 3
    assert report.books.decisions == report.published.events
    assert report.comparison.planted == report.comparison.found > 0


def test_the_document_has_its_shape(report: Report) -> None:
    """The keys that scripts rely on, and that it is all plain JSON."""
    document = report.document()
    assert document["ok"] is True
    assert set(document) == {
        "ok",
        "differences",
        "published",
        "events",
        "alerts",
        "findings",
        "trail",
        "books",
        "seconds",
        "memory_mib",
        "restarts",
        "data_dir",
    }
    assert set(document["published"]) == {"services", "subjects", "consents", "events", "bad_messages"}
    assert set(document["findings"]) == {"planted", "found", "missed", "false_alarms"}
    assert document["books"]["balanced"] is True
    assert {"permit", "deny"} <= set(document["events"]["share"])
    assert all(set(text) == {"ko", "en"} for alert in document["alerts"] for text in alert["texts"].values())
    assert 0 < document["memory_mib"] < 1024


@pytest.mark.parametrize("terminal", [False, True])
def test_the_screen_shows_each_part(report: Report, *, terminal: bool) -> None:
    """Events, alerts, what was planted, a trail, the books, the cost and how to go on; colours on a terminal alone."""
    out = io.StringIO()
    Screen(out, terminal=terminal).show(*report.parts())
    text = out.getvalue()
    for title in (
        "Events by kind and verdict",
        "Alerts:",
        "Held against what was planted",
        "One person's trail: subject",
        "Reconciliation: events, by partition",
        "What it took",
        "How to go on",
    ):
        assert title in text
    assert ("\x1b[" in text) is terminal


@pytest.fixture
def small_day() -> SampleDay:
    """A day of a few thousand events."""
    return sample_day(day_of(3_000))


@pytest.fixture
def start(directory: DataDirectory) -> Iterator[Callable[[SampleDay], Runtime]]:
    """Starts a runtime for a day, and sees to its end."""
    started: list[Runtime] = []

    def start(day: SampleDay) -> Runtime:
        registry = day.registry
        document = as_registry_document(
            registry.name, registry.version, registry.model_dump_json(exclude_none=True).encode()
        )
        runtime = Runtime(directory, port=free_port(), documents=[document], env=QUIET)
        started.append(runtime.__enter__())
        runtime.start()
        runtime.wait_ready()
        return runtime

    yield start
    for runtime in started:
        runtime.__exit__(None, None, None)


@pytest.mark.slow
def test_an_ordered_end_leaves_nothing_undone(
    directory: DataDirectory, small_day: SampleDay, start: Callable[[SampleDay], Runtime]
) -> None:
    """What was published just before the end is judged and in the ledger; a new start knows the consents again."""
    runtime = start(small_day)
    emitted = publish_day(runtime, small_day, lambda _done, _total: None)
    assert runtime.drain(60)
    epoch = runtime.epoch
    assert list(runtime.supervisor.pids) == [BROKER]
    runtime.__exit__(None, None, None)
    directory.__exit__()
    with open_ledger(directory.path) as ledger:
        books = reconciled(ledger, None)
        assert books.balanced
        assert books.decisions == emitted.events
        assert len(list(ledger.consents_all())) == emitted.consents
    directory.__enter__()
    again = start(small_day)
    assert again.epoch != epoch
    assert sum(end_offsets(again.kafka, Topic.EVENTS).values()) == 0
    assert again.drain(60)


def test_a_lost_broker_ends_the_run(small_day: SampleDay, start: Callable[[SampleDay], Runtime]) -> None:
    """The embedded broker's records die with it: the run is over, and says what was lost."""
    runtime = start(small_day)
    os.kill(runtime.supervisor.pids[BROKER], signal.SIGKILL)
    assert runtime.supervisor.failed.wait(20)
    assert runtime.supervisor.lost == BROKER
    with pytest.raises(RuntimeStateError, match="`broker` ended"):
        runtime.supervisor.check()


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_three_times_the_demo_loses_nothing(directory: DataDirectory) -> None:
    """150,000 events are three times what the embedded broker keeps: what is in flight is bounded, so nothing goes."""
    report = run_day(directory, day_of(150_000, 6_000), Steps(None), kept=False)
    assert report.differences == []
    # whoever publishes holds the whole day, three times as much as the demo; the pipeline behind it takes no more
    assert report.memory_bytes < 1.5 * GIB
