"""Categories as filters: one names itself, and what hangs under it by name."""

from __future__ import annotations

from collections.abc import Sequence


def under(category: str, root: str | None) -> bool:
    """Whether a category is this one, or hangs under it by name; without a root, every one is."""
    return root is None or category == root or category.startswith(f"{root}.")


def under_any(category: str, roots: Sequence[str]) -> bool:
    """Whether a category is one of these, or hangs under one by name; without roots, every one is."""
    return not roots or any(under(category, root) for root in roots)
