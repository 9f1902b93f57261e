"""Late knowledge of rules and registry: a change that reaches back behind what was judged becomes a marker.

Every partition was judged by some edition of the rules (tracking/rollout.py) up to where it stands.  Before the first
batch that is judged by another one, a marker for each change in between is put on `decisions/p`: everything before
it was judged without the change, everything after with it.  It says from which instant on answers may be different,
and is left out where nothing that happened since then has been judged.

What a worker must know of a partition that another one judged before travels as a note with its commits.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from flowtrack.domain.decision import Marker, RuleUsed
from flowtrack.domain.instants import BEGINNING_US, END_US, from_us
from flowtrack.domain.names import Gap
from flowtrack.policy.decide import EventVerdict
from flowtrack.tracking.reach import Reach, reach_of
from flowtrack.tracking.records import Output, Topic
from flowtrack.tracking.rollout import Cause, Position
from flowtrack.tracking.rulebook import Rulebook, Step
from flowtrack.wire.encode import encode

EVERYTHING = "*"
"""What a marker names as changed where the changes are no longer known one by one."""

_UNNAMED = frozenset({Gap.UNKNOWN_PARTY, Gap.PARTY_NOT_YET_REGISTERED})
_EARLIEST_US = 0  # 1970: no event is older, and every store can hold it
_DECISIONS = str(Topic.DECISIONS)


class Note(NamedTuple):
    """What the next owner of a partition has to know: by which edition it was judged, and what up to when.

    Args:
        position: of the edition that it was judged by last.
        horizon_us: the latest time of an event that was judged.
        unnamed_us: the earliest time of one that named a party which was not in force then.
    """

    position: Position
    horizon_us: int
    unnamed_us: int

    def text(self) -> str:
        """Give the note in some 60 characters."""
        at = self.position
        return f"{at.policies}.{at.registry}.{at.fingerprint}.{self.horizon_us}.{self.unnamed_us}"

    @classmethod
    def read(cls, text: str) -> Note | None:
        """Read a note; None where it is none."""
        parts = text.split(".")
        try:
            policies, registry, fingerprint, horizon_us, unnamed_us = parts
            return cls(Position(int(policies), int(registry), fingerprint), int(horizon_us), int(unnamed_us))
        except ValueError:
            return None


class LateKnowledge:
    """Watches by which rules partitions were judged, and writes the markers.

    Args:
        rulebook: the rules, as they change.
    """

    def __init__(self, rulebook: Rulebook) -> None:
        self._rulebook = rulebook
        self._applied: dict[int, int] = {}
        """By partition, how many of the rulebook's changes it was judged with."""
        self._owed: dict[int, list[_Knowledge]] = {}
        """By partition, what was changed between its last owner's edition and the one it was taken over with."""
        self._positions: dict[int, Position] = {}
        """By partition, the edition up to which its markers are written."""
        self._undo: tuple[dict[int, int], dict[int, list[_Knowledge]], dict[int, Position]] = ({}, {}, {})
        self._reaches: dict[tuple[str, str], Reach] = {}
        self._horizon_us: dict[int, int] = {}
        self._unnamed_us: dict[int, int] = {}

    def assigned(self, partition: int, notes: Iterable[str], *, resumed: bool) -> None:
        """Take over a partition.

        Args:
            partition: its number.
            notes: what its last commits say (`Note`), of each topic that was committed.
            resumed: whether anything of it was judged before; if so, and no note says more, the worst is assumed.
        """
        self._applied[partition] = self._rulebook.changes_count
        self._owed[partition] = []
        self._positions[partition] = self._rulebook.position
        self._horizon_us[partition], self._unnamed_us[partition] = BEGINNING_US, END_US
        known = [note for text in notes if (note := Note.read(text)) is not None]
        if known:
            self._horizon_us[partition] = max(note.horizon_us for note in known)
            self._unnamed_us[partition] = min(note.unnamed_us for note in known)
            last = max((note.position for note in known), key=lambda position: position[:2])
            self._positions[partition] = last
            self._owe(partition, self._rulebook.steps_from(last))
        elif resumed:
            self._horizon_us[partition], self._unnamed_us[partition] = END_US, BEGINNING_US
            self._positions[partition] = _NOWHERE
            self._owe(partition, None)

    def revoked(self, partition: int) -> None:
        """Forget a partition."""
        for table in (self._applied, self._owed, self._positions, self._horizon_us, self._unnamed_us):
            table.pop(partition, None)

    def horizon_us(self, partition: int) -> int:
        """The latest time of an event of the partition that anybody judged; `END_US` where nobody knows."""
        return self._horizon_us[partition]

    def judged(self, partition: int, at_us: int, *, unnamed: bool) -> None:
        """Note that an event was judged; one that is undone later was judged for all that matters here.

        Args:
            partition: where it stands.
            at_us: when it happened.
            unnamed: as `names_nobody` says of its verdict.
        """
        if at_us > self._horizon_us[partition]:  # noqa: PLR1730 - for every event, and `max` takes three times as long
            self._horizon_us[partition] = at_us
        if unnamed:
            self._unnamed_us[partition] = min(self._unnamed_us[partition], at_us)

    def markers(self) -> list[Output]:
        """The markers due before the next batch is judged, of every partition that is owned."""
        self._undo = (self._applied.copy(), self._owed.copy(), self._positions.copy())
        position = self._rulebook.position
        count = self._rulebook.changes_count
        outputs: list[Output] = []
        for partition, applied in self._applied.items():
            if applied != count:
                self._owe(partition, self._rulebook.steps_since(applied))
                self._applied[partition] = count
            if self._owed[partition]:
                outputs += self._due(partition)
                self._owed[partition] = []
            self._positions[partition] = position
        return outputs

    def aborted(self) -> None:
        """The batch comes again, and its markers with it."""
        applied, owed, positions = self._undo
        for partition in self._applied.keys() & applied.keys():
            self._applied[partition], self._owed[partition] = applied[partition], owed[partition]
            self._positions[partition] = positions[partition]

    def note(self, partition: int) -> str:
        """What is to be committed with the batch in hand, for whoever owns the partition next."""
        return Note(self._positions[partition], self._horizon_us[partition], self._unnamed_us[partition]).text()

    def _owe(self, partition: int, steps: list[Step] | None) -> None:
        if steps is None:
            found = [_ANYTHING]
        else:
            found = [_Knowledge(each.change.cause, each.change.label, self._reach_of(each)) for each in steps]
        self._owed[partition] = self._owed[partition] + found

    def _reach_of(self, step: Step) -> Reach:
        """How far a change reaches back; the same for every partition, so it is found out once."""
        key = (step.before.fingerprint, step.after.fingerprint)
        known = self._reaches.pop(key, None)
        self._reaches[key] = reach_of(step.before.decider, step.after.decider) if known is None else known
        if len(self._reaches) > _REACHES_MAX:
            del self._reaches[next(iter(self._reaches))]
        return self._reaches[key]

    def _due(self, partition: int) -> Iterable[Output]:
        for each in self._owed[partition]:
            reach, horizon_us = each.reach, self._horizon_us[partition]
            effect_us = reach.anyhow_us
            if max(reach.unnamed_us, self._unnamed_us[partition]) < END_US:
                effect_us = min(effect_us, max(reach.unnamed_us, self._unnamed_us[partition]))
            if reach.unnaming_us <= horizon_us:
                self._unnamed_us[partition] = min(self._unnamed_us[partition], reach.unnaming_us)
            if effect_us <= horizon_us and effect_us < END_US:
                yield _marker(each, effect_us, partition, self._rulebook.edition.rules)


def names_nobody(verdict: EventVerdict) -> bool:
    """Whether an event names a party that was not in force then.

    The situation has the gap also where the verdict does not tell it: what hides it may change.
    """
    situation = verdict.categories[0].situation
    return situation is not None and not _UNNAMED.isdisjoint(situation.circumstances.gaps)


class _Knowledge(NamedTuple):
    """A change, and how far it reaches back."""

    cause: Cause
    changed: str
    reach: Reach


_ANYTHING = _Knowledge("policy", EVERYTHING, Reach(BEGINNING_US, BEGINNING_US, BEGINNING_US))
_NOWHERE = Position(0, 0, "")  # of no edition: who takes over from there assumes the worst too
_REACHES_MAX = 1_000  # a few integers each


def _marker(known: _Knowledge, effect_us: int, partition: int, rules: list[RuleUsed]) -> Output:
    marker = Marker(
        type="marker",
        cause=known.cause,
        subject=None,
        reaches_back_to=from_us(max(effect_us, _EARLIEST_US)),
        partition=partition,
        history=[],
        changed=known.changed,
        rules=rules,
    )
    return Output(_DECISIONS, partition, f"{known.cause}:{known.changed}".encode(), encode(marker))
