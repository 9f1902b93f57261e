"""Rows of answers as CSV and as Parquet, onto any file or stream, a page at a time."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from datetime import date, datetime
from enum import StrEnum
from types import TracebackType
from typing import IO, TYPE_CHECKING, Final, Protocol, Self, TextIO, get_args, get_origin

from pydantic import AwareDatetime, BaseModel

from flowtrack.audit.annotations import bare
from flowtrack.audit.family import Answer

if TYPE_CHECKING:
    import pyarrow as pa

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""How a cell begins that a spreadsheet would carry out; it gets an apostrophe in front."""


class RowWriter(Protocol):
    """Takes rows, a page at a time."""

    def write(self, rows: Sequence[BaseModel]) -> None:
        """Take a page's rows."""
        ...


def columns_of(answer: type[Answer]) -> dict[str, object]:
    """Give the columns of a family's rows by name, with their types."""
    return fields_of(rows_of(answer))


def rows_of(answer: type[Answer]) -> list[type[BaseModel]]:
    """Give the models of a family's rows."""
    return _row_types(answer.model_fields["rows"].annotation)


def fields_of(models: Sequence[type[BaseModel]]) -> dict[str, object]:
    """Give the fields of models by name; what two of them have under one name counts as text where it differs."""
    found: dict[str, object] = {}
    for model in models:
        for name, field in model.model_fields.items():
            found[name] = field.annotation if found.get(name, field.annotation) == field.annotation else str
    return found


def _row_types(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [each for part in get_args(annotation) for each in _row_types(part)]


class CsvRows:
    """Rows as CSV (RFC 4180) under a head line; lists and parts of rows stand as JSON.

    Args:
        file: takes the text.
        columns: see `columns_of`.
        line_end: between lines.
    """

    def __init__(self, file: TextIO, columns: dict[str, object], *, line_end: str = "\r\n") -> None:
        self._row, self._columns = csv.writer(file, lineterminator=line_end).writerow, list(columns)
        self._row(self._columns)

    def write(self, rows: Sequence[BaseModel]) -> None:
        """Write a page's rows."""
        for row in rows:
            given = row.model_dump(mode="json")
            self._row([_cell(given.get(name)) for name in self._columns])


class ParquetRows:
    """Rows as Parquet, a row group a page; instants are UTC in microseconds, parts of rows JSON. Use it as a context.

    Args:
        file: takes the bytes.
        columns: see `columns_of`.
    """

    def __init__(self, file: IO[bytes], columns: dict[str, object]) -> None:
        import pyarrow as pa  # noqa: PLC0415 - loading it takes longer than most answers
        from pyarrow.parquet import ParquetWriter  # noqa: PLC0415 - likewise

        self._schema = pa.schema([(name, _arrow(annotation)) for name, annotation in columns.items()])
        self._writer = ParquetWriter(file, self._schema, compression="zstd")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Write the index: what was written is whole only with it."""
        self._writer.close()

    def write(self, rows: Sequence[BaseModel]) -> None:
        """Write a page's rows."""
        import pyarrow as pa  # noqa: PLC0415 - likewise

        if rows:
            given = [row.model_dump() for row in rows]
            columns = [[_value(row.get(field.name), field.type) for row in given] for field in self._schema]
            self._writer.write_table(
                pa.table([pa.array(c, f.type) for c, f in zip(columns, self._schema, strict=True)], schema=self._schema)
            )


def _cell(value: object) -> object:
    if value is None:
        return ""
    if isinstance(value, (list, dict)):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if isinstance(value, bool):
        return str(value).lower()
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _value(value: object, kind: pa.DataType) -> object:
    from pyarrow import types  # noqa: PLC0415 - likewise

    if value is None or not types.is_string(kind):
        return value
    if isinstance(value, StrEnum):
        return value.value
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _arrow(annotation: object) -> pa.DataType:
    """Give the type of a column; what is neither plain nor a list of plain ones is text."""
    import pyarrow as pa  # noqa: PLC0415 - likewise

    plain = bare(annotation)
    if get_origin(plain) in {list, tuple, set, frozenset}:
        inner = _arrow(get_args(plain)[0])
        return pa.list_(inner) if bare(get_args(plain)[0]) in _KINDS else pa.string()
    kinds: dict[object, pa.DataType] = {
        int: pa.int64(),
        float: pa.float64(),
        bool: pa.bool_(),
        date: pa.date32(),
        datetime: pa.timestamp("us", "UTC"),
        AwareDatetime: pa.timestamp("us", "UTC"),
    }
    return kinds.get(plain, pa.string())


_KINDS: Final = {str, int, float, bool}
