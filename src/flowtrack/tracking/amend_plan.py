"""What new rules change, found by situation: a few thousand are judged instead of millions of rows.

A row's situation is what the rules looked at.  Where the new edition resolves events as the old one did (the same
vocabularies, the same named services and recipients, the same answers of the registry), the situation stays, and only
what is said of it may differ.  Where it does not, or where the answer now rests on another consent record than the row
names, rows are judged one by one.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from flowtrack.domain.instants import END_US
from flowtrack.domain.names import Verdict
from flowtrack.domain.registry import Registry, registry_of
from flowtrack.domain.vocabulary import Vocabularies
from flowtrack.policy.decide import Carrier, Decider, PackDecider, carrier_of
from flowtrack.policy.pack import Pack
from flowtrack.policy.situation import Situation, from_attributes
from flowtrack.tracking.amend_rows import FlowRow, judgement_of
from flowtrack.tracking.amend_rules import RuleLibrary
from flowtrack.tracking.amend_store import Change, Seen
from flowtrack.tracking.reach import registered_alike

_VOCABULARIES = ("category", "purpose", "processing", "storage", "recipient")


class Era(NamedTuple):
    """A span of event time in which one pack decides; none does before the first."""

    since_us: int
    until_us: int
    decider: PackDecider | None


def eras_of(decider: Decider, since_us: int) -> list[Era]:
    """The eras of a decider, the earliest first; only those that matter since an instant have their decider."""
    timeline = decider.timeline[::-1]
    edges = [since for since, _ in timeline]
    found = [Era(since_us, edges[0] if edges else END_US, None)]
    for number, (start, each) in enumerate(timeline):
        end = edges[number + 1] if number + 1 < len(edges) else END_US
        found.append(Era(max(start, since_us), end, each))
    return found


class Planner:
    """Judges the situations of touched rows anew, a few at a time, and keeps what follows for the rows.

    Args:
        seen: the situations.
        eras: of the new rules; `Seen.era` counts into them.
        library: knows the packs and documents behind the labels of rows.
        recorded_at_ms: of the marker.
    """

    def __init__(self, seen: Sequence[Seen], eras: Sequence[Era], library: RuleLibrary, recorded_at_ms: int) -> None:
        self._left = list(reversed(seen))
        self._eras = eras
        self._alike = _Alike(library)
        self._recorded_at_ms = recorded_at_ms
        self.changes: list[Change] = []
        """For the engine: situations of which something else is said now."""
        self.one_by_one: set[int] = set()
        """Situations whose rows are judged one by one."""
        self.judgements: dict[tuple[str, int], FlowRow] = {}
        """What the new packs say of the changed situations, as rows of `judgements`."""
        self.unchanged = 0
        """Situations of which the same is said."""

    @property
    def done(self) -> bool:
        """Whether every situation is dealt with."""
        return not self._left

    @property
    def tells(self) -> bool:
        """Whether any row may get another answer, not only another version to cite."""
        told = any(each.verdict != each.verdict_before or not each.keeps_consent for each in self.changes)
        return told or bool(self.one_by_one)

    def judge(self, count: int) -> None:
        """Deal with the next situations; one that no pack has met yet costs a millisecond."""
        for _ in range(min(count, len(self._left))):
            self._take(self._left.pop())

    def _take(self, seen: Seen) -> None:
        era, situation = self._eras[seen.era], _situation(seen)
        if situation is None or era.decider is None or not self._alike(seen.pack, seen.registry, era):
            self.one_by_one.add(seen.situation)
            return
        judged = era.decider.judge.judge(situation)
        old = carrier_of(Verdict(seen.verdict), seen.reasons, situation)
        new = carrier_of(judged.verdict, judged.reasons, situation)
        pack = era.decider.judge.pack.label
        if new not in {old, Carrier.NONE} or int(judged.situation_id, 16) != seen.situation:
            self.one_by_one.add(seen.situation)
        elif (pack, str(judged.verdict), new) == (seen.pack, seen.verdict, old):
            self.unchanged += 1
        else:
            judgement = judgement_of(pack, judged, situation, self._recorded_at_ms)
            self.judgements[pack, seen.situation] = judgement
            self.changes.append(_change(seen, era, era.decider, str(judged.verdict), keeps_consent=new is old))


def _change(seen: Seen, era: Era, decider: PackDecider, verdict: str, *, keeps_consent: bool) -> Change:
    return Change(
        pack=seen.pack,
        registry=seen.registry,
        situation=seen.situation,
        verdict_before=seen.verdict,
        since_us=era.since_us,
        until_us=era.until_us,
        new_pack=decider.judge.pack.label,
        new_registry=decider.label,
        verdict=verdict,
        keeps_consent=keeps_consent,
    )


class _Alike:
    """Whether events resolve the same under the rules that a row cites and under those of an era."""

    def __init__(self, library: RuleLibrary) -> None:
        self._library = library
        self._known: dict[tuple[str, str, int], bool] = {}

    def __call__(self, pack: str, registry: str, era: Era) -> bool:
        """Ask for a row's labels and an era with a decider."""
        key = (pack, registry, era.since_us)
        if key not in self._known:
            self._known[key] = self._ask(pack, registry, era)
        return self._known[key]

    def _ask(self, label: str, registry: str, era: Era) -> bool:
        old, documents = self._library.pack(label), self._library.documents(registry)
        if old is None or documents is None or era.decider is None:
            return False
        new = era.decider.judge.pack
        before: Registry = registry_of([old.registry, *documents])
        return _named_alike(old, new) and registered_alike(before, era.decider.registry, era.since_us, era.until_us)


def _named_alike(old: Pack, new: Pack) -> bool:
    return (
        _same(old.vocabularies, new.vocabularies)
        and old.services_named == new.services_named
        and old.recipients_named == new.recipients_named
    )


def _same(old: Vocabularies, new: Vocabularies) -> bool:
    return all(getattr(old, name).parents == getattr(new, name).parents for name in _VOCABULARIES)


def _situation(each: Seen) -> Situation | None:
    if not each.attributes:
        return None
    try:
        return _read(each.attributes)
    except KeyError:
        return None  # of a version that looked at fewer things: its rows are judged one by one


@lru_cache(maxsize=10_000)
def _read(text: str) -> Situation:
    return from_attributes(json.loads(text))
