"""Whether the subject's own consents carry a use, and if not, why not (clauses 2.3, 3.2b, 4.1)."""

from __future__ import annotations

from typing import NamedTuple

from flowtrack.domain.consent import Duration, Storage, UsagePolicy
from flowtrack.domain.covers import Dimension, covers
from flowtrack.domain.history import ConsentView, Own
from flowtrack.domain.names import Reason, RecordState
from flowtrack.domain.vocabulary import Vocabularies

KEPT_FOR_EVER = -1
"""Days of a store that nobody ends."""
KEEPS_NOTHING = -2
"""Days of an event that keeps nothing itself."""
_EVERYTHING = UsagePolicy()
_DIMENSIONS = list(Dimension)
_RANK_WITHDRAWN, _RANK_EXPIRED, _RANK_REFUSED, _RANK_NOT_COVERING = 40, 30, 20, 10
_REFUSALS = frozenset({RecordState.REFUSED, RecordState.REJECTED})
_PENDING = frozenset({RecordState.REQUESTED, RecordState.UNKNOWN})
_GIVEN = frozenset({RecordState.GIVEN, RecordState.RENEWED})
_MEMO_MAX = 100_000


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
    days: int
    """How long it is kept, in days; or `KEPT_FOR_EVER`, or `KEEPS_NOTHING`."""


class OwnConsents:
    """Matches uses against the scopes of consents, and remembers: scopes and uses recur, subjects don't matter."""

    def __init__(self, vocabularies: Vocabularies) -> None:
        self._vocabularies = vocabularies
        self._memo: dict[tuple[int, Use], tuple[UsagePolicy, Dimension | None]] = {}

    def carried_by(self, view: ConsentView, use: Use) -> tuple[str, str]:
        """`own_consent` and the record that carries the use; otherwise the reason code and the record behind it."""
        best_rank, best = 0, (Reason.NO_OWN_CONSENT.value, "")
        for own in view.own:
            failing = self._failing(own.scope or _EVERYTHING, use)
            if own.in_force and failing is None:
                return Reason.OWN_CONSENT.value, own.record
            rank, reason = _explain(own, failing)
            if rank > best_rank:
                best_rank, best = rank, (reason, own.record)
        return best

    def _failing(self, scope: UsagePolicy, use: Use) -> Dimension | None:
        key = (id(scope), use)
        known = self._memo.get(key)
        if known is not None:
            return known[1]
        if len(self._memo) >= _MEMO_MAX:
            self._memo.clear()
        failing = self._compare(scope, use)
        # the scope is kept beside the answer so that its id cannot be taken by another one
        self._memo[key] = (scope, failing)
        return failing

    def _compare(self, scope: UsagePolicy, use: Use) -> Dimension | None:
        meaningless = set()
        if not use.recipient:
            meaningless.add(Dimension.RECIPIENT)
        if not use.location:
            meaningless.add(Dimension.STORAGE)
        days = None if use.days < 0 else use.days
        done = UsagePolicy.model_construct(
            data=use.category,
            processing=use.processing,
            purpose=use.purpose,
            recipient=use.recipient or None,
            storage=Storage(location=use.location or None, duration=Duration(min_days=days, max_days=days)),
        )
        if use.days == KEEPS_NOTHING and scope.storage is not None:
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
    if own.state in _PENDING:
        return 0, Reason.NO_OWN_CONSENT.value
    if failing is not None:
        if not own.in_force:
            return 0, Reason.NO_OWN_CONSENT.value
        return _RANK_NOT_COVERING + _DIMENSIONS.index(failing), f"consent_not_covering.{failing.value}"
    if own.state in _REFUSALS:
        return _RANK_REFUSED, Reason.CONSENT_REFUSED.value
    if own.state is RecordState.EXPIRED or (own.expired and own.state in _GIVEN):
        return _RANK_EXPIRED, Reason.CONSENT_EXPIRED.value
    return _RANK_WITHDRAWN, Reason.CONSENT_WITHDRAWN.value


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
