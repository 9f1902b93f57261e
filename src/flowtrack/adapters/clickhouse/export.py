"""Export to Parquet: a file for each month of recording, with a manifest that says what is in them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

from flowtrack.adapters.clickhouse.completeness import completeness
from flowtrack.adapters.clickhouse.files import copied, rows_in, write_manifest, writing
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.audit.copies import FORMAT, CopiedFile, Export, ExportManifest, ExportTable
from flowtrack.domain.instants import instant_us

_SUBJECT: Final = "lower(replaceAll(toString(subject), '-', '')) AS subject"
_RECORDED: Final = {ExportTable.AUDIT_LOG: "asked_at", ExportTable.ERASED_COUNTS: "recorded_on"}
_HAPPENED: Final = {
    ExportTable.FLOWS: "happened_at",
    ExportTable.CONSENTS: "valid_from",
    ExportTable.DOCUMENTS: "valid_from",
    ExportTable.AUDIT_LOG: "asked_at",
    ExportTable.DEAD_LETTERS: "received_at",
    ExportTable.ALERTS: "first_at",
    ExportTable.ERASED_COUNTS: "happened_on",
    ExportTable.JUDGEMENTS: "recorded_at",
}
_COLUMNS: Final = """
SELECT name, type FROM system.columns
WHERE database = currentDatabase() AND table = {table:String} AND default_kind = '' ORDER BY position"""


class _Query(NamedTuple):
    """Which rows of which columns."""

    columns: dict[str, str]
    """By name, how each is read."""
    where: str
    parameters: dict[str, object]
    month: str


def export(store: Store, request: Export, at: datetime, *, lag_records: int | None) -> ExportManifest:
    """Write rows of a table into a new folder.

    Raises:
        StoreError: the folder is there already, cannot be written, or the query failed; what was begun has no manifest.
    """
    target = Path(request.target).resolve()
    complete = completeness(store, lag_records)  # before the rows: what comes in between is not promised
    query = _query(store, request)
    with writing(target, "export"):
        files = list(_months(store, request, query, target))
        manifest = ExportManifest(
            format=FORMAT,
            exported_at=at,
            request=request,
            columns=list(query.columns),
            rows=sum(file.rows or 0 for file in files),
            complete_up_to=complete.complete_up_to,
            lag_records=complete.lag_records,
            files=files,
        )
        write_manifest(target, manifest)
    return manifest


def _months(store: Store, request: Export, query: _Query, target: Path) -> Iterator[CopiedFile]:
    select = ", ".join(query.columns.values())
    counted = (
        f"SELECT {query.month} AS month, count() FROM {request.table} WHERE {query.where} GROUP BY month ORDER BY month"  # noqa: S608 - texts of ours
    )
    for month, _ in store.rows(counted, **query.parameters):
        path = target / f"{request.table}-{month}.parquet"
        rows = f"SELECT {select} FROM {request.table} WHERE {query.where} AND {query.month} = {{month:UInt32}}"  # noqa: S608 - texts of ours, values are parameters
        store.write_parquet(rows, path, month=month, **query.parameters)
        yield copied(target, path, rows_in(path))


def _query(store: Store, request: Export) -> _Query:
    columns = {name: _read(name, kind) for name, kind in store.rows(_COLUMNS, table=str(request.table))}
    if not request.with_subjects:
        columns.pop("subject", None)
    recorded = _RECORDED.get(request.table, "recorded_at")
    where, parameters = ["1"], dict[str, object]()
    bounds = (
        (recorded, ">=", "since", request.since),
        (recorded, "<", "until", request.until),
        (recorded, "<=", "known_at", request.known_at),
        (_HAPPENED[request.table], "<=", "as_of", request.as_of),
    )
    for column, compared, name, instant in bounds:
        if instant is not None:
            where.append(f"{column} {compared} fromUnixTimestamp64Micro({{{name}:Int64}}, 'UTC')")
            parameters[name] = instant_us(instant)
    return _Query(columns, " AND ".join(where), parameters, f"toYYYYMM({recorded})")


def _read(name: str, kind: str) -> str:
    if name == "subject":
        return _SUBJECT
    return f"`{name}`" if not kind.startswith("LowCardinality(UInt64)") else f"toUInt64(`{name}`) AS `{name}`"
