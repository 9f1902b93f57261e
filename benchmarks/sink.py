"""From decisions on Kafka to rows that can be queried: the sink's throughput, its freshness, and what kills leave.

**Throughput**: the decisions of a sample day (1.1 kB, 1.8 categories) are published anew before each round; then the
sink and its peers take turns over them, each alone, each a process of its own with a ledger that grows from round to
round.  Rows a second by wall, from one commit to the last, and by processor time of the whole process: fetching and
all else, and on until its merges have come to rest.  Goal: 300,000 ledger rows per CPU second (TARGETS: a core), from
Kafka to committed.
Peers (benchmarks/peers/plain_insert): the engine parses the same bytes itself and nothing is kept book of; and a
statement a record, as lineage consumers do (their field's figure, from TARGETS: 50 to 60 rows/s a thread).

**Freshness**: decisions are published evenly, at 20,000 a second and at 5, into a sink that has caught up; a decision's
clock begins when the schedule wants it published, and stops when the store has acknowledged the insert that holds it,
from when on a query finds it.  Goal: p99 below a second at 20,000 a second.

With `--kills N`, instead: sinks are killed with -9 at named points (benchmarks/rig/told_sink) and at random instants,
and each ledger is compared with an undisturbed one, row for row.  The checker wrote what they read, on a real Kafka,
with consents that come late, so that markers are acted on.  Goal: no row missing, none too many.

Left out: start of the process, publishing, the broker's own work.  Without a real Kafka (tests/rig/kafka.py says how to
have one) there is nothing to measure, and it says so.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Sequence
from itertools import cycle, islice
from pathlib import Path

from confluent_kafka import Producer

from benchmarks.checker import day_of, rules_of
from benchmarks.rig.decided import DECISION, Decided, decided, fill, in_time
from benchmarks.rig.kafka_rounds import Filler, Round, committed_total, measure, python, running
from benchmarks.rig.sink_kills import kill_sinks
from benchmarks.rig.telling import Figure, options_of, tell
from benchmarks.rig.told_sink import TOLD
from flowtrack.adapters.kafka.lag import GroupOffsets, LogOffsets
from flowtrack.adapters.kafka.settings import KafkaSettings
from flowtrack.adapters.kafka.topics import create_topics
from flowtrack.apps.documents import publish
from flowtrack.apps.groups import CHECKER_GROUP, SINK_GROUP
from flowtrack.apps.ports import free_port
from flowtrack.tracking.records import Output, Topic
from tests.rig.kafka import NoKafkaError, real_kafka

_TOPIC = str(Topic.DECISIONS)
_SINK = python("-m", "flowtrack", "worker", "sink")
_BATCH = 64_000  # as the sink's own
_RATES = {20_000: 10.0, 5: 20.0}
"""Decisions a second, and for how many seconds."""
_EACH_EVENTS = 400
"""At some fifty a second: enough for a rate."""
_WARM_S = 2.0
_TICK_S = 0.002
_REST_S = 30.0
_KILL_EVENTS = 400  # a kill: batches of some hundred records, two or three a life
_KILL_BATCH = 150
_LINES = 4


# -- throughput --------------------------------------------------------------------------------------------------------


def throughput(options: argparse.Namespace, settings: KafkaSettings, folder: Path) -> list[Figure]:
    """The sink and its peers in turn over the same decisions."""
    day = decided(options.events, options.subjects)
    outputs = list(in_time(day.outputs))
    rounds: dict[str, list[Round]] = {"sink": [], "raw": [], "each": []}
    warm = 0 if options.tiny else len(outputs) // 5
    for _ in range(options.rounds):
        fill(settings, outputs)
        for name, found in rounds.items():
            found.append(_round(name, settings, folder, warm))
    return _told(day, rounds)


def _round(name: str, settings: KafkaSettings, folder: Path, warm: int) -> Round:
    home, store = folder / name, folder / name / "store"
    home.mkdir(exist_ok=True)
    if name == "sink":
        extra = {"FLOWTRACK_CLICKHOUSE__DATA_DIR": str(store), "FLOWTRACK_HTTP__PORT": str(free_port())}
        return measure(_SINK, settings, SINK_GROUP, home, extra=extra, topic=_TOPIC, warm_events=warm, to_rest=True)
    peer, most = python("-m", "benchmarks.peers.plain_insert", f"bench-{name}", str(store), name), _EACH_EVENTS
    few = name == "each"
    return measure(
        peer,
        settings,
        f"bench-{name}",
        home,
        topic=_TOPIC,
        warm_events=min(warm, 20) if few else warm,
        events_max=most if few else None,
        to_rest=not few,
    )


def _told(day: Decided, rounds: dict[str, list[Round]]) -> list[Figure]:
    titles = {"sink": "sink", "raw": "engine parses, no bookkeeping", "each": "a statement a record"}
    figures = []
    for name, found in rounds.items():
        title, goal = titles[name], ">= 300,000" if name == "sink" else ""
        cpu = tuple(each.per_cpu_second * day.rows_each for each in found)
        wall = tuple(each.per_second * day.rows_each for each in found)
        figures += [
            Figure(f"{title}: rows per CPU second", "rows/s", cpu, goal),
            Figure(f"{title}: rows per second, wall", "rows/s", wall),
            Figure(f"{title}: processor time", "s", tuple(each.cpu_s for each in found)),
            Figure(f"{title}: peak resident memory", "MiB", tuple(each.peak_bytes / 2**20 for each in found)),
        ]
        together = sum(each.events for each in found) / sum(each.cpu_s for each in found) * day.rows_each
        figures.append(Figure(f"{title}: rows per CPU second, rounds together", "rows/s", (together,)))
        if name != "sink":
            ratios = (a.per_cpu_second / b.per_cpu_second for a, b in zip(rounds["sink"], found, strict=True))
            figures.append(Figure(f"sink / {title}, per CPU second", "ratio", tuple(ratios)))
    return figures


# -- freshness ---------------------------------------------------------------------------------------------------------


def freshness(options: argparse.Namespace, settings: KafkaSettings, folder: Path) -> list[Figure]:
    """Each rate in turn through one sink that has nothing else to do."""
    home = folder / "fresh"
    home.mkdir()
    told = home / "told"
    extra = {
        "FLOWTRACK_CLICKHOUSE__DATA_DIR": str(home / "store"),
        "FLOWTRACK_HTTP__PORT": str(free_port()),
        TOLD: str(told),
    }
    outputs = list(in_time(decided(min(options.events, 50_000), options.subjects).outputs))
    rates = {200: 1.0} if options.tiny else _RATES
    figures = []
    sink = python("-m", "benchmarks.rig.told_sink", SINK_GROUP, str(_BATCH))
    with running(sink, settings, home, extra) as (process, _):
        _catch_up(settings)
        for rate, seconds in rates.items():
            for number in range(options.rounds):
                again = f"{rate}-{number}-".encode()
                some = islice(cycle(outputs), int(rate * seconds))
                due = emit(settings, [_renamed(each, again, at) for at, each in enumerate(some)], rate)
                _catch_up(settings)
                figures.append(_fresh(due, told, 0.0 if rate < 1_000 else _WARM_S))
        taken = process.cpu_times()
    del taken
    return [
        figure
        for number, rate in enumerate(rates)
        for figure in _fresh_figures(rate, figures[number * options.rounds : (number + 1) * options.rounds])
    ]


def _renamed(output: Output, again: bytes, number: int) -> Output:
    """The decision on another event: the same one again would be looked up as a service's repeat."""
    value = output.value or b""
    return output._replace(value=value.replace(b'"event_id":"', b'"event_id":"%b%d-' % (again, number), 1))


