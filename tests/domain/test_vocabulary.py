"""Vocabularies: directed acyclic graphs, with several parents, and what they refuse."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtrack.domain.vocabulary import Vocabulary
from flowtrack.errors import VocabularyError

DIAMOND = Vocabulary(
    "category",
    {
        "personal": (),
        "contact": ("personal",),
        "provided": ("personal",),
        "phone": ("provided", "contact"),
        "excluded": (),
    },
)


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, tuple[str, ...]]:
    """Terms whose parents come earlier, declared in any order."""
    count = draw(st.integers(1, 9))
    terms = [f"t{number}" for number in range(count)]
    parents = {
        term: tuple(draw(st.lists(st.sampled_from(terms[:number]), max_size=3, unique=True))) if number else ()
        for number, term in enumerate(terms)
    }
    return {term: parents[term] for term in draw(st.permutations(terms))}


def test_a_term_lies_under_each_of_its_parents() -> None:
    """A term with several parents is each of them, and everything above them."""
    assert DIAMOND.ancestors("phone") == {"phone", "provided", "contact", "personal"}
    assert DIAMOND.is_a("phone", "contact")
    assert not DIAMOND.is_a("contact", "phone")
    assert not DIAMOND.is_a("phone", "excluded")


def test_an_unknown_term_is_only_itself() -> None:
    """What the vocabulary does not know lies under nothing, however it is spelt."""
    assert "provided.fax" not in DIAMOND
    assert DIAMOND.is_a("provided.fax", "provided.fax")
    assert not DIAMOND.is_a("provided.fax", "provided")
    assert not DIAMOND.is_a("phone", "nothing")


@given(graphs())
def test_is_a_is_a_partial_order(parents: dict[str, tuple[str, ...]]) -> None:
    """Every term is itself; what lies under what lies under a term lies under it; no two terms lie under each other."""
    vocabulary = Vocabulary("any", parents)
    is_a = vocabulary.is_a
    for one in vocabulary:
        assert is_a(one, one)
        assert all(is_a(one, parent) for parent in parents[one])
        for other in vocabulary:
            assert not (is_a(one, other) and is_a(other, one)) or one == other
            if is_a(one, other):
                assert vocabulary.ancestors(other) <= vocabulary.ancestors(one)


@given(graphs())
def test_overlap_is_a_common_descendant(parents: dict[str, tuple[str, ...]]) -> None:
    """Two terms overlap exactly when some term lies under both."""
    vocabulary = Vocabulary("any", parents)
    for one in vocabulary:
        for other in vocabulary:
            both = any(vocabulary.is_a(term, one) and vocabulary.is_a(term, other) for term in vocabulary)
            assert vocabulary.overlap(one, other) == both


@pytest.mark.parametrize("seed", range(5))
def test_a_circle_is_refused_and_named(seed: int) -> None:
    """Terms that lie under themselves are refused, in whatever order they are declared, and all of them are named."""
    terms = [("a", ("b",)), ("b", ("c", "root")), ("c", ("a",)), ("root", ()), ("leaf", ("c",))]
    Random(seed).shuffle(terms)
    with pytest.raises(VocabularyError, match="circle") as refusal:
        Vocabulary("purpose", dict(terms))
    assert all(term in refusal.value.what for term in ("a", "b", "c"))
    assert "leaf" not in refusal.value.what
    assert refusal.value.where == "purpose vocabulary"


def test_a_term_that_is_its_own_parent_is_refused() -> None:
    """The shortest circle is one, too."""
    with pytest.raises(VocabularyError, match="`a -> a`"):
        Vocabulary("purpose", {"a": ("a",)})


def test_a_parent_that_is_no_term_is_refused_and_named() -> None:
    """A misspelt parent is named with the term that has it."""
    with pytest.raises(VocabularyError, match="`phone` names the parent `contcat`"):
        Vocabulary("category", {"contact": (), "phone": ("contcat",)})
