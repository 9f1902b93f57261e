"""Events judged per second of processor time by the checker's own process, on the embedded broker and on a real Kafka.

The sample day with the whole default pack: consents looked up as of each event's time, decisions fully written out,
offsets committed; exactly once on the real Kafka.  The peer is the bare loop of librdkafka (benchmarks/peers), which
neither judges nor looks anything up, on the same topics in the same sitting.

Goal: at least 25,000 events per CPU second on either broker (TARGETS.md has the later goals and peers).  Left out:
start of the process, publishing, and whoever reads the decisions.  Without Java and Kafka's jars (.ci/fetch-kafka.sh)
or an address in FLOWTRACK_TEST_KAFKA the real Kafka is left out, and said so.
"""

from __future__ import annotations

import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.rig.kafka_rounds import Filler, Round, measure, python, swallowing
from benchmarks.rig.telling import Figure, arguments, tell
from flowtrack.adapters.kafka.embedded import EmbeddedBroker
from flowtrack.adapters.kafka.settings import KafkaSettings
from flowtrack.adapters.kafka.topics import create_topics
from flowtrack.apps.documents import Document, as_registry_document, default_pack_document, publish
from flowtrack.sample.day import SampleDay, sample_day
from flowtrack.sample.options import SampleOptions
from flowtrack.tracking.records import Topic
from tests.rig.kafka import NoKafkaError, real_kafka

_CHECKER = "flowtrack-checker"
_PEER = "bare-loop"
_GOAL = ">= 25,000"
_EMBEDDED_EVENTS = 20_000  # what the embedded broker keeps of each partition
_READERS = {
    str(Topic.DECISIONS): "flowtrack-sink",
    str(Topic.FINDINGS): "flowtrack-alerter",
    str(Topic.DEADLETTERS): "flowtrack-sink",
}


def day_of(events: int, seed: int) -> SampleDay:
    """A recent sample day; events older than 400 days would be dead letters."""
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date()
    return sample_day(SampleOptions(events=events, seed=seed, day=yesterday))


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
                found.append(measure(python("-m", "flowtrack", "worker", "checker"), settings, _CHECKER, folder))
        finally:
            broker.stop()
    return found


def real(events: int, rounds: int, folder: Path) -> tuple[list[Round], list[Round]]:
    """The checker and the bare loop in turn, each over what was published since its last round."""
    checker, peer = [], []
    with real_kafka(folder) as address:
        settings = KafkaSettings(bootstrap_servers=address, partitions=8, replication_factor=1)
        create_topics(settings)
        filler = Filler(settings)
        for number in range(rounds):
            day = day_of(events, seed=number + 1)
            if number == 0:
                publish(settings, [rule.output() for rule in rules_of(day)])
            filler.consents(day)
            filler.events(day)
            checker.append(measure(python("-m", "flowtrack", "worker", "checker"), settings, _CHECKER, folder))
            peer.append(measure(python("-m", "benchmarks.peers.bare_loop", _PEER), settings, _PEER, folder))
    return checker, peer


def figures_of(name: str, rounds: list[Round], goal: str = "") -> list[Figure]:
    """What is told of a worker's rounds."""
    return [
        Figure(f"{name}: events per CPU second", "events/s", tuple(each.per_cpu_second for each in rounds), goal),
        Figure(f"{name}: events per second, wall", "events/s", tuple(each.per_second for each in rounds)),
        Figure(f"{name}: peak resident memory", "MiB", tuple(each.peak_bytes / 2**20 for each in rounds)),
    ]


def main() -> None:
    """Measure both brokers, and tell."""
    options = arguments(__doc__)
    events, rounds = (1_000, 1) if options.tiny else (200_000, options.rounds)
    with tempfile.TemporaryDirectory(prefix="flowtrack-bench-") as name:
        folder = Path(name)
        figures = figures_of("checker, embedded broker", embedded(events, rounds, folder), _GOAL)
        try:
            checker, peer = real(events, rounds, folder)
        except NoKafkaError as error:
            sys.stdout.write(f"left out, the real Kafka: {error}\n")
        else:
            figures += figures_of("checker, real Kafka, exactly once", checker, _GOAL)
            figures += figures_of("peer: bare loop, real Kafka", peer)
            ratios = tuple(
                ours.per_cpu_second / theirs.per_cpu_second for ours, theirs in zip(checker, peer, strict=True)
            )
            figures.append(Figure("checker / bare loop, per CPU second", "ratio", ratios))
    tell("Checker", figures, options.json)


if __name__ == "__main__":
    main()
