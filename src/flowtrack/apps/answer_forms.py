"""Answers as JSON, CSV and Parquet: on standard output or in a file, page by page where an answer comes in pages.

A file appears under its name once it is whole.
"""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, TextIO, get_args, get_origin

from pydantic import AwareDatetime, BaseModel

from flowtrack.apps.annotations import bare
from flowtrack.audit.family import Answer
from flowtrack.errors import ConfigurationError

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""How a cell begins that a spreadsheet would carry out; it gets an apostrophe in front."""


class Form(StrEnum):
    """How an answer is given."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    PARQUET = "parquet"


def form_of(*, as_json: bool, as_csv: bool, parquet: Path | None, output: Path | None) -> tuple[Form, Path | None]:
    """Give the form that options ask for, and the file; without an option the file's ending says it.

    Raises:
        ConfigurationError: they ask for two.
    """
    asked = [
        form for form, given in ((Form.JSON, as_json), (Form.CSV, as_csv), (Form.PARQUET, parquet is not None)) if given
    ]
    if len(asked) > 1 or (parquet is not None and output is not None):
        raise ConfigurationError(
            "an answer has one form and one place",
            where=", ".join(f"--{form}" for form in asked) or "--output",
            help="give one of --json, --csv and --parquet FILE; --output FILE takes the place of standard output",
        )
    if asked:
        return asked[0], parquet or output
    ending = "" if output is None else output.suffix.removeprefix(".").lower()
    return (Form(ending) if ending in {Form.JSON, Form.CSV, Form.PARQUET} else Form.TABLE), output


class RowWriter(Protocol):
    """Takes rows, a page at a time."""

    def write(self, rows: Sequence[BaseModel]) -> None:
        """Take a page's rows."""
        ...


@contextmanager
def opened(path: Path | None) -> Iterator[TextIO]:
    """Give where text goes: standard output, or a file that appears under its name once it is whole.

    Raises:
        ConfigurationError: the file cannot be written.
    """
    if path is None:
        yield sys.stdout
        sys.stdout.flush()
        return
    with _whole(path) as draft, draft.open("w", encoding="utf-8", newline="") as file:
        yield file


@contextmanager
def csv_writer(path: Path | None, columns: dict[str, object]) -> Iterator[RowWriter]:
    """Write rows as CSV (RFC 4180) under a head line; lists and parts of rows stand as JSON."""
    with opened(path) as file:
        writer = csv.writer(file, lineterminator="\r\n" if path is not None else "\n")
        writer.writerow(columns)
        yield _Csv(writer.writerow, list(columns))


@contextmanager
def parquet_writer(path: Path, columns: dict[str, object]) -> Iterator[RowWriter]:
    """Write rows as Parquet, a row group a page; instants are UTC in microseconds, parts of rows JSON."""
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    schema = pa.schema([(name, _arrow(annotation)) for name, annotation in columns.items()])
    with _whole(path) as draft, ParquetWriter(draft, schema, compression="zstd") as writer:
        yield _Parquet(writer, schema)


def write_json(path: Path | None, answer: BaseModel) -> None:
    """Write an answer as one JSON document."""
    with opened(path) as file:
        file.write(answer.model_dump_json(indent=2) + "\n")


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


class _Csv:
    def __init__(self, row: Callable[[Iterable[object]], object], columns: list[str]) -> None:
        self._row, self._columns = row, columns

    def write(self, rows: Sequence[BaseModel]) -> None:
        for row in rows:
            given = row.model_dump(mode="json")
            self._row([_cell(given.get(name)) for name in self._columns])


class _Parquet:
    def __init__(self, writer: ParquetWriter, schema: pa.Schema) -> None:
        self._writer, self._schema = writer, schema

    def write(self, rows: Sequence[BaseModel]) -> None:
        import pyarrow as pa

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
    from pyarrow import types

    if value is None or not types.is_string(kind):
        return value
    if isinstance(value, StrEnum):
        return value.value
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _arrow(annotation: object) -> pa.DataType:
    """Give the type of a column; what is neither plain nor a list of plain ones is text."""
    import pyarrow as pa

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


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """Give a draft beside the file; it takes its name when all went well, and is gone when not."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield draft
        draft.replace(path)
    except OSError as error:
        raise ConfigurationError(
            f"cannot write `{path}`: {error.strerror}", where="--output", help="name a file in a folder that is there"
        ) from error
    finally:
        draft.unlink(missing_ok=True)
