"""What judging anew costs: a pack with one more rule over a whole ledger, by situation, while new decisions come.

A ledger is generated (`benchmarks.ledger`), a marker of a new version of the pack is put on each partition, and the
sink's own steps are worked off: of each, 50,000 rows are looked at and rewritten by the engine, and what changed is
published (here: counted).  Between two steps a block of new flows comes in, as of a sink with a backlog.  Afterwards
every step's work is done once more from the beginning, as after a kill: no row may be added.

Measured: processor and wall time of the whole process, its highest resident memory, the longest step.  Left out: Kafka.
Goal: memory that does not grow with the ledger, in the embedded engine's default of 400 MiB.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import NamedTuple

from benchmarks.ledger import RULE
from benchmarks.rig.ledger_data import DAYS, ROWS_PER_EVENT, START, make, more, registry
from benchmarks.rig.memory import forget_peak, peak_mib
from benchmarks.rig.telling import Figure, options_of, tell
from flowtrack.adapters.clickhouse.amend import LedgerAmendments
from flowtrack.adapters.clickhouse.settings import ClickHouseSettings
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.domain.decision import Marker, RuleUsed
from flowtrack.domain.instants import instant_us
from flowtrack.domain.registry import RegistryDocument
from flowtrack.policy.pack import Pack, default_pack, load_pack
from flowtrack.policy.source import files_of_default_pack
from flowtrack.tracking.amend import Amender
from flowtrack.tracking.amend_rules import RuleLibrary
from flowtrack.tracking.records import Record, Topic
from flowtrack.tracking.rollout import DIGEST_DIGITS, Published

_LATER_MS = instant_us(START + timedelta(days=DAYS + 1)) // 1000
_NEW_EVENTS = 1_000


def new_pack() -> Pack:
    """The default pack in a later version, with a rule that changes what is said of some flows."""
    files = files_of_default_pack()
    version = files["pack.yaml"].replace(f'version: "{default_pack().version}"', 'version: "99.0.0"')
    return load_pack({**files, "pack.yaml": version, "policy/zz-bench.cedar": RULE})


def main() -> None:
    """Measure, and tell."""
    parser = options_of(__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--ledger", type=Path, help="a ledger that `benchmarks.ledger --keep` made; it is changed")
    options = parser.parse_args()
    rows = 20_000 if options.tiny else options.rows
    with tempfile.TemporaryDirectory(prefix="flowtrack-bench-") as made:
        folder = options.ledger or Path(made)
        if options.ledger is None:
            with Store(ClickHouseSettings(data_dir=folder, memory_bytes_max=2 << 30)) as store:
                store.migrate()
                make(store, rows)
        with Store(ClickHouseSettings(data_dir=folder)) as store:
            store.migrate()
            figures = measured(store, rows)
    tell(f"Judging anew, {rows:,} rows", figures, options.json)


def measured(store: Store, rows: int) -> list[Figure]:
    """Judge a ledger anew, twice."""
    begun = dict(store.rows("SELECT decision_partition, max(decision_offset) + 1 FROM flows GROUP BY 1"))
    rules = library()
    amender = Amender(LedgerAmendments(store), rules)
    for partition, offset in begun.items():
        amender.begin(marker(partition), Record(Topic.DECISIONS, partition, offset, _LATER_MS, None, None))
    first = worked_off(amender, new_flows(store, rows))
    written = of_markers(store, begun)
    again = Amender(LedgerAmendments(store), rules)
    for job in LedgerAmendments(store).jobs(""):
        LedgerAmendments(store).note_job(job._replace(done=False, cursor="", steps=job.steps + 1))
    for partition in begun:
        again.assigned(partition)
    second = worked_off(again, iter(()))
    more = of_markers(store, begun) - written
    return [
        Figure("rows written", "rows", (float(written),)),
        Figure("amendments", "events", (float(first.outputs),)),
        Figure("all of it", "s CPU", (first.cpu_s,)),
        Figure("all of it, wall", "s", (first.wall_s,)),
        Figure("longest step, wall", "s", (first.longest_s,), "< 15"),
        Figure("steps", "steps", (float(first.steps),)),
        Figure("peak memory of the process", "MiB", (first.peak_mib,)),
        Figure("once more from the beginning", "s CPU", (second.cpu_s,)),
        Figure("rows written by that", "rows", (float(more),), "0"),
    ]


def library() -> RuleLibrary:
    """Old rules and new, and the registry that rows cite."""
    return RuleLibrary(packs=[default_pack(), new_pack()], documents=[_registry()])


def _registry() -> RegistryDocument:
    return registry(Random(1), default_pack())


def marker(partition: int) -> Marker:
    """The new pack has come, for all that ever happened."""
    pack, known = new_pack(), _registry()
    digests = (pack.label.encode(), Published.of(known).digest)
    policy, document = (digest.hex()[:DIGEST_DIGITS] for digest in digests)
    return Marker(
        type="marker",
        cause="policy",
        subject=None,
        reaches_back_to=START - timedelta(days=30),
        partition=partition,
        history=[],
        changed=pack.label,
        rules=[
            RuleUsed(kind="policy", name=pack.name, version=pack.version, digest=policy),
            RuleUsed(kind="registry", name=known.name, version=known.version, digest=document),
        ],
    )


def new_flows(store: Store, rows: int) -> Iterator[None]:
    """Flows that come in meanwhile, a thousand events at a time, behind the markers."""
    first = int(rows / ROWS_PER_EVENT) + _NEW_EVENTS
    while True:
        more(store, rows, first, _NEW_EVENTS)
        first += _NEW_EVENTS
        yield


def of_markers(store: Store, begun: dict[int, int]) -> int:
    """Rows that the markers brought."""
    places = list(begun.items())
    statement = (
        "SELECT count() FROM flows WHERE (decision_partition, decision_offset) IN {places:Array(Tuple(UInt16, UInt64))}"
    )
    return int(store.rows(statement, places=places)[0][0])


class Worked(NamedTuple):
    """What a pass took."""

    steps: int
    outputs: int
    wall_s: float
    cpu_s: float
    longest_s: float
    peak_mib: float


def worked_off(amender: Amender, meanwhile: Iterator[None]) -> Worked:
    """Step until nothing is left; something else is done between two steps."""
    forget_peak()
    wall_s, cpu_s = time.monotonic(), time.process_time()
    steps, outputs, longest_s = 0, 0, 0.0
    while amender.pending:
        begun_s = time.monotonic()
        outputs += len(amender.step())
        amender.committed()
        longest_s = max(longest_s, time.monotonic() - begun_s)
        steps += 1
        next(meanwhile, None)
    return Worked(steps, outputs, time.monotonic() - wall_s, time.process_time() - cpu_s, longest_s, peak_mib())


if __name__ == "__main__":
    main()
