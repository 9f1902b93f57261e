"""`flowtrack demo`: a day of a platform through the real pipeline, held against what was planted in it."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from flowtrack.apps.books import reconciled
from flowtrack.apps.clauses import clause_texts
from flowtrack.apps.directory import DataDirectory
from flowtrack.apps.documents import as_registry_document
from flowtrack.apps.ledger import asking
from flowtrack.apps.logs import configure
from flowtrack.apps.memory import MemoryPeak
from flowtrack.apps.ports import free_port
from flowtrack.apps.progress import DRAINED, STAGES, Progress
from flowtrack.apps.report import Published, Report
from flowtrack.apps.runtime import Runtime
from flowtrack.apps.screen import Screen, Silent, Steps
from flowtrack.apps.verdicts import Comparison, Judged, compare
from flowtrack.apps.worker import WorkerKind
from flowtrack.audit.family import ROWS_MAX
from flowtrack.errors import RuntimeStateError
from flowtrack.tracking.records import Topic

if TYPE_CHECKING:
    from flowtrack.audit.ledger import Ledger
    from flowtrack.audit.overview import OverviewAnswer
    from flowtrack.audit.roles import Asker
    from flowtrack.sample.day import SampleDay
    from flowtrack.sample.emit import Emitted
    from flowtrack.sample.options import SampleOptions
    from flowtrack.sample.truth import Truth

_SETTLE_S = 300.0
_DRAIN_S = 20.0
_NOT_PASSED = frozenset({"deny", "indeterminate"})
"""Verdicts of what did not pass."""
_TRAIL_EVENTS = range(5, 16)  # of the trail that is shown: enough to see a life, few enough to read


def run(*, events: int, subjects: int, seed: int, as_json: bool, keep: Path | None) -> int:
    """Run the demo, show what came out, and give the exit status.

    Returns:
        0 when the books balance, all that was planted is found, and nothing else is.

    Raises:
        ConfigurationError: a day so small cannot hold everything that is planted.
        RuntimeStateError: the processes do not start, or cannot be kept alive.
    """
    configure("demo", level=logging.WARNING)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that nothing is left behind, as with Ctrl-C
    from flowtrack.sample.options import SampleOptions

    yesterday = (datetime.now(UTC) - timedelta(days=1)).date()
    options = SampleOptions(seed=seed, events=events, subjects=subjects, day=yesterday)
    screen = Silent() if as_json else Screen()
    with ExitStack() as stack:
        path = keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="flowtrack-demo-")))
        directory = stack.enter_context(DataDirectory(path))
        with screen.steps() as steps:
            report = run_day(directory, options, steps, kept=keep is not None)
    if as_json:
        sys.stdout.write(json.dumps(report.document(), ensure_ascii=False, indent=2) + "\n")
    else:
        screen.show(*report.parts())
    return 1 if report.differences else 0


class _Steps:
    """Notes when each step is done, and shows it."""

    def __init__(self, shown: Steps) -> None:
        self.seconds: dict[str, float] = {}
        self.shown = shown
        self._begun_s = time.monotonic()

    def done(self, name: str, total: int) -> None:
        """Note that a step is done."""
        self.seconds[name] = time.monotonic() - self._begun_s
        self.shown.done(name, total)


def run_day(directory: DataDirectory, options: SampleOptions, shown: Steps, *, kept: bool) -> Report:
    """Send a sample day through an embedded Flowtrack of its own and ask the ledger what came of it.

    Args:
        directory: held by this process.
        options: which day.
        shown: where progress is shown.
        kept: whether the data stays when this is over.

    Raises:
        RuntimeStateError: the processes do not start, or cannot be kept alive, or do not come to an end.
    """
    from flowtrack.adapters.http.client import LedgerClient
    from flowtrack.sample.day import sample_day
    from flowtrack.sample.platform import platform_of

    steps = _Steps(shown)
    registry = platform_of(options).registry
    document = as_registry_document(
        registry.name, registry.version, registry.model_dump_json(exclude_none=True).encode()
    )
    env = {"FLOWTRACK_ALERTS__TERMINAL": "false"}
    with Runtime(directory, port=free_port(), documents=[document], env=env) as runtime:
        with MemoryPeak(runtime.supervisor.process_ids) as memory:
            runtime.start()
            day = sample_day(options, progress=partial(shown.update, "making up the day"))
            steps.done("making up the day", len(day.items))
            running = runtime.wait_ready()
            directory.announce(running)
            steps.done("processes ready", len(runtime.supervisor.pids))
            emitted = publish_day(runtime, day, partial(shown.update, "published"))
            steps.done("published", emitted.consents + emitted.events + emitted.bad_messages)
            settle(runtime, steps)
            with LedgerClient(runtime.ledger_url) as ledger:
                report = _ask(runtime, ledger, day, emitted)
            steps.done("asked the ledger", len(day.truth.violations))
        runtime.drain(_DRAIN_S)
    return replace(
        report,
        seconds=steps.seconds,
        memory_bytes=memory.peak_bytes,
        restarts=runtime.supervisor.restarts,
        data_dir=str(directory.path) if kept else "",
    )


def publish_day(runtime: Runtime, day: SampleDay, progress: Callable[[int, int], None]) -> Emitted:
    """Publish a day by the SDK, as fast as the workers keep up: what is in flight is bounded.

    Raises:
        DeliveryError: a record was not delivered.
    """
    from flowtrack.adapters.kafka.window import Window
    from flowtrack.sample.emit import emit
    from flowtrack.sdk.kafka import KafkaTransport

    group = STAGES[WorkerKind.CHECKER].group
    windows = {str(topic): Window(runtime.kafka, topic, (group,)) for topic in (Topic.EVENTS, Topic.CONSENTS)}

    async def publish() -> Emitted:
        transport = KafkaTransport(
            runtime.kafka.bootstrap_servers, windows={name: window.wait_async for name, window in windows.items()}
        )
        await transport.start()
        try:
            return await emit(day, transport, progress=progress)
        finally:
            await transport.stop()

    try:
        return asyncio.run(publish())
    finally:
        for window in windows.values():
            window.close()


_SETTLED = {
    WorkerKind.CHECKER: "judged",
    WorkerKind.ALERTER: "alerted",
    WorkerKind.SINK: "in the ledger",
}


def settle(runtime: Runtime, steps: _Steps) -> None:
    """Wait until all that was published is judged, told and in the ledger.

    Raises:
        RuntimeStateError: a process cannot be kept alive, or five minutes do not suffice.
    """
    with Progress(runtime.kafka) as progress:
        for kind, name in _SETTLED.items():
            if not progress.settle(_SETTLE_S, kinds=DRAINED[kind], look=runtime.supervisor.check):
                raise RuntimeStateError(
                    f"`{kind}` has {progress.lag(kind)} records left after {_SETTLE_S:g} s",
                    help=f"its log ends with:\n{runtime.supervisor.log_tail(kind)}",
                )
            steps.done(name, progress.done(kind))


def _ask(runtime: Runtime, ledger: Ledger, day: SampleDay, emitted: Emitted) -> Report:
    """Ask the ledger for everything that is shown."""
    from flowtrack.audit.alerts import Alerts
    from flowtrack.audit.overview import Overview
    from flowtrack.audit.trail import Trail

    who = asking("demo")
    overview = ledger.ask(Overview(events=True), asker=who)
    return Report(
        published=Published(
            services=day.options.services,
            subjects=day.options.subjects,
            consents=emitted.consents,
            events=emitted.events,
            bad_messages=emitted.bad_messages,
        ),
        overview=overview,
        alerts=ledger.ask(Alerts(limit=ROWS_MAX), asker=who).rows,
        comparison=_compared(day.truth, _not_passed(ledger, who), overview),
        trail=ledger.ask(Trail(subject=_worth_showing(day)), asker=who),
        books=reconciled(ledger, runtime.kafka),
        texts=clause_texts(),
        seconds={},
        memory_bytes=0,
        restarts=0,
        data_dir="",
    )


def _not_passed(ledger: Ledger, who: Asker) -> list[Judged]:
    """Give what did not pass, by event and category, as the ledger has it in the end.

    Findings would not do: an event that overtook its consent by a moment is judged anew once the consent is known.
    """
    from flowtrack.audit.following import pages_of
    from flowtrack.audit.violations import Violations

    return [
        Judged(each.event_id, each.category, each.verdict, each.clauses, each.reasons, each.gaps)
        for page in pages_of(ledger, Violations(limit=ROWS_MAX), who)
        for each in page.rows
    ]


def _compared(truth: Truth, judged: Sequence[Judged], overview: OverviewAnswer) -> Comparison:
    """Hold what did not pass against the truth, and how many flows that were against the whole ledger."""
    comparison = compare(truth.violations, judged)
    listed = len({(each.event_id, each.category) for each in judged})
    counted = sum(count.flows for count in overview.by_category if count.verdict in _NOT_PASSED)
    if listed == counted:
        return comparison
    said = f"{counted} flows in the ledger did not pass, its list of them has {listed}"
    return replace(comparison, false_alarms=(*comparison.false_alarms, said))


def _worth_showing(day: SampleDay) -> str:
    """Choose whose trail to show: somebody who had something planted about them, and a life that is quickly read."""
    planted = {violation.subject for violation in day.truth.violations}
    steps = Counter(item.subject for item in day.items if item.subject in planted)
    consents = Counter(item.subject for item in day.items if item.subject in planted and item.consent)

    def worth(subject: str) -> tuple[bool, int, int, str]:
        return steps[subject] - consents[subject] in _TRAIL_EVENTS, consents[subject], -steps[subject], subject

    return max(planted, key=worth)
