"""Events judged per second of processor time by the checker's own process, beside its peers on the same input.

The sample day with the whole default pack: consents looked up as of each event's time, decisions fully written out,
offsets committed; exactly once on the real Kafka.  The day's consent records (of 200,000 subjects, `--subjects`) are
published and applied first; what that costs is told on lines of its own.  Then, in each round, the same events are
published once more and everybody takes a turn over them, alone, each a process of its own.  The peers
(benchmarks/peers, benchmarks/kafka_streams) neither judge nor look anything up: they take three fields out of an event
and write one output of a decision's size.

Goals: at least 25,000 events per CPU second on either broker; later at least as many as Kafka Streams with
exactly_once_v2 (ratio 1.0, then 1.2) and half of the bare loop's (TARGETS.md).

With `--workers N` one checker and N take turns instead, each time over the same events, published once all are ready.
Goal: 1.8 times as many events by wall for two, where there are cores for it; where publisher, broker and workers share
two cores there are none, and what can be told is whether an event costs the same processor time.

Left out: start of the process and the first twentieth of a round (of Kafka Streams: the first half, in which the JVM
compiles; both ways are told), publishing, whoever reads the decisions, and the broker's own work, which shares the
machine and shows in wall times only.  Without a real Kafka (tests/rig/kafka.py says how to have one) that part is left
out, and said so; likewise each peer that is not to be had.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil

from benchmarks.peers.lineup import PEERS, Peer, PeerMissingError
from benchmarks.rig.kafka_rounds import Filler, Round, measure, python, swallowing
from benchmarks.rig.sharing import measure_together
from benchmarks.rig.telling import Figure, options_of, tell
from flowtrack.adapters.kafka.embedded import EmbeddedBroker
from flowtrack.adapters.kafka.settings import KafkaSettings
from flowtrack.adapters.kafka.topics import create_topics
from flowtrack.apps.documents import Document, as_registry_document, default_pack_document, publish
from flowtrack.sample.day import SampleDay, sample_day
from flowtrack.sample.options import SampleOptions
from flowtrack.tracking.records import Topic
from tests.rig.kafka import NoKafkaError, real_kafka

_CHECKER = "flowtrack-checker"
_WORKER = python("-m", "flowtrack", "worker", "checker")
_OURS = "checker, real Kafka"
_EMBEDDED_EVENTS = 20_000  # what the embedded broker keeps of each partition
_READERS = {
    str(Topic.DECISIONS): "flowtrack-sink",
    str(Topic.FINDINGS): "flowtrack-alerter",
    str(Topic.DEADLETTERS): "flowtrack-sink",
}
_GOALS = {"streams": ">= 1.0, later", "bare": ">= 0.5, later", "faust": ">= 25", "wall": ">= 1.8, with cores"}


def day_of(events: int, seed: int, subjects: int = 2_000) -> SampleDay:
    """A recent sample day; events older than 400 days would be dead letters."""
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date()
    return sample_day(SampleOptions(events=events, seed=seed, day=yesterday, subjects=subjects))


def rules_of(day: SampleDay) -> list[Document]:
    """What the control topics hold."""
    registry = day.registry
    value = registry.model_dump_json(exclude_none=True).encode()
    return [default_pack_document(), as_registry_document(registry.name, registry.version, value)]


def embedded(events: int, rounds: int, folder: Path) -> list[Round]:
    """Each round on a broker of its own: what fits into it, judged from the first event to the last."""
    found = []
    for number in range(rounds):
        broker = EmbeddedBroker(epoch="bench")
        settings = KafkaSettings(bootstrap_servers=broker.start(), embedded=True)
        try:
            create_topics(settings)
            day = day_of(min(events, _EMBEDDED_EVENTS), seed=number + 1)
            publish(settings, [rule.output() for rule in rules_of(day)])
            filler = Filler(settings)
            filler.consents(day)
            filler.events(day)
            with swallowing(settings, _READERS):
                found.append(measure(_WORKER, settings, _CHECKER, folder))
        finally:
            broker.stop()
    return found


def present(peers: list[Peer]) -> dict[str, tuple[Peer, list[str]]]:
    """Get the peers ready; those that are not to be had are left out, and said so."""
    found = {}
    for peer in peers:
        try:
            found[peer.key] = (peer, peer.command())
        except PeerMissingError as error:
            sys.stdout.write(f"left out, {peer.title}: {error}\n")
    return found


def real(options: argparse.Namespace, folder: Path) -> list[Figure]:
    """The checker and its peers in turn over the same events, round by round."""
    lineup = present([peer for peer in PEERS if peer.key in options.peers])
    rounds: dict[str, list[Round]] = {key: [] for key in (_CHECKER, *lineup)}
    with real_kafka(folder) as address:
        settings = KafkaSettings(bootstrap_servers=address, partitions=8, replication_factor=1)
        create_topics(settings)
        day = day_of(options.events, seed=1, subjects=options.subjects)
        publish(settings, [rule.output() for rule in rules_of(day)])
        filler, events = Filler(settings), list(day.events())
        filler.consents(day)
        del day  # half a million consent records need not stay beside what is measured
        applied = measure(_WORKER, settings, _CHECKER, folder, topic=Topic.CONSENTS)
        for number in range(options.rounds):
            filler.write(Topic.EVENTS, events)
            warm = 0 if options.tiny else len(events) // 20
            rounds[_CHECKER].append(measure(_WORKER, settings, _CHECKER, folder, warm_events=warm))
            for key, (peer, command) in lineup.items():
                state = folder / f"{key}-{number}"
                state.mkdir()
                rounds[key].append(
                    measure(
                        command,
                        settings,
                        peer.group,
                        folder,
                        extra=peer.environment(state),
                        events_max=peer.events_max,
                        warm_events=0 if options.tiny else int((peer.events_max or len(events)) * peer.warm_part),
                    )
                )
    ours = rounds.pop(_CHECKER)
    figures = [
        Figure("consent records applied per CPU second", "records/s", (applied.per_cpu_second,)),
        *figures_of(f"{_OURS}, {options.subjects:,} subjects", ours, ">= 25,000"),
        Figure(f"{_OURS}: start until ready, state folded", "s", tuple(each.ready_s for each in ours)),
    ]
    for key, found in rounds.items():
        figures += beside(lineup[key][0], ours, found)
    return figures


def together(options: argparse.Namespace, folder: Path) -> list[Figure]:
    """One checker and several, in turn over the same events: whether an event costs more when they share partitions."""
    rounds: dict[int, list[Round]] = {1: [], options.workers: []}
    with real_kafka(folder) as address:
        settings = KafkaSettings(bootstrap_servers=address, partitions=8, replication_factor=1)
        create_topics(settings)
        day = day_of(options.events, seed=1, subjects=options.subjects)
        publish(settings, [rule.output() for rule in rules_of(day)])
        filler, events = Filler(settings), list(day.events())
        filler.consents(day)
        measure(_WORKER, settings, _CHECKER, folder, topic=Topic.CONSENTS)
        for _ in range(options.rounds):
            for workers, found in rounds.items():
                found.append(
                    measure_together(
                        _WORKER,
                        settings,
                        _CHECKER,
                        folder,
                        workers=workers,
                        fill=lambda: filler.write(Topic.EVENTS, events),
                    )
                )
    figures = [each for workers, found in rounds.items() for each in figures_of(f"{workers} checker(s)", found)]
    pairs = list(zip(rounds[1], rounds[options.workers], strict=True))
    cost, wall = (
        (b.per_cpu_second / a.per_cpu_second for a, b in pairs),
        (b.per_second / a.per_second for a, b in pairs),
    )
    return [
        *figures,
        Figure(f"{options.workers} checkers / 1, per CPU second", "ratio", tuple(cost)),
        Figure(
            f"{options.workers} checkers / 1, wall, of {psutil.cpu_count()} cores", "ratio", tuple(wall), _GOALS["wall"]
        ),
    ]


def figures_of(name: str, rounds: list[Round], goal: str = "") -> list[Figure]:
    """What is told of a worker's rounds."""
    return [
        Figure(f"{name}: events per CPU second", "events/s", tuple(each.per_cpu_second for each in rounds), goal),
        Figure(f"{name}: events per second, wall", "events/s", tuple(each.per_second for each in rounds)),
        Figure(f"{name}: peak resident memory", "MiB", tuple(each.peak_bytes / 2**20 for each in rounds)),
    ]


