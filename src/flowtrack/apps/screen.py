"""What commands show: tables, trees and lines; coloured on a terminal, plain in a pipe.

A command says what it has to show once; how it looks is decided here, by where it goes.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TextIO
from unicodedata import east_asian_width

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Bars
    from rich.table import Table as RichTable
    from rich.text import Text
    from rich.tree import Tree

_STYLES = {
    "permit": "green",
    "deny": "bold red",
    "indeterminate": "yellow",
    "not_applicable": "dim",
    "critical": "bold white on red",
    "high": "bold red",
    "medium": "yellow",
    "low": "cyan",
    "yes": "green",
    "no": "bold red",
}
"""How words look that mean something; the words themselves say it too."""
_SHORT = 16  # columns so narrow are never folded: it is the long ones that give way, down to this
_APART = (3, 2)  # columns stand so far apart, where there is room


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under headings; numbers stand to the right."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str | int]]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Node:
    """A line with lines below it; `mark` is a word such as a verdict that stands in front."""

    text: str
    mark: str = ""
    children: Sequence[Node] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines under a title."""

    title: str
    lines: Sequence[str]


Part = Table | Node | Lines


class Screen:
    """Shows parts where they go.

    Args:
        stream: where to write; standard output where None.
        terminal: whether it is one; found out where None.
    """

    def __init__(self, stream: TextIO | None = None, *, terminal: bool | None = None) -> None:
        self._stream = stream or sys.stdout
        self.terminal = self._stream.isatty() if terminal is None else terminal
        self._console: Console | None = None
        if self.terminal:
            from rich.console import Console

            self._console = Console(file=self._stream, force_terminal=True, highlight=False)

    def show(self, *parts: Part) -> None:
        """Write parts, an empty line before each."""
        for part in parts:
            if self._console is not None:
                self._console.print()
                _print_rich(self._console, part)
            else:
                self._stream.write("\n" + "\n".join(_plain(part)) + "\n")
        self._stream.flush()

    @contextmanager
    def steps(self) -> Iterator[Steps]:
        """Show how long work goes on: bars on a terminal; in a pipe a line for each step that is done."""
        if self._console is None:
            yield Steps(self._stream)
            return
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.description:24}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self._console) as bars:
            yield Steps(self._stream, bars)


class Silent(Screen):
    """Shows nothing: for commands that write one JSON document."""

    def __init__(self) -> None:
        super().__init__(terminal=False)

    def show(self, *parts: Part) -> None:
        """Write nothing."""

    @contextmanager
    def steps(self) -> Iterator[Steps]:
        """Show nothing meanwhile."""
        yield Steps(None)


class Steps:
    """The steps of long work, several at a time."""

    def __init__(self, stream: TextIO | None, bars: Bars | None = None) -> None:
        self._stream = stream
        self._bars = bars
        self._begun_s = time.monotonic()
        self._tasks: dict[str, int] = {}

    def update(self, name: str, done: int, total: int) -> None:
        """Say how far a step is."""
        if self._bars is None:
            return
        task = self._tasks.get(name)
        if task is None:
            task = self._tasks[name] = self._bars.add_task(name, total=total)
        self._bars.update(task, completed=done, total=total)  # type: ignore[arg-type]  # its ids are plain integers

    def done(self, name: str, total: int) -> None:
        """Say that a step is done."""
        self.update(name, total, total)
        if self._bars is None and self._stream is not None:
            self._stream.write(f"{time.monotonic() - self._begun_s:6.1f} s  {name}: {total:,}\n")
            self._stream.flush()


def width_of(text: str) -> int:
    """How many columns a text takes: Korean letters take two."""
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)


def _cell(value: str | int) -> str:
    return f"{value:,}" if isinstance(value, int) else value


def _plain(part: Part) -> list[str]:
    if isinstance(part, Table):
        return _plain_table(part)
    if isinstance(part, Lines):
        return [part.title, *(f"  {line}" for line in part.lines)]
    return list(_plain_tree(part, 0))


