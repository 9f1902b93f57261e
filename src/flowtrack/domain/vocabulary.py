"""Vocabularies: terms in a directed acyclic graph, a term may have several parents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from flowtrack.errors import VocabularyError


class Vocabulary:
    """Terms and their ancestors, compiled: `is_a` is one dictionary and one set look-up.

    Args:
        name: which vocabulary, for error texts.
        parents: each term's direct parents.

    Raises:
        VocabularyError: a parent is unknown, or the graph has a cycle.
    """

    def __init__(self, name: str, parents: Mapping[str, tuple[str, ...]]) -> None:
        self.name = name
        self.parents = dict(parents)
        for term, above in self.parents.items():
            for parent in above:
                if parent not in self.parents:
                    raise VocabularyError(
                        f"`{term}` names the parent `{parent}`, which is no term",
                        where=f"{name} vocabulary",
                        help="add the parent as a term, or mend its spelling",
                    )
        try:
            order = list(TopologicalSorter(self.parents).static_order())
        except CycleError as error:
            circle = " -> ".join(error.args[1])
            raise VocabularyError(
                f"terms form a circle: `{circle}`",
                where=f"{name} vocabulary",
                help="take one of the parents away, a term must not lie under itself",
            ) from error
        self._ancestors: dict[str, frozenset[str]] = {}
        for term in order:
            above_all = {term}.union(*(self._ancestors[parent] for parent in self.parents[term]))
            self._ancestors[term] = frozenset(above_all)

    def __contains__(self, term: object) -> bool:
        """Whether the term is known."""
        return term in self._ancestors

    def __iter__(self) -> Iterator[str]:
        """The terms, in the order in which they were declared."""
        return iter(self.parents)

    def __len__(self) -> int:
        """How many terms there are."""
        return len(self.parents)

    def ancestors(self, term: str) -> frozenset[str]:
        """The term itself and everything above it; only itself where it is unknown."""
        known = self._ancestors.get(term)
        return frozenset((term,)) if known is None else known

    def is_a(self, term: str, ancestor: str) -> bool:
        """Whether `term` is `ancestor` or lies under it; an unknown term is only itself."""
        known = self._ancestors.get(term)
        return term == ancestor if known is None else ancestor in known

    def overlap(self, one: str, other: str) -> bool:
        """Whether something may be both: whether one lies under the other, or a third term lies under both."""
        if self.is_a(one, other) or self.is_a(other, one):
            return True
        return any(one in above and other in above for above in self._ancestors.values())


@dataclass(frozen=True, slots=True)
class Vocabularies:
    """The five vocabularies of a pack, one for each dimension of a usage policy."""

    category: Vocabulary
    purpose: Vocabulary
    processing: Vocabulary
    storage: Vocabulary
    recipient: Vocabulary
