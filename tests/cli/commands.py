"""The command line, run in this process: its exit status and what it prints."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from flowtrack.apps.cli import main


class Ran(NamedTuple):
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[Any]:
        """Standard output as JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def document(self) -> Any:
        """Standard output as one JSON document."""
        return json.loads(self.out)


class Commands:
    """Runs `flowtrack ...` and keeps files for it."""

    def __init__(self, folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self._capfd = capfd
        self._monkeypatch = monkeypatch

    def run(self, *words: object) -> Ran:
        """Run one command."""
        self._monkeypatch.setattr(sys, "argv", ["flowtrack", *map(str, words)])
        self._capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = self._capfd.readouterr()
        return Ran(int(ended.value.code or 0), out, err)

    def file(self, name: str, content: str | bytes) -> Path:
        """A file in the test's folder."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def jsonl(self, name: str, *messages: Any) -> Path:
        """A file of JSON lines; bytes stand as they are."""
        return self.file(
            name,
            b"".join((each if isinstance(each, bytes) else json.dumps(each).encode()) + b"\n" for each in messages),
        )

    def pack(self, files: dict[str, str]) -> Path:
        """A folder with a pack."""
        for path, text in files.items():
            self.file(f"pack/{path}", text)
        return self.folder / "pack"
