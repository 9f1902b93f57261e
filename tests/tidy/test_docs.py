"""What README and docs tell the reader to type, exists; where they point to, something is."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import typer

from flowtrack.apps.cli import app

FENCE = re.compile(r"^```(?P<language>\w*)\n(?P<body>.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`((?:flowtrack|make) [^`\n]+)`")
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)")
SHELLS = {"sh", "bash", "shell", "console"}


@pytest.fixture(scope="module")
def pages(files: list[str], root: Path) -> dict[str, str]:
    """The text of each page of documentation, by its path."""
    return {path: (root / path).read_text(encoding="utf-8") for path in files if path.endswith(".md")}


def _command_lines(text: str) -> Iterator[list[str]]:
    """What a page tells its reader to type that begins with `flowtrack` or `make`, in words."""
    lines = [
        line for fence in FENCE.finditer(text) if fence["language"] in SHELLS for line in fence["body"].splitlines()
    ]
    for line in lines + INLINE.findall(FENCE.sub("", text)):
        try:
            words = shlex.split(line.removeprefix("$ "), comments=True)
        except ValueError:
            words = line.split()
        while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
            words.pop(0)
        if words and words[0] in {"flowtrack", "make"}:
            yield words


def _options(command: Any) -> set[str]:
    """The options that a command knows, long and short."""
    named = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    return named | {"--help", "--install-completion", "--show-completion"}


def _unknown(words: list[str]) -> str:
    """The first word of a `flowtrack` line that the command line does not know; empty when it knows all."""
    command: Any = typer.main.get_command(app)
    for word in words[1:]:
        if word in {"|", "<", ">", ">>", "&&", ";", "&"}:
            break
        if word.startswith("-"):
            option = word.strip("[]").split("=")[0]
            if option not in _options(command):
                return word
        elif hasattr(command, "get_command"):
            command = command.get_command(command.context_class(command), word)
            if command is None:
                return word
    return ""


def _spelt_out(words: list[str]) -> Iterator[list[str]]:
    """`worker checker|sink` as the two lines that it stands for; words in brackets are optional."""
    known = [word for word in words if word not in {"…", "..."}]
    choices = [word.split("|") if re.fullmatch(r"[\w-]+(\|[\w-]+)+", word) else [word] for word in known]
    for line in product(*choices):
        yield list(line)


def test_commands_in_the_documentation_exist(pages: dict[str, str]) -> None:
    """Each `flowtrack …` in README and docs names a command, with options, that the command line has."""
    lines = [
        (path, line) for path, text in pages.items() for words in _command_lines(text) for line in _spelt_out(words)
    ]
    commands = [(path, line) for path, line in lines if line[0] == "flowtrack"]
    wrong = [f"{path}: `{' '.join(line)}`: no `{unknown}`" for path, line in commands if (unknown := _unknown(line))]
    assert commands
    assert not wrong, "\n".join(wrong)


def test_make_targets_in_the_documentation_exist(pages: dict[str, str], root: Path) -> None:
    """Each `make X` in README and docs is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z][\w-]*):", (root / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {
        (path, word)
        for path, text in pages.items()
        for words in _command_lines(text)
        for word in words[1:]
        if words[0] == "make" and re.fullmatch(r"[a-z][\w-]*", word)
    }
    assert {"demo", "test"} <= {word for _, word in named}
    assert not (wrong := {(path, word) for path, word in named if word not in targets}), wrong


def test_links_between_pages_lead_somewhere(pages: dict[str, str], root: Path) -> None:
    """Each link of a page to a file of the project finds it."""
    dead = [
        f"{path}: {target}"
        for path, text in pages.items()
        for target in LINK.findall(FENCE.sub("", text))
        if not (root / path).parent.joinpath(target).exists()
    ]
    assert not dead, "\n".join(dead)


def test_every_decision_is_in_the_index(pages: dict[str, str]) -> None:
    """Each page in docs/decisions/ is linked from their index."""
    index = pages["docs/decisions/README.md"]
    written = [
        Path(path).name for path in pages if path.startswith("docs/decisions/") and not path.endswith("README.md")
    ]
    assert written
    assert not (missing := [name for name in written if f"({name})" not in index]), missing
