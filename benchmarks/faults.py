"""Exactly once, whatever dies: workers, service and broker are killed at random instants, and the ledger is compared.

    python -m benchmarks.faults --kills 100 --events 1000000
    python -m benchmarks.faults --malformed 1000000

With `--kills`: a sample day is published by the SDK to a real Kafka while two checkers, a sink with the embedded
store and the service itself are killed with -9 and started again, some frozen for up to 8 s, and the broker is killed
and started again.  Afterwards the same records are judged once more in one undisturbed process, with every consent
known; compared are, by source offset, the decisions topic (as a committed reader sees it) and the ledger, row for row:
subject, event, category, verdict, consent record.  A killed service publishes its last slice again, so the events
topic may hold an event twice; each offset counts.  An event that was judged before a consent it rests on was known
differs from the undisturbed run until it is judged anew; it must be announced by a marker and is counted as late.

With `--malformed`: spoilt messages with a tenth of good ones between them.  Each must be a dead letter with the code
that its fault has, each good one judged, by one checker that lives through it; the goal is a throughput of at least a
third of that with good ones only, in the same sitting.

Goal: no fault at 100 kills over 1M events.  Needs Java and Kafka's jars (.ci/fetch-kafka.sh).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from random import Random

from benchmarks.checker import day_of, rules_of
from benchmarks.rig.fault_books import Books, close_books
from benchmarks.rig.faulty_site import Site
from benchmarks.rig.malformed import measure_malformed
from benchmarks.rig.publishing import write_records
from benchmarks.rig.telling import Figure, tell
from flowtrack.adapters.kafka.lag import GroupOffsets, LogOffsets
from flowtrack.adapters.kafka.topics import create_topics
from flowtrack.apps.documents import publish
from flowtrack.apps.groups import CHECKER_GROUP, SINK_GROUP
from flowtrack.tracking.records import Topic
from tests.rig.kafka_process import KafkaProcess

_DRAIN_S = 600.0


def disturbed(events: int, kills: int, seed: int, mean_s: float, folder: Path) -> list[Figure]:
    """Run the day with faults, close the books and give the figures; the faults found are printed."""
    random = Random(seed)
    day = day_of(events, seed)
    records, progress = folder / "records", folder / "progress"
    count = write_records(day, records)
    per_second = count / (kills * mean_s + 1)
    (folder / "kafka").mkdir()
    with closing(KafkaProcess(folder / "kafka")) as kafka:
        kafka.start()
        site = Site(kafka, folder, [kafka.address, str(records), str(progress), f"{per_second:.0f}"])
        create_topics(site.settings)
        publish(site.settings, [rule.output() for rule in rules_of(day)])
        begun_s = time.monotonic()
        try:
            site.disturb(random, kills, mean_s)
            drained = site.live_until(lambda: site.published and _drained(site), _DRAIN_S)
        finally:
            site.end()
        run_s = time.monotonic() - begun_s
        print(f"seed {seed}: kills {dict(site.kills)}, freezes {dict(site.freezes)}, own ends {site.own_ends}")
        if not drained:
            print(f"not everything was written within {_DRAIN_S:g} s after the last kill")
        books = close_books(site.settings, site.store, {item.event_id for item in day.events()})
    _tell_books(books)
    named = {
        "kills": (sum(site.kills.values()), ""),
        "freezes": (sum(site.freezes.values()), ""),
        "events published": (books.distinct, ""),
        "offsets of events, with repeats by the killed service": (books.events, ""),
        "ledger rows compared": (books.rows, ""),
        "late: to be judged anew, and marked so": (books.late, ""),
        "markers": (books.markers, ""),
        "faults: lost, twice, or other than undisturbed": (books.faults.total() + (not drained), "0"),
        "seconds": (round(run_s), ""),
    }
    return [Figure(f"faults: {name}", "", (float(value),), goal) for name, (value, goal) in named.items()]


def _drained(site: Site) -> bool:
    """Whether checkers and sink have committed everything that there is; markers of transactions end its logs."""
    log = LogOffsets(site.settings)
    for group, topics, slack in (
        (CHECKER_GROUP, (Topic.EVENTS, Topic.CONSENTS), 0),
        (SINK_GROUP, (Topic.DECISIONS, Topic.DEADLETTERS), 1),
    ):
        places = [(str(topic), partition) for topic in topics for partition in range(site.settings.partitions)]
        with GroupOffsets(site.settings, group) as offsets:
            committed = offsets.committed(places)
        ends = log.ends(places)
        if any(ends[at] - committed.get(at, 0) > slack for at in places if ends[at]):
            return False
    return True


def _tell_books(books: Books) -> None:
    print(
        f"{books.distinct} events at {books.events} offsets: {books.decisions} decisions, {books.rows} ledger rows, "
        f"{books.late} late, {books.markers} markers"
    )
    for fault, count in sorted(books.faults.items()):
        print(f"FAULT {fault}: {count}")


def main() -> None:
    """Run what is asked for, and tell; the exit status is 1 when something was not exact."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=0, help="kill so many processes, the broker among them")
    parser.add_argument("--events", type=int, default=0, help="how many to publish meanwhile (default 1,000 a kill)")
    parser.add_argument(
        "--malformed", type=int, default=0, help="so many malformed messages, a tenth good between them"
    )
    parser.add_argument("--mean-s", type=float, default=3.0, help="mean time between two kills (default 3 s)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed, the same day and order of kills")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    parser.add_argument("--tiny", action="store_true", help="three kills, or 2,000 messages: shows that it still runs")
    parser.add_argument("--keep", type=Path, help="leave logs, records and store in this folder")
    options = parser.parse_args()
    kills = 3 if options.tiny and not options.malformed else options.kills
    events = 3_000 if options.tiny else options.events or max(1_000, 1_000 * kills)
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="flowtrack-faults-") as name:
        folder = options.keep or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        if kills:
            figures += disturbed(events, kills, options.seed, options.mean_s, folder)
        if options.malformed:
            figures += measure_malformed(2_000 if options.tiny else options.malformed, options.seed, folder)
    if not figures:
        parser.error("say --kills N, --malformed N, or both")
    tell("Faults", figures, options.json)
    sys.exit(any(figure.goal == "0" and figure.median for figure in figures))


if __name__ == "__main__":
    main()
