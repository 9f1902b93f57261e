"""Files of copies: hashed while they are read, and a manifest that is there only when all else is."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel

from flowtrack.audit.copies import CopiedFile
from flowtrack.errors import StoreError

MANIFEST = "manifest.json"
_CHUNK_BYTES = 1 << 20


@contextmanager
def writing(target: Path, what: str) -> Iterator[None]:
    """Make a folder for a copy, and turn what the file system refuses into ours.

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
