"""What lies on the disk of an embedded store, whatever the engine says: every file, compressed blocks taken apart.

A compressed file is a row of frames: 16 bytes of checksum, a byte that names the method, the frame's size from there
on, the size of what comes out, and the block (the engine's documentation, "Compressed block").
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import cramjam
import lz4.block

_CHECKSUM, _HEADER = 16, 9
_LZ4, _ZSTD, _NONE = 0x82, 0x90, 0x02


def occurrences(directory: Path, subject: str) -> list[str]:
    """The files in which a pseudonym stands: as text in either case, as a number of 16 bytes in the engine's order."""
    number = bytes.fromhex(subject)
    needles = [
        subject.encode(),
        subject.upper().encode(),
        f"{subject[:8]}-{subject[8:12]}-{subject[12:16]}-{subject[16:20]}-{subject[20:]}".encode(),
        number,
        number[7::-1] + number[:7:-1],
    ]
    return [
        str(path.relative_to(directory))
        for path in sorted(directory.rglob("*"))
        if path.is_file() and any(needle in text for text in contents(path) for needle in needles)
    ]


def contents(path: Path) -> Iterator[bytes]:
    """What a file holds: as it is, and taken apart where it is compressed."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return  # the engine has just deleted it
    yield raw
    yield b"".join(_frames(raw))


def _frames(raw: bytes) -> Iterator[bytes]:
    at = 0
    while at + _CHECKSUM + _HEADER <= len(raw):
        method, size, length = struct.unpack_from("<BII", raw, at + _CHECKSUM)
        if method not in {_LZ4, _ZSTD, _NONE} or not _HEADER <= size <= len(raw) - at - _CHECKSUM:
            break  # what follows is no frame: the file is not compressed, or another stream begins
        block = raw[at + _CHECKSUM + _HEADER : at + _CHECKSUM + size]
        if method == _LZ4:
            yield lz4.block.decompress(block, uncompressed_size=length)
        elif method == _ZSTD:
            yield bytes(cramjam.zstd.decompress(block))
        else:
            yield block
        at += _CHECKSUM + size
