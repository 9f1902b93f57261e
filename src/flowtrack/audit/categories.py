"""Categories as filters: one names itself, and what hangs under it by name."""

from __future__ import annotations


def under(category: str, root: str | None) -> bool:
    """Whether a category is this one, or hangs under it by name; without a root, every one is."""
    return root is None or category == root or category.startswith(f"{root}.")
