"""What auditors wait for, through the HTTP API: questions one by one, exports, and fifty auditors at once.

Goals, on 100 million rows: a subject's trail p95 below 50 ms, a subject's graph below 100 ms, a page of who received
below 300 ms, overview below 1 s, blast radius below 2 s; export at 200,000 rows a second or more in constant memory;
with fifty auditors at once, while the sink writes, p95 below 500 ms.

Fifty auditors ask in the four roles of GDPRbench, in its shares (benchmarks/rig/gdprbench.py says which question
stands for which operation), each one question after the other without a pause, or with one (`--pause-s`), as people
who read an answer before they ask again.  Half as long as is measured they ask unmeasured first, so that what is
measured is a day's work and not its first seconds.  The API runs as `flowtrack api` does,
in a process of its own over the embedded engine; the sink's writer shares that process, and writes decisions at a
steady rate.  The clients run on the same machine, so on two cores they take their share of both.  Left out: TLS, an
OpenID provider, a ClickHouse server, Kafka before the sink.  Wall times: the load beforehand is told.

`--keep DIR` takes a ledger that `python -m benchmarks.ledger --keep DIR` made, and asks a copy of it; nobody must have
it open.  With `--at-rest` it is one that the engine has merged as it does when nothing was written for a day, which
takes some seven minutes at 100 million rows and is kept as well.

`--url` asks an API that runs, with the token in FLOWTRACK_BENCH_TOKEN, which needs the roles auditor,
regulator, controller and subject_desk; nothing is written there.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx

from benchmarks.rig.at_rest import bring_to_rest
from benchmarks.rig.audited import MEMORY_BYTES, Api, copied, running
from benchmarks.rig.auditors import WHY, Answered, Asking, Known
from benchmarks.rig.gdprbench import WORKLOADS
from benchmarks.rig.ledger_data import DATASETS, DAYS, START, make, subjects_drawn
from benchmarks.rig.telling import Figure, options_of, tell
from flowtrack.adapters.clickhouse.settings import ClickHouseSettings
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.audit.roles import Role

TINY = 20_000
_GOAL_ROWS = 100_000_000
_EXPORT_ROWS = 3_000_000
_TIMEOUT_S = 300.0
_SUBJECTS = 400
_QUESTIONS: Final[Mapping[str, tuple[str, str]]] = {
    "trail": ("a subject's trail", "< 50 ms"),
    "subject-graph": ("a subject's graph", "< 100 ms"),
    "received": ("a page of who received", "< 300 ms"),
    "graph": ("a page of the graph of all, a day", ""),
    "overview": ("overview", "< 1,000 ms"),
    "blast": ("blast radius of a dataset", "< 2,000 ms"),
    "violations": ("a page of violations", ""),
}
"""Family to its name here and its goal; one that the API does not have is told as left out."""
_BAD_REQUEST = 400
_BLASTS = 15
"""Datasets from the most used on; of the most used, an answer over 100 million rows takes many seconds."""
_RESTS = "rests"


def main() -> None:
    """Measure, and tell."""
    parser = options_of(__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="size of the ledger")
    parser.add_argument("--keep", type=Path, help="folder of ledgers that `python -m benchmarks.ledger --keep` made")
    parser.add_argument("--at-rest", action="store_true", help="of `--keep`: merged as after a day without writing")
    parser.add_argument("--url", default="", help="ask this API instead of one of our own")
    parser.add_argument("--auditors", type=int, default=50, help="so many at once")
    parser.add_argument("--seconds", type=float, default=20.0, help="for so long")
    parser.add_argument("--pause-s", type=float, default=2.0, help="and once more with a pause between questions")
    parser.add_argument("--writes", type=int, default=1_000, help="decisions a second that the sink writes meanwhile")
    parser.add_argument("--only-at-once", action="store_true", help="leave out questions one by one, and exports")
    options = parser.parse_args()
    if options.tiny:
        options.rows, options.auditors, options.seconds, options.writes = TINY, 4, 1.0, 200
        options.pause_s = 0.1
    with _api(options) as api:
        figures = _measured(api, options)
    load = os.getloadavg()[0]
    tell(f"audit, {options.rows:,} rows, load {load:.1f} at the end", figures, options.json)


@contextmanager
def _api(options: argparse.Namespace) -> Iterator[Api]:
    if options.url:
        token = os.environ["FLOWTRACK_BENCH_TOKEN"]
        yield Api(options.url, dict.fromkeys(Role, token), 0, Path())
        return
    beside = None if options.keep is None else str(options.keep)  # on the same disk, so that data can be shared
    with tempfile.TemporaryDirectory(prefix="flowtrack-audit-", dir=beside) as made:
        data_dir = Path(made)
        kept = None if options.keep is None else options.keep / f"{options.rows}"
        if kept is not None and (kept / "whole").exists():
            copied(_resting(kept) if options.at_rest else kept, data_dir / "store")
        else:
            with Store(ClickHouseSettings(data_dir=data_dir / "store", memory_bytes_max=2 << 30)) as store:
                store.migrate()
                make(store, options.rows, _say)
        events = int(options.writes * (3 * options.seconds + 10))
        with running(data_dir, events=events, per_second=options.writes) as api:
            yield api
        shutil.rmtree(data_dir / "store", ignore_errors=True)


def _resting(kept: Path) -> Path:
    """Give a ledger beside another one that has come to rest, and make it where there is none."""
    resting = kept.with_name(f"{kept.name}-at-rest")
    if not (resting / _RESTS).exists():
        shutil.rmtree(resting, ignore_errors=True)
        copied(kept, resting)
        sys.stderr.write(f"{bring_to_rest(resting, MEMORY_BYTES)} parts at rest\n")
        (resting / _RESTS).touch()
    return resting


def _say(events: int) -> None:
    sys.stderr.write(f"{events:,} events made\n")


def _measured(api: Api, options: argparse.Namespace) -> list[Figure]:
    client = httpx.Client(base_url=api.url, timeout=_TIMEOUT_S, trust_env=False)
    client.headers = httpx.Headers({"authorization": f"Bearer {api.tokens[Role.AUDITOR]}", "flowtrack-purpose": WHY})
    with client:
        families = frozenset(each["family"] for each in _got(client, "", {})["families"])
        known = _known(client, options.rows if api.pid else 0)
        figures = [] if options.only_at_once else _one_by_one(client, api, families, known, options)
        figures += [] if options.only_at_once else _exported(client, api, options)
    api.start_sink() if api.pid else None
    for pause_s in (0.0, options.pause_s):
        figures += _at_once(api, families, known, options, pause_s)
    for family in sorted(set(_QUESTIONS) - families):
        sys.stderr.write(f"left out, the API does not have it: {family}\n")
    return figures


def _got(client: httpx.Client, path: str, parameters: dict[str, str]) -> dict[str, Any]:
    response = client.get(f"/v1{path}", params=parameters)
    if response.is_error:
        raise RuntimeError(f"{path} {parameters}: {response.text}")
    found: dict[str, Any] = response.json()
    return found


def _known(client: httpx.Client, rows: int) -> Known:
    """Draw what to ask about: names from sums that the API gives, subjects without looking through the ledger.

    Args:
        client: asks the API.
        rows: that a ledger of ours was made of; of another one (0), subjects are those of violations on days apart.
    """
    days = [START + timedelta(days=day) for day in range(DAYS)]
    used = _got(client, "/use", {"limit": "10000"})["rows"]
    parties = _got(client, "/received", {"limit": "200"})["rows"]
    return Known(
        subjects=subjects_drawn(rows, _SUBJECTS) if rows else _subjects_of(client, days),
        categories=sorted({row["category"] for row in used} - {""}),
        recipients=list(dict.fromkeys(row["recipient"] for row in parties)),
        services=sorted({row["service"] for row in used}),
        days=days,
    )


def _subjects_of(client: httpx.Client, days: list[datetime]) -> list[str]:
    rows: list[dict[str, Any]] = []
    for day in days[:: max(1, DAYS // 12)]:
        window = {"since": day.isoformat(), "until": (day + timedelta(days=1)).isoformat()}
        rows += _got(client, "/violations", {**window, "limit": str(_SUBJECTS // 10)})["rows"]
    return list(dict.fromkeys(row["subject"] for row in rows))[:_SUBJECTS]


def _one_by_one(
    client: httpx.Client, api: Api, families: frozenset[str], known: Known, options: argparse.Namespace
) -> list[Figure]:
    """Each question by itself, of other subjects, parties and days each time."""
    figures = []
    for family, (name, goal) in _QUESTIONS.items():
        if family not in families:
            continue
        often = 3 if options.tiny else (len(known.subjects) if "subject" in name else 10 * options.rounds)
        often = min(often, _BLASTS) if family == "blast" else often
        walls_ms, cpu_ms = list[float](), api.processor_ms()
        for number in range(often):
            begun_s = time.monotonic()
            _got(client, f"/{family}", _parameters(family, known, number))
            walls_ms.append((time.monotonic() - begun_s) * 1_000)
        figures += [
            Figure(f"{name}, p50", "ms", (_percentile(walls_ms, 0.5),)),
            Figure(f"{name}, p95", "ms", (_percentile(walls_ms, 0.95),), goal if options.rows == _GOAL_ROWS else ""),
        ]
        if api.pid:
            figures.append(Figure(f"{name}, processor time", "ms", ((api.processor_ms() - cpu_ms) / often,)))
    return figures


def _parameters(family: str, known: Known, number: int) -> dict[str, str]:
    day = known.days[number % len(known.days)]
    window = {"since": day.isoformat(), "until": (day + timedelta(days=1)).isoformat()}
    if family in {"trail", "subject-graph"}:
        return {"subject": known.subjects[number % len(known.subjects)]}
    if family == "received":
        return {"recipient": known.recipients[number % len(known.recipients)]}
    if family == "blast":
        since = START + timedelta(days=DAYS * 2 // 3)
        return {"start": "dataset", "name": f"dataset-{number * DATASETS // _BLASTS:03d}", "since": since.isoformat()}
    return window if family in {"graph", "violations"} else {}


def _exported(client: httpx.Client, api: Api, options: argparse.Namespace) -> list[Figure]:
    """Rows a second of a stream of the ledger's rows, and how much memory the API took meanwhile."""
    days = max(1, min(DAYS, DAYS * _EXPORT_ROWS // options.rows))
    until = START + timedelta(days=days)
    figures = []
    for form in ("csv", "parquet"):
        before_mib = api.memory_mib(anew=True)
        begun_s, size = time.monotonic(), 0
        rows = 0
        parameters = {"format": form, "since": START.isoformat(), "until": until.isoformat()}
        with client.stream("GET", "/v1/flows/export", params=parameters) as response:
            response.raise_for_status()
            with tempfile.TemporaryFile() as file:
                for chunk in response.iter_bytes():
                    size += len(chunk)
                    rows += chunk.count(b"\n")
                    if form == "parquet":
                        file.write(chunk)
                took_s = time.monotonic() - begun_s
                rows = _rows_in(file) if form == "parquet" else rows - 2  # a head line, and one that counts
        figures += [
            Figure(f"export as {form}", "rows/s", (rows / took_s,), ">= 200,000"),
            Figure(f"export as {form}: rows", "rows", (float(rows),)),
            Figure(f"export as {form}: bytes a row", "B", (size / max(1, rows),)),
        ]
        if api.pid:
            grown = api.memory_mib() - before_mib
            figures.append(Figure(f"export as {form}: memory above what it had", "MiB", (grown,)))
    return figures


def _rows_in(file: Any) -> int:
    from pyarrow.parquet import ParquetFile

    return int(ParquetFile(file).metadata.num_rows)


def _at_once(
    api: Api, families: frozenset[str], known: Known, options: argparse.Namespace, pause_s: float
) -> list[Figure]:
    asked = Asking(api.url, api.tokens, known, families, auditors=options.auditors, pause_s=pause_s)
    asyncio.run(asked.for_so_long(options.seconds / 2))
    written, cpu_ms, begun_s = api.written(), api.processor_ms(), time.monotonic()
    answered = asyncio.run(asked.for_so_long(options.seconds))
    took_s = time.monotonic() - begun_s
    goal = "< 500 ms" if options.rows == _GOAL_ROWS else ""
    who = f"{options.auditors} auditors at once, {f'{pause_s:g} s between questions' if pause_s else 'without a pause'}"
    cpu_ms = (api.processor_ms() - cpu_ms) / len(answered)
    walls_ms = [each.took_ms for each in answered]
    refused = sum(each.status >= _BAD_REQUEST for each in answered)
    return [
        Figure(f"{who}, p50", "ms", (_percentile(walls_ms, 0.5),)),
        Figure(f"{who}, p95", "ms", (_percentile(walls_ms, 0.95),), goal),
        Figure("answers a second", "1/s", (len(answered) / took_s,)),
        Figure("processor time an answer, the sink's among it", "ms", (cpu_ms,)),
        Figure("answers that were refusals", "", (float(refused),), "0"),
        Figure("records that the sink wrote meanwhile", "1/s", ((api.written() - written) / took_s,)),
        *_by_role(answered),
    ]


def _by_role(answered: list[Answered]) -> Iterator[Figure]:
    for name in WORKLOADS:
        walls_ms = [each.took_ms for each in answered if each.workload == name]
        yield Figure(f"{name} (GDPRbench), p95", "ms", (_percentile(walls_ms, 0.95),))


def _percentile(values: list[float], share: float) -> float:
    return sorted(values)[math.ceil(share * len(values)) - 1]


if __name__ == "__main__":
    main()
