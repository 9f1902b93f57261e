"""Whether the subject's own consents carry a use, and if not, why not (clauses 2.3, 3.2b, 4.1)."""

from __future__ import annotations

from typing import NamedTuple

from flowtrack.domain.consent import Duration, Storage, UsagePolicy
from flowtrack.domain.covers import Dimension, covers
from flowtrack.domain.history import CONSENTED, GRANTS, ConsentView, Own
from flowtrack.domain.names import Reason, RecordState
from flowtrack.domain.vocabulary import Vocabularies


class Kept(NamedTuple):
    """For how long an event keeps data, in days: `at_least` whole ones have gone by then, `at_most` have begun."""

    at_least: int
    at_most: int


KEPT_FOR_EVER = Kept(-1, -1)
"""A store that nobody ends."""
KEEPS_NOTHING = Kept(-2, -2)
"""An event that keeps nothing itself."""
_EVERYTHING = UsagePolicy()
_MEMO_MAX = 100_000
_SCOPES_MAX = 10_000

# How near a consent came to carrying a use, and the reason code for what kept it from that: what was once given
# says more than what was refused, and that more than what was given for something else.
_NOWHERE_NEAR = (0, Reason.NO_OWN_CONSENT.value)
_NOT_COVERING = {each: (10 + rank, f"consent_not_covering.{each.value}") for rank, each in enumerate(Dimension)}
_REFUSED = (20, Reason.CONSENT_REFUSED.value)
_EXPIRED = (30, Reason.CONSENT_EXPIRED.value)
_WITHDRAWN = (40, Reason.CONSENT_WITHDRAWN.value)
_ENDED = {
    RecordState.REQUESTED: _NOWHERE_NEAR,
    RecordState.UNKNOWN: _NOWHERE_NEAR,
    **dict.fromkeys(GRANTS - CONSENTED, _NOWHERE_NEAR),
    RecordState.REFUSED: _REFUSED,
    RecordState.REJECTED: _REFUSED,
    RecordState.EXPIRED: _EXPIRED,
}
_OWN_CONSENT = Reason.OWN_CONSENT.value
_NO_OWN_CONSENT = (Reason.NO_OWN_CONSENT.value, "")


class Use(NamedTuple):
    """What an event does with one category, in the dimensions of a usage policy."""

    category: str
    processing: str
    purpose: str
    recipient: str
    """Party id of a share; empty where the event has no recipient."""
    recipient_type: str
    location: str
    """Where it goes or rests; empty where the event has no place."""
    kept: Kept


class OwnConsents:
    """The uses met so far; scopes and uses recur, subjects don't matter."""

    def __init__(self, vocabularies: Vocabularies) -> None:
        self._vocabularies = vocabularies
        self._matchers: dict[Use, Matcher] = {}

    def matcher(self, use: Use) -> Matcher:
        """What compares scopes with a use, and remembers."""
        known = self._matchers.get(use)
        if known is None:
            if len(self._matchers) >= _MEMO_MAX:
                self._matchers.clear()
            known = self._matchers[use] = Matcher(use, self._vocabularies)
        return known


class Matcher:
    """Compares the scopes of consents with one use."""

    __slots__ = ("_known", "_use", "_vocabularies")

    def __init__(self, use: Use, vocabularies: Vocabularies) -> None:
        self._use = use
        self._vocabularies = vocabularies
        self._known: dict[int, tuple[UsagePolicy | None, Dimension | None]] = {}

    def carried_by(self, view: ConsentView) -> tuple[str, str]:
        """`own_consent` and the record that carries the use; otherwise the reason code and the record behind it."""
        best_rank, best = 0, _NO_OWN_CONSENT
        for own in view.own:
            known = self._known.get(id(own.scope))
            failing = self._learn(own.scope) if known is None else known[1]
            if failing is None and own.in_force:
                return _OWN_CONSENT, own.record
            rank, reason = _explain(own, failing)
            if rank > best_rank:
                best_rank, best = rank, (reason, own.record)
        return best

    def _learn(self, scope: UsagePolicy | None) -> Dimension | None:
        if len(self._known) >= _SCOPES_MAX:
            self._known.clear()
        failing = self._compare(scope or _EVERYTHING, self._use)
        # the scope is kept beside the answer so that its id cannot be taken by another one
        self._known[id(scope)] = (scope, failing)
        return failing

    def _compare(self, scope: UsagePolicy, use: Use) -> Dimension | None:
        meaningless = set()
        if not use.recipient:
            meaningless.add(Dimension.RECIPIENT)
        if not use.location:
            meaningless.add(Dimension.STORAGE)
        # made as it is: a contract bounds the days that a consent may name, not those that an event comes to
        duration = (
            Duration()
            if use.kept in {KEPT_FOR_EVER, KEEPS_NOTHING}
            else Duration.model_construct(min_days=use.kept.at_least, max_days=use.kept.at_most)
        )
        done = UsagePolicy.model_construct(
            data=use.category,
            processing=use.processing,
            purpose=use.purpose,
            recipient=use.recipient or None,
            storage=Storage(location=use.location or None, duration=duration),
        )
        if use.kept == KEEPS_NOTHING and scope.storage is not None:
            scope = _without_duration(scope)
        parties = {use.recipient: use.recipient_type} if use.recipient else {}
        return covers(scope, done, self._vocabularies, parties=parties, meaningless=frozenset(meaningless)).failed


def _without_duration(scope: UsagePolicy) -> UsagePolicy:
    """A share keeps nothing itself: only the place of its storage dimension is compared."""
    location = scope.storage.location if scope.storage is not None else None
    return UsagePolicy.model_construct(
        data=scope.data,
        processing=scope.processing,
        purpose=scope.purpose,
        recipient=scope.recipient,
        storage=Storage.model_construct(location=location, duration=None),
    )


def _explain(own: Own, failing: Dimension | None) -> tuple[int, str]:
    """How near a consent came to carrying the use, and what kept it from that."""
    if failing is not None:
        return _NOT_COVERING[failing] if own.in_force else _NOWHERE_NEAR
    if own.expired and own.state in CONSENTED:
        return _EXPIRED
    return _ENDED.get(own.state, _WITHDRAWN)


def opted_out(view: ConsentView, purpose: str, vocabularies: Vocabularies) -> str:
    """The opt-out that reaches the purpose (clause 3.2c); empty where none does.

    An opt-out of a narrower purpose reaches a broader one too, since the broader one includes it.
    """
    is_a = vocabularies.purpose.is_a
    for record, scope in view.opt_outs:
        if scope is None or scope.purpose is None:
            return record
        terms = [scope.purpose] if isinstance(scope.purpose, str) else scope.purpose.all
        if any(is_a(purpose, term) or is_a(term, purpose) for term in terms):
            return record
    return ""
