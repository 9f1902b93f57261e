"""docs/reference/questions.md says what the questions say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowtrack.apps.ask_reference import PAGE, page
from flowtrack.audit.families import FAMILIES

if TYPE_CHECKING:
    from pathlib import Path


def test_the_page_is_in_step_with_the_questions(root: Path) -> None:
    """The page is what the families make now: every field, every column."""
    text = (root / PAGE).read_text(encoding="utf-8")
    assert text == page(text), "run `make reference`"
    assert all(f"\n## {name}\n" in text for name in FAMILIES)
