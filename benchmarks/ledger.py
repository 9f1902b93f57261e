"""What the auditors' questions cost as the ledger grows: 1, 10 and 100 million rows.

Goals (TARGETS.md, "Sink and store"), on 100 million rows: at most 40 bytes a row without correlation ids, a subject's
trail below 50 ms (p95), overview below 1 s, blast radius below 2 s, what-if of a new pack below 10 s, books in
seconds; and each grows slower than the ledger.

Families of questions that are about all subjects have no goal of their own, but that pages stay quick: they are asked
about everything, about one day, and about a name (`benchmarks/rig/ledger_families.py`), and it is told how many rows
were read.  `--families` asks these only.

Measured through `ClickHouseLedger` in this process, on the embedded engine with one thread a query (two where a
statement says so), merged as far as merging has come by itself, or with `--merge` to one part a month.  Left out:
HTTP, tables on a terminal, a server.  Wall time suffers from whatever else runs; processor time is told beside it.
`--keep DIR` keeps the ledgers, and takes those that are there: making 100 million rows takes some eight minutes of
processor time and 7 GB.  `--picture FILE` draws how it grows.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import NamedTuple

from benchmarks.rig.ledger_data import DAYS, START, make
from benchmarks.rig.ledger_families import furnish, questions
from benchmarks.rig.ledger_picture import drawn
from benchmarks.rig.memory import forget_peak, peak_mib
from benchmarks.rig.telling import Figure, options_of, tell
from flowtrack.adapters.clickhouse.ledger import ClickHouseLedger
from flowtrack.adapters.clickhouse.settings import ClickHouseSettings
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.audit.blast import Blast
from flowtrack.audit.coverage import Coverage
from flowtrack.audit.overview import Overview
from flowtrack.audit.questions import Books, Period
from flowtrack.audit.received import Received
from flowtrack.audit.roles import Asker
from flowtrack.audit.trail import Trail
from flowtrack.audit.whatif import what_if
from flowtrack.policy.pack import Pack, default_pack, load_pack
from flowtrack.policy.source import files_of_default_pack

SIZES = (1_000_000, 10_000_000, 100_000_000)
TINY = 20_000
_MEMORY_BYTES = 2 << 30
_TRAILS = 200
_ASKER = Asker(who="benchmark", why="measuring")
_GOALS = {"trail": 50, "overview": 1_000, "blast radius": 2_000, "what-if, other rules": 10_000, "books": 5_000}
"""At 100 million rows, in milliseconds; of the trail p95, of the others p50."""
RULE = (
    '@id("bench") @clause("3.1") @reason("no_rule_permits")\n'
    'forbid (principal, action == Action::"use", resource in Category::"automatic.ip")\n'
    'when { context.purpose == Purpose::"service.improve" };\n'
)
_BAR = 40


def _options() -> argparse.Namespace:
    parser = options_of(__doc__)
    parser.add_argument("--rows", type=int, nargs="*", default=list(SIZES), help="sizes to measure")
    parser.add_argument("--picture", type=Path, help="draw how what questions take grows, as SVG")
    parser.add_argument("--families", action="store_true", help="ask only families that are about all subjects")
    parser.add_argument("--merge", action="store_true", help="merge each month into one part before it is asked")
    parser.add_argument("--keep", type=Path, help="folder of the ledgers: taken where there, made and kept where not")
    return parser.parse_args()


def main() -> None:
    """Measure each size, and show how the figures grow."""
    options = _options()
    sizes = [TINY] if options.tiny else options.rows
    figures: list[Figure] = []
    growth: dict[str, dict[int, float]] = {}
    with _folder(options.keep) as folder:
        for rows in sizes:
            with _ledger(folder / f"{rows}", rows) as (store, ledger):
                if options.merge:
                    store.command("OPTIMIZE TABLE flows FINAL")
                    store.command("OPTIMIZE TABLE consents FINAL")
                store.command("SYSTEM STOP MERGES")  # their processor time is no question's
                figures += _bytes_a_row(store, rows)
                for name, question in () if options.families else _questions(store, ledger, options.tiny):
                    count = (3 if options.tiny else _TRAILS) if name == "trail" else max(1, options.rounds)
                    found = _measured(store, question, 1 if options.tiny and name != "trail" else count)
                    figures += _figures(rows, name, found)
                    growth.setdefault(name, {})[rows] = figures[-2].median
                for name, asked in questions(store, rows):
                    found = _measured(
                        store, partial(ledger.ask, asked, asker=_ASKER), 1 if options.tiny else options.rounds
                    )
                    figures += _figures(rows, name, found)
                    figures.append(Figure(f"{rows:,}: {name}, rows read", "rows", tuple(each.rows for each in found)))
    tell("ledger", figures, options.json)
    if growth:
        _show(growth)
    if growth and options.picture is not None:
        options.picture.write_text(drawn(growth), encoding="utf-8")


@contextmanager
def _folder(kept: Path | None) -> Iterator[Path]:
    if kept is not None:
        yield kept
        return
    with tempfile.TemporaryDirectory(prefix="flowtrack-ledger-") as made:
        yield Path(made)


@contextmanager
def _ledger(folder: Path, rows: int) -> Iterator[tuple[Store, ClickHouseLedger]]:
    settings = ClickHouseSettings(data_dir=folder, memory_bytes_max=_MEMORY_BYTES, rows_kept=0)
    whole = folder / "whole"
    with Store(settings) as store:
        store.migrate()
        if not whole.exists():
            make(store, rows, lambda events: _say(rows, events))
            whole.touch()
        if not (folder / "furnished").exists():
            furnish(store, rows)
            (folder / "furnished").touch()
        yield store, ClickHouseLedger(store, clock=lambda: datetime.now(UTC))


def _say(rows: int, events: int) -> None:
    sys.stderr.write(f"{rows:,}: {events:,} events made\n")


_OF_FLOWS = "WHERE active AND database = currentDatabase() AND table = 'flows'"
_SIZE = f"SELECT sum(bytes_on_disk), sum(rows) FROM system.parts {_OF_FLOWS}"  # noqa: S608 - our own
_LONGEST = f"""
SELECT sum(column_data_compressed_bytes + column_marks_bytes)
FROM system.parts_columns {_OF_FLOWS} AND column = 'correlation_id'"""  # noqa: S608 - our own


def _bytes_a_row(store: Store, rows: int) -> list[Figure]:
    """What the table takes on disk, projections and all; and without its longest column."""
    size, count = store.rows(_SIZE)[0]
    longest = store.rows(_LONGEST)[0][0]
    return [
        Figure(f"{rows:,}: bytes a row, with correlation ids", "B", (size / count,)),
        Figure(f"{rows:,}: bytes a row, without correlation ids", "B", ((size - longest) / count,), "<= 40"),
    ]


def _questions(store: Store, ledger: ClickHouseLedger, tiny: bool) -> Iterator[tuple[str, Callable[[], object]]]:
    statement = "SELECT subject FROM flows WHERE sipHash64(event_id) % {every:UInt32} = 0 LIMIT {limit:UInt32}"
    every = 1 if tiny else 97
    subjects = iter([row[0].hex for row in store.rows(statement, every=every, limit=2 * _TRAILS)] * 10)
    yield "trail", lambda: ledger.ask(Trail(subject=next(subjects)), asker=_ASKER)
    yield "overview", lambda: ledger.ask(Overview(), asker=_ASKER)
    yield "overview, events counted too", lambda: ledger.ask(Overview(events=True), asker=_ASKER)
    midday = START + timedelta(days=DAYS // 2, hours=12)
    yield "overview as of a midday", lambda: ledger.ask(Overview(as_of=midday), asker=_ASKER)
    parties = ledger.ask(Overview(parties_max=500), asker=_ASKER).parties
    heavy, middling = parties[0].recipient, parties[len(parties) // 2].recipient
    yield "who received: the heaviest party", lambda: ledger.ask(Received(recipient=heavy), asker=_ASKER)
    yield "who received: a middling party", lambda: ledger.ask(Received(recipient=middling), asker=_ASKER)
    since = START + timedelta(days=DAYS * 2 // 3)
    yield "blast radius", lambda: ledger.ask(Blast(start="dataset", name="dataset-150", since=since), asker=_ASKER)
    yield "books", lambda: ledger.books(Books())
    yield "coverage", lambda: ledger.ask(Coverage(), asker=_ASKER)
    old = default_pack()
    rules, words = _packs()
    yield "what-if, other rules", lambda: what_if(ledger, Period(), rules, {old.label: old})
    yield "what-if, other words", lambda: what_if(ledger, Period(), words, {old.label: old})


def _packs() -> tuple[Pack, Pack]:
    """A pack with one more rule; and one with one more rule and one more word."""
    files = {**files_of_default_pack(), "policy/zz-bench.cedar": RULE}
    word = "\nautomatic.bench: {parents: [automatic], title: {en: One more, ko: 하나 더}}\n"
    return load_pack(files), load_pack({**files, "vocabulary/category.yaml": files["vocabulary/category.yaml"] + word})


class _Found(NamedTuple):
    """What one question took: milliseconds, the highest resident memory in MiB, and rows read of all tables."""

    wall_ms: float
    cpu_ms: float
    peak_mib: float
    rows: float


def _measured(store: Store, question: Callable[[], object], count: int) -> list[_Found]:
    """What a question took each time; nothing is left of the time before but what the engine holds of files."""
    found = []
    for _ in range(count):
        store.command("SYSTEM DROP QUERY CONDITION CACHE")
        before = _rows_read(store)
        forget_peak()
        wall_s, cpu_s = time.monotonic(), time.process_time()
        question()
        wall_s, cpu_s = time.monotonic() - wall_s, time.process_time() - cpu_s
        found.append(_Found(wall_s * 1_000, cpu_s * 1_000, peak_mib(), _rows_read(store) - before))
    return found


def _rows_read(store: Store) -> float:
    return float(store.rows("SELECT sum(value) FROM system.events WHERE event = 'SelectedRows'")[0][0])


def _figures(rows: int, name: str, found: list[_Found]) -> list[Figure]:
    walls, cpus = sorted(each.wall_ms for each in found), tuple(each.cpu_ms for each in found)
    p95 = walls[math.ceil(0.95 * len(walls)) - 1]
    goal = f"< {_GOALS[name]:,} ms" if rows == max(SIZES) and name in _GOALS else ""
    at = f"{rows:,}: {name}"
    return [
        Figure(f"{at}, wall p50", "ms", tuple(walls), "" if name == "trail" else goal),
        Figure(f"{at}, wall p95", "ms", (p95,), goal if name == "trail" else ""),
        Figure(f"{at}, processor time", "ms", cpus),
        Figure(f"{at}, peak memory", "MiB", (max(each.peak_mib for each in found),)),
    ]


def _show(growth: dict[str, dict[int, float]]) -> None:
    """A bar for each question and size, on a logarithmic scale: ten times as many rows, how much more time."""
    sizes = sorted({rows for by_rows in growth.values() for rows in by_rows})
    top = max(value for by_rows in growth.values() for value in by_rows.values())
    sys.stdout.write("\nprocessor time by rows, on a logarithmic scale from 1 ms on\n")
    for name, by_rows in growth.items():
        for rows in sizes:
            value = by_rows[rows]
            bar = "#" * max(1, round(_BAR * math.log10(max(value, 1)) / max(1.0, math.log10(top))))
            sys.stdout.write(f"  {name if rows == sizes[0] else '':<34}{rows:>12,} {value:>10,.0f} ms  {bar}\n")


if __name__ == "__main__":
    main()