Due = dict[tuple[int, int], float]
"""By partition and offset of a decision, when it was to be published."""


def emit(settings: KafkaSettings, outputs: Sequence[Output], rate: int) -> Due:
    """Publish records evenly at a rate; gives when each was due, by its place."""
    producer = Producer(
        {**settings.librdkafka(), "linger.ms": 2, "compression.type": "lz4", "enable.idempotence": True}
    )
    places = [(_TOPIC, partition) for partition in range(settings.partitions)]
    following = {at[1]: end for at, end in LogOffsets(settings).ends(places).items()}
    due: Due = {}
    pause = threading.Event()
    begun, sent = time.monotonic(), 0
    while sent < len(outputs):
        upto = min(len(outputs), int((time.monotonic() - begun) * rate) + 1)
        for output in outputs[sent:upto]:
            if (output.value or b"").startswith(DECISION):
                due[output.partition, following[output.partition]] = begun + sent / rate
            following[output.partition] += 1
            producer.produce(output.topic, output.value, output.key, output.partition)
            sent += 1
        producer.poll(0)
        pause.wait(_TICK_S)
    producer.flush(_REST_S)
    return due


def _catch_up(settings: KafkaSettings) -> None:
    places = [(_TOPIC, partition) for partition in range(settings.partitions)]
    end = sum(LogOffsets(settings).ends(places).values())
    deadline_s, pause = time.monotonic() + _REST_S * 4, threading.Event()
    with GroupOffsets(settings, SINK_GROUP) as group:
        while committed_total(group, places) < end:
            if time.monotonic() > deadline_s:
                raise RuntimeError("the sink does not catch up")
            pause.wait(0.1)


