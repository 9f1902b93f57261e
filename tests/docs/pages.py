"""The pages of documentation, cut into their blocks.

What a block is for stands in a comment above it, which no reader sees:

- `<!-- run -->`, `<!-- run: exit 1 -->`: shell and Python that works as it stands; the blocks of a page run in order
- `<!-- needs: kafka -->`: shell that needs what a test has not; its commands must exist (tests/tidy)
- `<!-- file: path -->`, `<!-- append: path -->`: what the reader saves under this name
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PAGES = [
    "README.md",
    "tests/conformance/README.md",
    *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md")),
]
_FENCE = re.compile(
    r"^(?:<!-- (?P<purpose>\w+)(?:: (?P<detail>[^\n]*?))? -->\n)?```(?P<language>\w+)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_ROW = re.compile(r"^\| (.*) \|$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block: where it stands, what language it is in, and what it is for."""

    where: str
    language: str
    text: str
    purpose: str
    detail: str


def blocks_of(page: str) -> list[Block]:
    """The blocks of a page, in order."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [
        Block(
            f"{page}:{text.count(chr(10), 0, found.start('text'))}",
            found["language"],
            found["text"],
            found["purpose"] or "",
            found["detail"] or "",
        )
        for found in _FENCE.finditer(text)
    ]


def rows_under(page: str, heading: str) -> list[list[str]]:
    """The cells of the tables below a heading of a page, up to the next heading, without their head lines."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found = re.search(rf"^#+ {re.escape(heading)}$(.*?)(?=^#|\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"{page} has no heading `{heading}`"
    rows = [re.split(r" *\| *", row) for row in _ROW.findall(found.group(1))]
    return [row for row in rows if row[0].startswith("`")]
