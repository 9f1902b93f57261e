"""A subject's consent history and its state as of an instant.

The history is a set of records; the order in which they arrived does not matter, so that a replay, or any
interleaving, gives the same state (DESIGN 4, "Right at the event's time").
"""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass
from typing import NamedTuple

from flowtrack.domain.consent import ConsentData, UsagePolicy
from flowtrack.domain.instants import BEGINNING_US, until_us
from flowtrack.domain.names import RecordKind, RecordState

GRANTS = frozenset({RecordState.GIVEN, RecordState.RENEWED, RecordState.ACCEPTED, RecordState.OPEN, RecordState.USING})
"""States that grant: they hold strictly after their instant; every other state holds at its instant and after."""
CONSENTED = frozenset({RecordState.GIVEN, RecordState.RENEWED})
"""States in which a record of the subject's own consent permits; those of terms, accounts and usage never do."""

_UNDECIDED = frozenset({RecordState.REQUESTED, RecordState.UNKNOWN})
_REJECTIONS = frozenset({RecordState.REJECTED, RecordState.REFUSED, RecordState.WITHDRAWN, RecordState.REVOKED})


class Entry(NamedTuple):
    """One state of one consent record.  Sorting entries gives the order in which they take effect.

    At the same instant a state that grants sorts before one that does not, so that the cautious one is the later.
    """

    valid_from_us: int
    cautious: bool
    event_id: str
    record: str
    kind: RecordKind
    state: RecordState
    scope: UsagePolicy | None
    expires_us: int
    country: str


@dataclass(frozen=True, slots=True)
class Own:
    """A record of the subject's own consent as it stands at an instant."""

    record: str
    state: RecordState
    expired: bool
    in_force: bool
    """Whether it permits, as far as its scope reaches."""
    scope: UsagePolicy | None


@dataclass(frozen=True, slots=True)
class ConsentView:
    """What holds for one subject at one instant (clauses 0.1, 0.2, 3.2c, 4.1, 5.2)."""

    account: str = "none"
    """`open`, `closed` or `none`."""
    terms: str = "none"
    """`accepted`, `rejected` or `none`."""
    deemed: str = ""
    """The record that deemed consent rests on; empty where there is none."""
    country: str = ""
    own: tuple[Own, ...] = ()
    """Records of kind `consent`, whatever their state."""
    opt_outs: tuple[tuple[str, UsagePolicy | None], ...] = ()
    """Record and scope of each opt-out in force."""


NOTHING = ConsentView()
"""A subject without any record."""


def entry_of(event_id: str, valid_from_us: int, data: ConsentData) -> Entry:
    """The history's entry for a consent record."""
    granting = data.state in GRANTS
    return Entry(
        valid_from_us=valid_from_us,
        cautious=granting if data.kind is RecordKind.OPT_OUT else not granting,
        event_id=event_id,
        record=data.record,
        kind=RecordKind(data.kind),
        state=RecordState(data.state),
        scope=data.scope,
        expires_us=until_us(data.expires),
        country=data.country or "",
    )


def with_entry(history: tuple[Entry, ...], entry: Entry) -> tuple[Entry, ...]:
    """The history with an entry; one of the same record and event id is replaced, as compaction would."""
    kept = [old for old in history if (old.event_id, old.record) != (entry.event_id, entry.record)]
    insort(kept, entry, key=lambda known: known[:4])
    return tuple(kept)


def without_entry(history: tuple[Entry, ...], record: str, event_id: str) -> tuple[Entry, ...]:
    """The history without one entry: what a tombstone on the consents topic asks for."""
    return tuple(old for old in history if (old.event_id, old.record) != (event_id, record))


def as_of(history: tuple[Entry, ...], instant_us: int) -> ConsentView:
    """The state of a subject at an instant.

    A grant must have been given strictly before the instant; a withdrawal, refusal, opt-out or closing holds at its
    instant and after; an expiry is exclusive (CLAUSES, "Instants").  Closing an account or rejecting the terms ends
    the subject's own consents for good (clause 0.1).

    Args:
        history: the subject's entries, sorted.
        instant_us: microseconds since the epoch.
    """
    if not history:
        return NOTHING
    standing = _Standing()
    for entry in history:
        if entry.valid_from_us > instant_us:
            break
        if entry.valid_from_us < instant_us or entry.cautious:
            standing.take(entry)
    return standing.view(instant_us)


class _Standing:
    """What stands after the entries taken so far."""

    __slots__ = ("account", "country", "latest", "left_us", "terms")

    def __init__(self) -> None:
        self.latest: dict[tuple[RecordKind, str], Entry] = {}
        """By kind too: a consent never takes the place of an opt-out that its producer gave the same record id."""
        self.account: Entry | None = None
        self.terms: Entry | None = None
        self.country = ""
        self.left_us = BEGINNING_US

    def take(self, entry: Entry) -> None:
        """Apply the next entry in the order of effect."""
        kind, state = entry.kind, entry.state
        if kind is RecordKind.ACCOUNT:
            self.country = entry.country or self.country
            if state not in _UNDECIDED:
                self.account = entry
                self._leave(entry, left=state not in GRANTS)
        elif kind is RecordKind.TERMS:
            if state not in _UNDECIDED:
                self.terms = entry
                self._leave(entry, left=state in _REJECTIONS)
        elif kind is not RecordKind.OPT_OUT or entry.cautious or state is RecordState.WITHDRAWN:
            before = self.latest.get((kind, entry.record))
            if entry.scope is None and before is not None:
                # a later state that says nothing of its scope is about what the record was about
                entry = entry._replace(scope=before.scope)
            self.latest[kind, entry.record] = entry

    def _leave(self, entry: Entry, *, left: bool) -> None:
        if left:
            self.left_us = entry.valid_from_us

    def view(self, instant_us: int) -> ConsentView:
        """What holds at the instant."""
        own: list[Own] = []
        opt_outs: list[tuple[str, UsagePolicy | None]] = []
        usage = ""
        for entry in self.latest.values():
            state = entry.state
            if entry.kind is RecordKind.CONSENT:
                if entry.valid_from_us <= self.left_us and state in GRANTS:
                    state = RecordState.WITHDRAWN
                expired = entry.expires_us <= instant_us
                own.append(Own(entry.record, state, expired, state in CONSENTED and not expired, entry.scope))
            elif entry.kind is RecordKind.OPT_OUT:
                if state in GRANTS:
                    opt_outs.append((entry.record, entry.scope))
            elif state in GRANTS and instant_us < entry.expires_us:
                usage = entry.record
        account, terms = self._account(), self._terms()
        return ConsentView(
            account, terms, self._deemed(account, terms, usage, instant_us), self.country, tuple(own), tuple(opt_outs)
        )

    def _account(self) -> str:
        if self.account is None:
            return "none"
        return "open" if self.account.state in GRANTS else "closed"

    def _terms(self) -> str:
        if self.terms is None or not (self.terms.state in GRANTS or self.terms.state in _REJECTIONS):
            return "none"
        return "accepted" if self.terms.state in GRANTS else "rejected"

    def _deemed(self, account: str, terms: str, usage: str, instant_us: int) -> str:
        """The record that deemed consent rests on (clause 0.2): accepted terms first, else recorded use."""
        if account == "closed" or terms == "rejected":
            return ""
        if terms == "accepted" and self.terms is not None and instant_us < self.terms.expires_us:
            return self.terms.record
        return usage
