"""A worker process: a Faust app with the source as its service, the processor as its agent, control topics beside."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import faust
import structlog
from faust.types import StreamT
from mode.utils.queues import FlowControlEvent, ThrowableQueue

from flowtrack.adapters.kafka.control import ControlTopics, Handler
from flowtrack.adapters.kafka.gaps import GapRecorder
from flowtrack.adapters.kafka.health import HealthServer
from flowtrack.adapters.kafka.lag import LogOffsets
from flowtrack.adapters.kafka.plan import ClosingKind, Plan
from flowtrack.adapters.kafka.planned import PlannedSource
from flowtrack.adapters.kafka.settings import KafkaSettings
from flowtrack.adapters.kafka.source import EXIT_FATAL, OnGap, OnPoison, Source, Work
from flowtrack.adapters.kafka.topics import check_topics
from flowtrack.adapters.kafka.window import Window
from flowtrack.errors import BrokerError
from flowtrack.tracking.intent import PlannedProcessor
from flowtrack.tracking.records import Processor

_WATCH_S = 0.2
_ASK_AFTER_S = 5.0  # the source's thread may hang in a commit, and hears nothing of the broker meanwhile
_SLOW_S = 20.0  # a batch takes well under a second: whoever asks should know
_STOP_S = 30.0  # a batch in hand, then leaving the group
_FAUST_STOP_S = 5.0

_log = structlog.get_logger(__name__)


class SourceService(faust.Service):
    """The source as a service of the app: its thread lives and ends with the worker."""

    abstract = False  # mode registers concrete services only

    def __init__(self, source: Source, **kwargs: Any) -> None:  # noqa: ANN401 - mode's own arguments
        super().__init__(**kwargs)
        self.source = source
        self.thread = threading.Thread(target=source.run, name="source", daemon=True)

    async def on_started(self) -> None:
        """Begin to fetch, now that the agents listen."""
        self.thread.start()

    async def drain(self) -> bool:
        """Finish the batch in hand and leave the group; false when that takes too long."""
        self.source.stop()
        await asyncio.to_thread(self.thread.join, _STOP_S)
        return not self.thread.is_alive()


class WorkChannel(faust.Channel[Work]):
    """A channel whose queue is its own.

    The queues that Faust makes are cleared whenever its consumer's partitions change: the work in them would be
    lost, and the source would wait for an answer that never comes.
    """

    @property
    def queue(self) -> ThrowableQueue[Work]:
        """Give the queue; the source waits for each answer, so there is never more than one piece of work."""
        if self._queue is None:
            self._queue = ThrowableQueue(maxsize=1, flow_control=FlowControlEvent(initially_suspended=False))
        return self._queue


class Worker:
    """Faust around a source; `run` returns an exit status."""

    def __init__(
        self,
        settings: KafkaSettings,
        plan: Plan,
        processor: Processor,
        *,
        control_handlers: Mapping[str, Handler],
        on_poison: OnPoison | None,
        on_gap: OnGap | None,
        waits_for: Callable[[], str],
        ready_file: Path | None,
    ) -> None:
        self._settings = settings
        self._plan = plan
        self._ready_file = ready_file
        self._waits_for = waits_for
        self._failed = False
        self._ask_again_s = 0.0
        self._control = ControlTopics(settings, control_handlers, self._fail)
        kind = PlannedSource if plan.closing == "planned" and not settings.embedded else Source
        self._source: Source = kind(
            settings,
            plan,
            cast("PlannedProcessor", processor),
            submit=self._submit,
            on_poison=on_poison,
            on_gap=on_gap,
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._channel: Any = None

    def reason(self) -> str:
        """Say why the worker is not ready; empty when it is."""
        if not self._control.loaded:
            return "loading control topics"
        waits_for = self._waits_for()
        if waits_for:
            return waits_for
        status = self._source.status
        if status.reason or status.broker_down or status.outside:
            return status.reason or status.broker_down or status.outside
        stuck_s = status.stuck_for_s()
        return f"no commit for {stuck_s:.0f} s" if stuck_s > _SLOW_S else ""

    async def run(self) -> int:
        """Start, work until SIGTERM or SIGINT, finish the batch in hand, and give the exit status."""
        self._loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, stop.set)
        app = self._app()
        service = SourceService(self._source, loop=self._loop)
        # Faust takes another second to subscribe to the control topics; they have been read up to here.
        starting = asyncio.create_task(app.start())
        await app.agents.wait_until_agents_started()
        await service.start()
        _log.info("worker started", worker=self._plan.name, group=self._plan.group)
        status = await self._watch(app, starting, stop)
        drained = await service.drain()
        status = status if drained else EXIT_FATAL
        try:
            async with asyncio.timeout(_FAUST_STOP_S):
                await starting
                await app.stop()
                await service.stop()
        except TimeoutError:
            _log.warning("faust does not stop in time", worker=self._plan.name)
            os._exit(status)  # all that is ours is closed; its threads would keep the process for ever
        return status

    def _app(self) -> faust.App:
        app = faust.App(
            # Its own: every worker reads the control topics whole, and no dead worker's session holds it up.
            f"flowtrack-{self._plan.name}-{secrets.token_hex(8)}",
            broker=f"kafka://{self._settings.bootstrap_servers.replace(',', ';kafka://')}",
            broker_credentials=_credentials(self._settings),
            topic_allow_declare=False,
            topic_disable_leader=True,
            stream_wait_empty=False,
            web_enabled=False,
            datadir=Path(tempfile.gettempdir()) / "flowtrack-faust",  # it keeps nothing there, but makes the folder
        )
        self._channel = WorkChannel(app)

        async def work(stream: StreamT[Work]) -> None:
            async for item in stream:
                item.run()

        app.agent(self._channel, name=self._plan.name)(work)
        self._control.load()
        self._control.follow(app)
        return app

    def _submit(self, work: Work) -> None:
        """Hand work to the agent, from the source's thread."""
        if self._loop is None:
            raise BrokerError("the worker's loop does not run", help="start the worker with `run`")
        asyncio.run_coroutine_threadsafe(self._channel.put(work), self._loop)

    def _fail(self) -> None:
        self._failed = True

    async def _watch(self, app: faust.App, starting: asyncio.Task[None], stop: asyncio.Event) -> int:
        """Wait for the end, announce readiness once, and look whether anything is stuck."""
        announced = self._ready_file is None
        while not stop.is_set():
            if not announced and not self.reason():
                self._announce()
                announced = True
            if self._failed or app.crashed:
                _log.error("worker ends", worker=self._plan.name, error="faust or a control handler failed")
                return EXIT_FATAL
            if starting.done():
                starting.result()
            await self._leave_if_stuck()
            try:
                await asyncio.wait_for(stop.wait(), _WATCH_S)
            except TimeoutError:
                continue
        return 0

    async def _leave_if_stuck(self) -> None:
        """Look whether the broker answers while there is work and no commit.

        When it does not, that is why the worker is not ready.  When it does, and for long, the process ends itself: a
        restart may help.
        """
        stuck_s, now_s = self._source.status.stuck_for_s(), time.monotonic()
        patience_s = self._plan.stuck_after_s
        if stuck_s <= min(_ASK_AFTER_S, patience_s) or (stuck_s <= patience_s and now_s < self._ask_again_s):
            return
        silent = await asyncio.to_thread(self._broker_is_silent)
        self._ask_again_s = time.monotonic() + _ASK_AFTER_S
        if silent:
            self._source.status.broker_down = silent
        elif stuck_s > patience_s:
            _log.error("worker ends", worker=self._plan.name, error="work to do and no commit", for_s=patience_s)
            os._exit(EXIT_FATAL)  # its thread hangs: there is no graceful way

    def _announce(self) -> None:
        if self._ready_file is not None:
            part = self._ready_file.with_name(self._ready_file.name + ".part")
            part.write_text("ready\n", encoding="utf-8")
            part.replace(self._ready_file)  # whoever waits for the file sees it whole

    def _broker_is_silent(self) -> str:
        """Say why the broker does not answer; empty when it does."""
        try:
            LogOffsets(self._settings).partitions(self._plan.topics[0], timeout_s=5.0)
        except BrokerError as error:
            return str(error)
        return ""