def beside(peer: Peer, ours: list[Round], theirs: list[Round]) -> list[Figure]:
    """What is told of a peer, and the checker's ratio to it, round by round."""
    pairs = list(zip(ours, theirs, strict=True))
    figures = figures_of(peer.title, theirs)
    goal = _GOALS.get(peer.key, "")
    ratios = tuple(a.per_cpu_second / b.per_cpu_second for a, b in pairs)
    figures.append(Figure(f"checker / {peer.title}, per CPU second", "ratio", ratios, goal))
    if peer.key == "streams":
        whole = tuple(each.per_cpu_second_of_life for each in theirs)
        ratios = tuple(a.per_cpu_second_of_life / b.per_cpu_second_of_life for a, b in pairs)
        figures += [
            Figure(f"{peer.title}: the same from its start", "events/s", whole),
            Figure(f"checker / {peer.title}, both from their start", "ratio", ratios),
        ]
    return figures


def options_given() -> argparse.Namespace:
    """Read the command line."""
    keys = [peer.key for peer in PEERS]
    parser = options_of(__doc__)
    parser.add_argument("--events", type=int, default=400_000, help="events of a round (default 400,000)")
    parser.add_argument("--subjects", type=int, default=200_000, help="subjects with consent records (default 200,000)")
    parser.add_argument("--broker", choices=("both", "embedded", "real"), default="both", help="(default both)")
    parser.add_argument(
        "--peers", nargs="*", choices=keys, default=keys, metavar="PEER", help=f"(default {' '.join(keys)})"
    )
    parser.add_argument(
        "--workers", type=int, default=1, help="more than 1: only one checker beside so many that share partitions"
    )
    options = parser.parse_args()
    if options.tiny:
        options.events, options.subjects, options.rounds = 1_000, 200, 1
    return options


def main() -> None:
    """Measure both brokers, and tell."""
    options = options_given()
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="flowtrack-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        if options.broker != "real" and options.workers == 1:
            rounds = embedded(options.events, options.rounds, folder)
            figures += figures_of("checker, embedded broker", rounds, ">= 25,000")
        if options.broker != "embedded":
            try:
                figures += real(options, folder) if options.workers == 1 else together(options, folder)
            except NoKafkaError as error:
                sys.stdout.write(f"left out, the real Kafka: {error}\n")
    tell("Checker", figures, options.json)


if __name__ == "__main__":
    main()