def _fresh(due: Due, told: Path, warm_s: float) -> list[float]:
    """Milliseconds from when each decision was due to when a query finds it."""
    known: dict[int, list[tuple[int, float]]] = {}
    for line in told.read_text(encoding="utf-8").splitlines():
        at_s, last = json.loads(line)
        for partition, offset in last.items():
            known.setdefault(int(partition), []).append((offset, at_s))
    begun = min(due.values())
    found = []
    for (partition, offset), due_s in due.items():
        if due_s - begun >= warm_s:
            at_s = next(at_s for last, at_s in known[partition] if last >= offset)
            found.append((at_s - due_s) * 1e3)
    return found


def _fresh_figures(rate: int, rounds: list[list[float]]) -> Iterable[Figure]:
    cuts = [statistics.quantiles(found, n=100) for found in rounds]
    name, goal = f"{rate:,} decisions/s: publish to queryable", "< 1000"
    yield Figure(f"{name}, p50", "ms", tuple(each[49] for each in cuts))
    yield Figure(f"{name}, p99", "ms", tuple(each[98] for each in cuts), goal)
    yield Figure(f"{name}, most", "ms", tuple(max(found) for found in rounds))


# -- kills -------------------------------------------------------------------------------------------------------------


def kills(options: argparse.Namespace, settings: KafkaSettings, folder: Path) -> list[Figure]:
    """Have a checker write decisions, and kill the sinks that read them."""
    lines = min(_LINES, options.kills)
    events = max(1_000, _KILL_EVENTS * options.kills // lines)
    day = day_of(events, options.seed, subjects=max(200, events // 10))
    publish(settings, [rule.output() for rule in rules_of(day)])
    filler, consents = Filler(settings), list(day.consents())
    filler.write(Topic.CONSENTS, consents[::2])
    filler.events(day)
    home = folder / "checker"
    home.mkdir()
    checker = python("-m", "flowtrack", "worker", "checker")
    measure(checker, settings, CHECKER_GROUP, home)
    filler.write(Topic.CONSENTS, consents[1::2])  # late: what rests on them is judged anew
    measure(checker, settings, CHECKER_GROUP, home, topic=Topic.CONSENTS)
    begun_s = time.monotonic()
    found = kill_sinks(settings, folder, kills=options.kills, lines=lines, batch=_KILL_BATCH, seed=options.seed)
    took_s = time.monotonic() - begun_s
    sys.stdout.write(f"seed {options.seed}: kills {dict(found.kills)}, own ends {dict(found.ends)}\n")
    for fault, count in sorted(found.faults.items()):
        sys.stdout.write(f"FAULT {fault}: {count}\n")
    named = {
        "kills": (found.kills.total(), ""),
        "points passed, random instants apart": (len([at for at in found.kills if not at.startswith("a random")]), ""),
        "ended by themselves": (found.ends.total(), ""),
        "ledgers compared": (lines, ""),
        "rows compared": (found.rows, ""),
        "rows missing, too many, or other": (found.faults.total(), "0"),
        "seconds": (round(took_s), ""),
    }
    return [Figure(f"kills of sinks: {name}", "", (float(value),), goal) for name, (value, goal) in named.items()]


def options_given() -> argparse.Namespace:
    """Read the command line."""
    parser = options_of(__doc__)
    parser.add_argument("--events", type=int, default=200_000, help="events of a round (default 200,000)")
    parser.add_argument("--subjects", type=int, default=20_000, help="(default 20,000)")
    parser.add_argument("--kills", type=int, default=0, help="only kill sinks, so many times")
    parser.add_argument("--seed", type=int, default=1, help="of the kills")
    parser.add_argument("--only", choices=("throughput", "freshness"), help="only this of the two")
    parser.add_argument("--keep", type=Path, help="leave logs and ledgers in this folder")
    options = parser.parse_args()
    if options.tiny:
        options.events, options.subjects, options.rounds = 1_500, 200, 1
    return options


def main() -> None:
    """Measure, and tell; the exit status is 1 when kills left something else."""
    options = options_given()
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="flowtrack-bench-", ignore_cleanup_errors=True) as name:
        folder = options.keep or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with real_kafka(folder) as address:
                settings = KafkaSettings(
                    bootstrap_servers=address, partitions=4 if options.kills else 8, replication_factor=1
                )
                create_topics(settings)
                if options.kills:
                    figures += kills(options, settings, folder)
                else:
                    figures += [] if options.only == "freshness" else throughput(options, settings, folder)
                    figures += [] if options.only == "throughput" else freshness(options, settings, folder)
        except NoKafkaError as error:
            sys.stdout.write(f"nothing measured: {error}\n")
    tell("Sink", figures, options.json)
    sys.exit(any(figure.goal == "0" and figure.median for figure in figures))


if __name__ == "__main__":
    main()
