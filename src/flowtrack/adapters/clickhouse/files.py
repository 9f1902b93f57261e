"""Files of copies: hashed while they are read, and a manifest that is there only when all else is."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel

from flowtrack.audit.copies import CopiedFile
from flowtrack.errors import StoreError

MANIFEST = "manifest.json"
_CHUNK_BYTES = 1 << 20
_ROOM_BYTES = 4 << 20
"""A disk that has no more than that counts as full: the engine writes in buffers of a MiB."""


@contextmanager
def writing(target: Path, what: str) -> Iterator[None]:
    """Make a folder for a copy, and turn what the file system refuses into ours.

    The engine says of a full disk anything, or nothing at all: so it is looked at when something went wrong.

    Raises:
        StoreError: the folder is there already, cannot be made, or the disk is full.
    """
    try:
        target.mkdir(parents=True)
        yield
    except FileExistsError as error:
        raise StoreError(
            f"`{target}` is there already", where=what, help="name a new folder: a copy is never written over another"
        ) from error
    except OSError as error:
        raise StoreError(
            f"cannot write `{target}`: {error.strerror}",
            where=what,
            help="name a folder that can be written, on a disk with room; delete what was begun",
        ) from error
    except StoreError as error:
        if shutil.disk_usage(target).free > _ROOM_BYTES:
            raise
        raise StoreError(
            f"there is no room left for `{target}`",
            where=what,
            help="delete what was begun, and make room or name a folder on another disk",
        ) from error


def copied(root: Path, path: Path, rows: int | None = None) -> CopiedFile:
    """Describe a file of a copy."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return CopiedFile(
        path=path.relative_to(root).as_posix(), bytes=path.stat().st_size, sha256=digest.hexdigest(), rows=rows
    )


def copied_all(root: Path) -> list[CopiedFile]:
    """Describe every file below a folder, the manifest aside."""
    files = (path for path in sorted(root.rglob("*")) if path.is_file() and path != root / MANIFEST)
    return [copied(root, path) for path in files]


def write_manifest(root: Path, manifest: BaseModel) -> str:
    """Write a manifest, durably, and give its SHA-256."""
    text = manifest.model_dump_json(indent=2).encode() + b"\n"
    path = root / MANIFEST
    half = path.with_suffix(".half")
    with half.open("wb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    half.replace(path)
    return hashlib.sha256(text).hexdigest()


def rows_in(path: Path) -> int:
    """How many rows a Parquet file says that it has: read from what was written, not from what was asked for.

    Raises:
        StoreError: it has no end: the engine took a disk that is full for one that is not.
    """
    from pyarrow import ArrowException  # noqa: PLC0415 - loading it takes memory that a sink has better use for
    from pyarrow.parquet import ParquetFile  # noqa: PLC0415 - likewise

    try:
        return int(ParquetFile(path).metadata.num_rows)
    except (ArrowException, OSError) as error:
        raise StoreError(
            f"`{path.name}` was not written whole",
            where="export to Parquet",
            help="look whether the disk that it is written to has room, delete what was begun, and export again",
        ) from error
