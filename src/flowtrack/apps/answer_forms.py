"""Answers as JSON, CSV and Parquet: on standard output or in a file, page by page where an answer comes in pages.

A file appears under its name once it is whole.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TextIO

from pydantic import BaseModel

from flowtrack.audit.row_forms import CsvRows, ParquetRows, RowWriter
from flowtrack.errors import ConfigurationError


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
        yield CsvRows(file, columns, line_end="\r\n" if path is not None else "\n")


@contextmanager
def parquet_writer(path: Path, columns: dict[str, object]) -> Iterator[RowWriter]:
    """Write rows as Parquet, a row group a page; instants are UTC in microseconds, parts of rows JSON."""
    with _whole(path) as draft, draft.open("wb") as file, ParquetRows(file, columns) as writer:
        yield writer


def write_json(path: Path | None, answer: BaseModel) -> None:
    """Write an answer as one JSON document."""
    with opened(path) as file:
        file.write(answer.model_dump_json(indent=2) + "\n")


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
