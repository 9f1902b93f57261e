"""What all tests share: how hypothesis searches, and a summary that hides nothing that was left out."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.database import DirectoryBasedExampleDatabase

if TYPE_CHECKING:
    from collections.abc import Iterator

    from _pytest.terminal import TerminalReporter

ROOT = Path(__file__).parent.parent

# Two cores are shared with brokers and stores: a single example may wait for them, so no deadline, and slow inputs are
# no failure.  `print_blob` makes a failure repeatable on another machine.
_SHARED = settings(
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
    database=DirectoryBasedExampleDatabase(ROOT / ".cache" / "hypothesis"),
)
settings.register_profile("ci", _SHARED, max_examples=50, derandomize=True, database=None)
settings.register_profile("dev", _SHARED, max_examples=100)
settings.register_profile("deep", _SHARED, max_examples=2_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


# No setting of whoever runs the tests reaches the code under test, nor a process that it starts; the tests' own stay.
for _name in [name for name in os.environ if name.startswith("FLOWTRACK_")]:
    if not _name.startswith(("FLOWTRACK_TEST_", "FLOWTRACK_KAFKA_JARS")):
        del os.environ[_name]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the runtime's tests first: they measure the memory of their own process too, and open a ledger in it."""
    items.sort(key=lambda item: "tests/runtime/" not in item.nodeid)


def _reason_of(report: pytest.TestReport) -> str:
    """The reason that a skipped test gave, without the place it stood at."""
    if isinstance(report.longrepr, tuple):
        return report.longrepr[2].removeprefix("Skipped: ")
    return str(report.longrepr)


@pytest.hookimpl(wrapper=True)
def pytest_terminal_summary(terminalreporter: TerminalReporter) -> Iterator[None]:
    """After pytest's own summary: what was left out and why, counted, so that a green run cannot hide a gap."""
    yield
    left_out = Counter(_reason_of(report) for report in terminalreporter.getreports("skipped"))
    deselected = len(terminalreporter.getreports("deselected"))
    terminalreporter.section("left out")
    if not left_out and not deselected:
        terminalreporter.write_line("nothing: every collected test ran")
    for reason, count in left_out.most_common():
        terminalreporter.write_line(f"{count:4d}  {reason}")
    if deselected:
        terminalreporter.write_line(f"{deselected:4d}  deselected by -m, -k or --deselect")
