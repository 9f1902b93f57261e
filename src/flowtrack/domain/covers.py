"""Whether a consent covers a use: in every dimension the use must be at least as specific as the consent.

The model is that of usage control with subsumption over term hierarchies, as in SPECIAL's usage policy language
(Bonatti et al., "Machine Understandable Policies and GDPR Compliance Checking", 2020), decided structurally.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from flowtrack.domain.consent import Duration, Storage, Term, UsagePolicy
from flowtrack.domain.vocabulary import Vocabularies, Vocabulary

_NO_PARTIES: Mapping[str, str] = {}


class Dimension(StrEnum):
    """The five dimensions of a usage policy, in the order in which they are compared."""

    DATA = "data"
    PROCESSING = "processing"
    PURPOSE = "purpose"
    RECIPIENT = "recipient"
    STORAGE = "storage"


@dataclass(frozen=True, slots=True)
class Coverage:
    """The answer of `covers`: true, or the first dimension that fails."""

    failed: Dimension | None

    def __bool__(self) -> bool:
        """Whether the consent covers the use."""
        return self.failed is None


def covers(
    consent: UsagePolicy,
    use: UsagePolicy,
    vocabularies: Vocabularies,
    *,
    parties: Mapping[str, str] = _NO_PARTIES,
    meaningless: frozenset[Dimension] = frozenset(),
) -> Coverage:
    """Whether the consent covers the use, and when not, in which dimension first.

    Args:
        consent: what the subject agreed to.
        use: what is done; a dimension left out means that anything may be done in it.
        vocabularies: the term hierarchies; a term that they do not know is only itself.
        parties: type of each party that `use.recipient` may name, so that a party lies under its type.
        meaningless: dimensions that the use does not have at all (a collection has no recipient): they are covered.
    """
    return Coverage(_first_failing(consent, use, vocabularies, parties, meaningless))


def _first_failing(
    consent: UsagePolicy,
    use: UsagePolicy,
    vocabularies: Vocabularies,
    parties: Mapping[str, str],
    meaningless: frozenset[Dimension],
) -> Dimension | None:
    if not _within(consent.data, use.data, vocabularies.category):
        return Dimension.DATA
    if not _within(consent.processing, use.processing, vocabularies.processing):
        return Dimension.PROCESSING
    if not _within(consent.purpose, use.purpose, vocabularies.purpose):
        return Dimension.PURPOSE
    if Dimension.RECIPIENT not in meaningless and not _recipient_within(consent, use, vocabularies, parties):
        return Dimension.RECIPIENT
    if Dimension.STORAGE not in meaningless and not _storage_within(consent.storage, use.storage, vocabularies):
        return Dimension.STORAGE
    return None


def _terms(term: Term) -> list[str]:
    return [term] if isinstance(term, str) else term.all


def _within(outer: Term | None, inner: Term | None, vocabulary: Vocabulary) -> bool:
    """A conjunction lies within another when each outer term has an inner one at or under it."""
    if outer is None:
        return True
    if inner is None:
        return False
    inner_terms = _terms(inner)
    return all(any(vocabulary.is_a(term, above) for term in inner_terms) for above in _terms(outer))


def _recipient_within(
    consent: UsagePolicy, use: UsagePolicy, vocabularies: Vocabularies, parties: Mapping[str, str]
) -> bool:
    if consent.recipient is None:
        # clause 4.1: consent to a share must name its recipient; elsewhere a dimension left out does not restrict
        overlap = vocabularies.processing.overlap
        may_share = use.processing is None or all(overlap(term, "share") for term in _terms(use.processing))
        return not may_share
    if use.recipient is None:
        return False
    inner = _terms(use.recipient)
    types = [parties[term] for term in inner if term in parties]
    is_a = vocabularies.recipient.is_a
    return all(any(is_a(term, above) for term in (*inner, *types)) for above in _terms(consent.recipient))


def _storage_within(outer: Storage | None, inner: Storage | None, vocabularies: Vocabularies) -> bool:
    if outer is None:
        return True
    if inner is None:
        inner = Storage()
    return _within(outer.location, inner.location, vocabularies.storage) and _duration_within(
        outer.duration, inner.duration
    )


def _duration_within(outer: Duration | None, inner: Duration | None) -> bool:
    if outer is None:
        return True
    if inner is None:
        inner = Duration()
    if outer.min_days is not None and (inner.min_days is None or inner.min_days < outer.min_days):
        return False
    return outer.max_days is None or (inner.max_days is not None and inner.max_days <= outer.max_days)