def _plain_table(table: Table) -> list[str]:
    rows = [[_cell(value) for value in row] for row in table.rows]
    widths = [max(map(width_of, column)) for column in zip(table.columns, *rows, strict=True)]
    right = [bool(table.rows) and all(isinstance(row[n], int) for row in table.rows) for n in range(len(widths))]

    def line(cells: Iterable[str]) -> str:
        padded = [
            " " * (width - width_of(cell)) + cell if to_right else cell + " " * (width - width_of(cell))
            for cell, width, to_right in zip(cells, widths, right, strict=True)
        ]
        return ("  " + "  ".join(padded)).rstrip()

    lines = [table.title, line(table.columns), *map(line, rows)]
    return [*lines, f"  {table.note}"] if table.note else lines


def _plain_tree(node: Node, depth: int) -> Iterator[str]:
    yield "  " * depth + (f"{node.mark}  {node.text}" if node.mark else node.text)
    for child in node.children:
        yield from _plain_tree(child, depth + 1)


def _print_rich(console: Console, part: Part) -> None:
    from rich.text import Text

    if isinstance(part, Lines):
        console.print(Text(part.title, style="bold"))
        for line in part.lines:
            console.print(Text(f"  {line}"), soft_wrap=True)
    elif isinstance(part, Node):
        console.print(_rich_tree(part))
    else:
        _print_rich_table(console, part)


def _print_rich_table(console: Console, table: Table) -> None:
    """Print a table where its columns have room; where they have not, the cells of each row below each other."""
    from rich.text import Text

    cells = [[_cell(value) for value in row] for row in table.rows]
    widths = [max(map(width_of, column)) for column in zip(table.columns, *cells, strict=True)]
    least = sum(min(width, _SHORT) for width in widths) + 1
    apart = next((each for each in _APART if least + each * len(widths) <= console.width), 0)
    console.print(Text(table.title, style="bold"), soft_wrap=True)  # a table's own title breaks at its width
    console.print(_grid(table, widths, apart) if apart else _records(table, cells))
    if table.note:
        console.print(Text(f"  {table.note}", style="dim"))


def _grid(table: Table, widths: Sequence[int], apart: int) -> RichTable:
    """Rows under headings, columns so far apart: those that are short stand whole, the others give way."""
    from rich import box
    from rich.table import Table as RichTable

    shown = RichTable(box=box.SIMPLE_HEAD, padding=(0, 1, 0, apart - 2))
    for number, (column, width) in enumerate(zip(table.columns, widths, strict=True)):
        numeric = bool(table.rows) and all(isinstance(row[number], int) for row in table.rows)
        at_least, short = min(width, _SHORT), width <= _SHORT
        justify: Literal["left", "right"] = "right" if numeric else "left"
        shown.add_column(column, justify=justify, overflow="fold", no_wrap=short, min_width=at_least)
    for row in table.rows:
        shown.add_row(*(_styled(value) for value in row))
    return shown


def _records(table: Table, cells: Sequence[Sequence[str]]) -> RichTable:
    """Each row as a list of what it says, its number in front: a number that is cut off would be a wrong one."""
    from rich.table import Table as RichTable

    shown = RichTable.grid(padding=(0, 2, 0, 0))
    shown.add_column(no_wrap=True, style="dim", justify="right")
    shown.add_column(no_wrap=True, style="dim")
    shown.add_column(overflow="fold")
    for number, (row, said) in enumerate(zip(table.rows, cells, strict=True), 1):
        there = [(name, value) for name, value, text in zip(table.columns, row, said, strict=True) if text]
        for place, (name, value) in enumerate(there):
            shown.add_row("" if place else f"{number:,}", name, _styled(value))
        shown.add_row()
    return shown


def _styled(value: str | int) -> Text:
    from rich.text import Text

    return Text(_cell(value), style=_STYLES.get(str(value), ""))


def _rich_tree(node: Node) -> Tree:
    from rich.text import Text
    from rich.tree import Tree

    def label(each: Node) -> Text:
        mark = (f"{each.mark}  ", _STYLES.get(each.mark, "bold")) if each.mark else ("", "")
        return Text.assemble(mark, each.text)

    tree = Tree(label(node))

    def grow(branch: Tree, children: Sequence[Node]) -> None:
        for child in children:
            grow(branch.add(label(child)), child.children)

    grow(tree, node.children)
    return tree
