"""Figures of several rounds, as a table or as JSON."""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured quantity over several rounds."""

    name: str
    unit: str
    values: tuple[float, ...]
    goal: str = ""

    @property
    def median(self) -> float:
        """The middle value: what to quote."""
        return statistics.median(self.values)


def options_of(doc: str | None) -> argparse.ArgumentParser:
    """The options of every benchmark: `--json FILE`, `--rounds N`, `--tiny` (a smoke run that measures nothing)."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured, in turn (default 3)")
    parser.add_argument("--tiny", action="store_true", help="run once, too small to measure: shows that it still runs")
    return parser


def arguments(doc: str | None) -> argparse.Namespace:
    """What was asked of a benchmark that has no options of its own."""
    return options_of(doc).parse_args()


def tell(title: str, figures: list[Figure], target: Path | None) -> None:
    """Print the figures with their spread, and write them to a file where one is asked for."""
    write = sys.stdout.write
    write(f"{title}\n{platform.machine()}, Python {platform.python_version()}\n")
    for each in figures:
        low, high = min(each.values), max(each.values)
        goal = f"   goal {each.goal}" if each.goal else ""
        write(f"  {each.name:<58} {each.median:>12,.2f} {each.unit:<12} [{low:,.2f} .. {high:,.2f}]{goal}\n")
    if target is not None:
        document = {"title": title, "figures": [asdict(each) for each in figures]}
        target.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
