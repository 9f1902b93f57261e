"""Packs by folder: what `--pack` names, or the one that Flowtrack brings."""

from __future__ import annotations

from pathlib import Path

from flowtrack.policy.pack import Pack, load_pack
from flowtrack.policy.source import files_of_default_pack, files_of_folder
from flowtrack.policy.validate import accept_pack


def pack_files(folder: Path | None) -> dict[str, str]:
    """The files of a pack's folder; of the default pack without one.

    Raises:
        PackError: the folder is no pack.
    """
    return files_of_default_pack() if folder is None else files_of_folder(folder)


def accepted_pack(folder: Path | None) -> Pack:
    """A pack that passed validation; the default pack did so when it was built (its tests hold it).

    Raises:
        PackError: it is refused; `problems` lists why.
    """
    return load_pack(files_of_default_pack()) if folder is None else accept_pack(files_of_folder(folder))