def run_worker(  # noqa: PLR0913 - a worker spelt out where it is started; kept as Plan and Worker from there on
    name: str,
    settings: KafkaSettings,
    processor: Processor,
    *,
    topics: Sequence[str],
    group: str,
    closing: ClosingKind = "transactional",
    state_topic: str | None = None,
    control_handlers: Mapping[str, Handler] | None = None,
    on_poison: OnPoison | None = None,
    on_gap: OnGap | None = None,
    windows: Sequence[Window] = (),
    batch_records_max: int = 8_000,
    batch_wait_s: float = 0.05,
    answer_within_s: float = 15.0,
    stuck_after_s: float = 60.0,
    waits_for: Callable[[], str] = str,
    http_port: int | None = None,
    ready_file: Path | None = None,
) -> int:
    """Run a worker in this process until SIGTERM or SIGINT, and give its exit status.

    The processor, the control handlers and `on_poison` are all called in the main thread, one call at a time.

    Args:
        name: the kind of worker, e.g. `checker`.
        settings: where Kafka is.
        processor: what to do with batches.
        topics: what to consume; the embedded broker gives all partitions to the one worker of a group.
        group: the consumer group.
        closing: see `Plan`.
        state_topic: one of `topics`, folded into state before p's first batch and read ahead of the others.
        control_handlers: by control topic, what takes each of its records; all are read before the first batch.
        on_poison: gives the outputs for a record that the processor fails on; without it the worker ends instead.
        on_gap: gives the outputs for records that retention took before they were read; without it, a dead letter
            and a finding.
        windows: bounds for output topics (the embedded broker keeps 5 MiB a partition).
        batch_records_max: records a batch, state records apart.
        batch_wait_s: how long a batch may fill, the time counted in which the last one is worked.
        answer_within_s: a processor that takes longer over a batch is dead, and the process leaves.
        stuck_after_s: with work to do and nothing committed for so long while the broker answers, the process leaves.
        waits_for: says what the processor waits for, if anything; then the worker is not ready. Asked in any thread.
        http_port: serves /metrics, /healthz and /readyz, if given.
        ready_file: gets a line once the worker is ready: rules loaded, partitions taken over.

    Returns:
        0 after a graceful stop, 70 when the worker ended itself and should be started anew, 78 when an operator has
        to look first: a topic was made anew, or the group's offsets are not those of the logs.

    Raises:
        BrokerError: Kafka does not answer, or the topics are not as they have to be.
    """
    check_topics(settings)
    plan = Plan(
        name=name,
        topics=tuple(str(topic) for topic in topics),
        group=group,
        closing=closing,
        state_topic=None if state_topic is None else str(state_topic),
        windows=tuple(windows),
        batch_records_max=batch_records_max,
        batch_wait_s=batch_wait_s,
        answer_within_s=answer_within_s,
        stuck_after_s=stuck_after_s,
    )
    worker = Worker(
        settings,
        plan,
        processor,
        control_handlers={str(topic): handler for topic, handler in (control_handlers or {}).items()},
        on_poison=on_poison,
        on_gap=on_gap or GapRecorder(settings.epoch),
        waits_for=waits_for,
        ready_file=ready_file,
    )
    health = None if http_port is None else HealthServer(http_port, worker.reason)
    if health is not None:
        health.start()
    try:
        return asyncio.run(worker.run())
    finally:
        if health is not None:
            health.stop()


def _credentials(settings: KafkaSettings) -> Any:  # noqa: ANN401 - Faust's credentials have no common public type
    """Give the connection's security in Faust's words."""
    tls = settings.ssl_context() if settings.security_protocol.endswith("SSL") else None
    if settings.security_protocol.startswith("SASL"):
        return faust.SASLCredentials(
            username=settings.sasl_username,
            password=settings.password(),
            mechanism=settings.sasl_mechanism,
            ssl_context=tls,
        )
    return None if tls is None else faust.SSLCredentials(context=tls)
