"""Where a pack's files come from: a folder, the package itself, or a document of the policies topic."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated

from pydantic import AwareDatetime, Field

from flowtrack.domain.model import Contract, Name
from flowtrack.errors import PackError

SUFFIXES = (".yaml", ".cedar", ".cedarschema", ".txt")


class PackDocument(Contract):
    """A pack as it is published on the policies topic under `name:version`."""

    name: Name
    version: Name
    effective_from: AwareDatetime
    files: Annotated[dict[str, str], Field(min_length=1, max_length=1_000)]
    """Relative path to text."""
    signature: str | None = None


def files_of_folder(folder: Path) -> dict[str, str]:
    """All files of a pack's folder, by their path inside it.

    Raises:
        PackError: the folder is none, holds no pack.yaml, or a file is not UTF-8.
    """
    if not (folder / "pack.yaml").is_file():
        raise PackError(f"`{folder}` is no pack", help="name a folder that holds pack.yaml")
    return _files(folder, str(folder))


def files_of_default_pack() -> dict[str, str]:
    """The files of the pack that Flowtrack brings: the platform's policy, clause by clause."""
    return _files(resources.files("flowtrack.policy") / "packs" / "default", "default pack")


def _files(root: Path | Traversable, where: str) -> dict[str, str]:
    found: dict[str, str] = {}
    folders: list[tuple[str, Path | Traversable]] = [("", root)]
    while folders:
        prefix, folder = folders.pop()
        for entry in sorted(folder.iterdir(), key=lambda each: each.name):
            path = f"{prefix}{entry.name}"
            if entry.is_dir():
                folders.append((f"{path}/", entry))
            elif entry.name.endswith(SUFFIXES):
                try:
                    found[path] = entry.read_text(encoding="utf-8")
                except UnicodeDecodeError as error:
                    raise PackError(f"`{path}` is not UTF-8", where=where, help="save it as UTF-8") from error
    return found


def with_prefix(files: Mapping[str, str], prefix: str, suffix: str) -> dict[str, str]:
    """The files below a folder of the pack that end on a suffix, in the order of their paths."""
    return {path: files[path] for path in sorted(files) if path.startswith(prefix) and path.endswith(suffix)}
