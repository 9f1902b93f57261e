"""Rows of the ledger in bulk, as the engine writes them: nothing of ours looks at a row."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from flowtrack.adapters.clickhouse.asking import known_now, pin
from flowtrack.adapters.clickhouse.completeness import completeness, how_far
from flowtrack.adapters.clickhouse.files import rows_in
from flowtrack.adapters.clickhouse.journal import write_down
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.adapters.clickhouse.times import times_of
from flowtrack.audit.family import about
from flowtrack.audit.roles import Asker
from flowtrack.audit.streams import FlowRows, Stream, StreamForm
from flowtrack.errors import StoreError

_CHUNK_BYTES = 1 << 20
_FORMATS: Final = {StreamForm.NDJSON: "JSONEachRow", StreamForm.CSV: "CSV"}
_SUBJECT: Final = "subject"
_TEXTS: Final = (
    *("event_id", "service", "kind", "category", "purpose", "basis", "recipient", "dataset", "location", "verdict"),
    *("consent", "pack", "registry", "epoch"),
)
_READ: Final = {
    _SUBJECT: "lower(replaceAll(toString(flows.subject), '-', ''))",
    "situation": "leftPad(lower(hex(toUInt64(flows.situation))), 16, '0')",
}
_COLUMNS: Final = (
    *(_SUBJECT, "happened_at", "recorded_at", *_TEXTS),
    *("situation", "revision", "sign", "source_partition", "source_offset"),
)
# Ids are their producers' own texts: in CSV one is one line, and no spreadsheet carries it out.
_IN_CSV: Final = r"replaceRegexpOne(translate(flows.{}, '\n\r', '  '), '^[=+@\t-]', '\'\\0')"


@contextmanager
def flow_rows(
    store: Store, question: FlowRows, form: StreamForm, asker: Asker, at: datetime, lag_records: int | None
) -> Iterator[Stream]:
    """Give the rows that a question names, as they were recorded.

    Args:
        store: open; nobody else can use it meanwhile.
        question: `known_at` is pinned to what is known now.
        form: how they are written; Parquet is written to a file first, since its index is at its end.
        asker: written down.
        at: the instant of the question.
        lag_records: decisions that are not in the ledger yet; None where that is not known.

    Raises:
        StoreError: the database cannot give them; while they come, that they are not as many as there are.
    """
    said = question.model_dump(mode="json", exclude_none=True)
    write_down(store, at, asker.who, question.family, {**said, "form": form}, role=asker.role, why=asker.why)
    come = how_far(store)
    complete = completeness(store, lag_records, come)
    pinned = pin(question, known_now(complete, come))
    times = times_of(pinned)
    rows = int(store.rows(f"SELECT count() FROM flows WHERE {times.exact}", **times.parameters)[0][0])  # noqa: S608 - fixed texts
    columns = [name for name in _COLUMNS if question.subjects or name != _SUBJECT]
    select = ", ".join(f"{_read(name, form)} AS {name}" for name in columns)
    statement = f"SELECT {select} FROM flows WHERE {times.exact} SETTINGS date_time_output_format = 'iso'"  # noqa: S608 - likewise
    told = about(pinned, complete)
    if form is StreamForm.PARQUET:
        with TemporaryDirectory(prefix="flowtrack-export-") as folder:
            path = Path(folder) / "flows.parquet"
            store.write_parquet(statement, path, **times.parameters)
            _refuse_other(rows_in(path), rows)
            yield Stream(told, rows, _of_file(path))
        return
    head = ",".join(columns).encode() + b"\n" if form is StreamForm.CSV else b""
    with store.stream(statement, _FORMATS[form], **times.parameters) as chunks:
        yield Stream(told, rows, _all_of(chunks, head, rows))


def _read(column: str, form: StreamForm) -> str:
    if form is StreamForm.CSV and column in _TEXTS:
        return _IN_CSV.format(column)
    return _READ.get(column, f"flows.{column}")


def _of_file(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk


def _all_of(chunks: Iterator[bytes], head: bytes, rows: int) -> Iterator[bytes]:
    """Hand lines on, and make sure that all came: a server may break off with an error's text as its last lines."""
    if head:
        yield head
    lines = 0
    for chunk in chunks:
        lines += chunk.count(b"\n")
        yield chunk
    _refuse_other(lines, rows)


def _refuse_other(came: int, rows: int) -> None:
    if came != rows:
        raise StoreError(
            f"of `{rows}` rows `{came}` came",
            where="flows",
            help="ask again: some may have been erased meanwhile",
        )
