"""What an erasure costs: hidden, and physically gone, with the shipped projections.

Rows of generated flows (two months, 10,000 kinds of flows of uneven frequency, a quarter of them shares, subjects of
about 50 rows) are written by the engine itself and merged; then one subject, or a hundred at once, are erased and
cleaned up.  Measured: wall and CPU seconds (of the whole process, the engine's threads among them) until they are
hidden, until no part in use has them, and until old parts are deleted and it is proved; bytes a row.  Left out: a sink
that writes meanwhile.  The peers, this engine's own DELETE and ALTER DELETE, stand in docs/decisions/erasure.md.

Goal: hidden within a second, and gone within two minutes, at 10M rows.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from benchmarks.rig.telling import Figure, options_of, tell
from flowtrack.adapters.clickhouse.keeper import ClickHouseKeeper
from flowtrack.adapters.clickhouse.settings import ClickHouseSettings
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.audit.erasure import Erase

BLOCK_ROWS = 200_000
ROWS_OF_SUBJECT = 50
WAIT_S = 120.0
_ONE_PART = {"min_insert_block_size_rows": BLOCK_ROWS, "min_insert_block_size_bytes": 1 << 28}
_FILL = """
INSERT INTO flows (subject, happened_at, event_id, category, revision, sign, recorded_at, service, kind, purpose, basis,
                   recipient, dataset, location, verdict, pack, registry, situation, consent, suspect, epoch,
                   source_partition, source_offset, decision_partition, decision_offset)
SELECT reinterpretAsUUID(MD5(toString(intHash64(number) % {subjects:UInt64}))),
       toDateTime64('2026-03-01 00:00:00', 6, 'UTC') + number % 5000000, hex(intHash64(number)),
       concat('provided.c', toString(flow % 80)), 0, 1,
       toDateTime64('2026-03-01 00:00:00', 3, 'UTC') + number % 5000000,
       concat('s', toString(flow % 1000)), if(flow % 4 = 0, 'share', 'use'), concat('purpose.', toString(flow % 25)),
       'deemed_consent', if(flow % 4 = 0, concat('party', toString(flow % 500)), ''), '', 'KR', 'permit', 'default@1',
       'registry@1', flow, '', 0, '', number % 8, intDiv(number, 8), number % 8, intDiv(number, 8)
FROM (SELECT number, toUInt64(10000 * pow((intHash32(number) % 10000) / 10000, 3)) AS flow
      FROM numbers({start:UInt64}, {many:UInt64}))"""
_SUBJECTS = """
SELECT DISTINCT lower(replaceAll(toString(subject), '-', '')) FROM flows LIMIT {many:UInt32}"""
_SIZE = """
SELECT sum(bytes_on_disk) / sum(rows) FROM system.parts
WHERE database = currentDatabase() AND table = 'flows' AND active"""


def measure(rows: int, subjects: int, memory_mib: int) -> list[Figure]:
    """Erase so many subjects of a ledger of so many rows, in an engine of so much memory."""
    with (
        tempfile.TemporaryDirectory(prefix="flowtrack-bench-") as folder,
        Store(ClickHouseSettings(data_dir=Path(folder), memory_bytes_max=memory_mib << 20)) as store,
    ):
        store.migrate()
        for start in range(0, rows, BLOCK_ROWS):
            many = min(BLOCK_ROWS, rows - start)
            store.command(_FILL, _ONE_PART, start=start, many=many, subjects=max(1, rows // ROWS_OF_SUBJECT))
        store.command("OPTIMIZE TABLE flows FINAL")
        bytes_a_row = float(store.rows(_SIZE)[0][0])
        keeper = ClickHouseKeeper(store, clock=partial(datetime.now, UTC), gone_within=timedelta(days=1))
        whom = tuple(subject for (subject,) in store.rows(_SUBJECTS, many=subjects))
        request = Erase(subjects=whom, reason="measured")
        hidden = _timed(lambda: keeper.erase(request, asker="benchmark"))
        rewritten = _timed(lambda: keeper.vacuum(asker="benchmark", wait_s=0))
        proved = _timed(lambda: keeper.vacuum(asker="benchmark", wait_s=WAIT_S))
        assert {each.state for each in keeper.erasures().erasures} == {"gone"}
    named = f"{rows:,} rows, {len(whom)} subjects"
    return [
        Figure(f"{named}: on disk, a row", "B", (bytes_a_row,), "<= 40"),
        Figure(f"{named}: hidden", "s", (hidden[0],), "<= 1"),
        Figure(f"{named}: hidden", "s CPU", (hidden[1],)),
        Figure(f"{named}: out of every part in use", "s", (rewritten[0],)),
        Figure(f"{named}: out of every part in use", "s CPU", (rewritten[1],)),
        Figure(f"{named}: from there to proved gone", "s", (proved[0],)),
    ]


def _timed(do: Callable[[], object]) -> tuple[float, float]:
    """Wall and CPU seconds of doing something."""
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    do()
    return time.perf_counter() - wall_s, time.process_time() - cpu_s


def main() -> None:
    """Measure, and tell."""
    parser = options_of(__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--memory-mib", type=int, default=400, help="of the embedded engine (default 400)")
    options = parser.parse_args()
    sizes, subjects = ([2_000], (2,)) if options.tiny else (options.rows, (1, 100))
    figures = [figure for rows in sizes for many in subjects for figure in measure(rows, many, options.memory_mib)]
    tell("Erasure", figures, options.json)


if __name__ == "__main__":
    main()
