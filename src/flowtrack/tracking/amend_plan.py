"""What new rules change, found by situation: a few thousand are judged instead of millions of rows.

A row's situation is what the rules looked at.  Where the new edition resolves events as the old one did (the same
vocabularies, the same named services and recipients, the same answers of the registry), the situation stays, and only
what is said of it may differ.  Where it does not, or where the answer now rests on another consent record than the row
names, rows are judged one by one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
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


class RulesPlan(NamedTuple):
    """How the rows that a change of rules touches are dealt with."""

    changes: list[Change]
    """By the engine: situations of which something else is said now."""
    one_by_one: list[int]
    """Situations whose rows are judged one by one."""
    judgements: list[FlowRow]
    """What the new packs say of the changed situations, as rows of `judgements`."""
    unchanged: int
    """Situations of which the same is said."""


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


def plan_of(seen: Iterable[Seen], eras: Sequence[Era], library: RuleLibrary, recorded_at_ms: int) -> RulesPlan:
    """Judge the situations anew, and tell apart what the engine can write from what must be judged row by row.

    Args:
        seen: the situations of the touched rows.
        eras: of the new rules; `Seen.era` counts into them.
        library: knows the packs and documents behind the labels of rows.
        recorded_at_ms: of the marker.
    """
    alike = _Alike(library)
    changes: list[Change] = []
    one_by_one: set[int] = set()
    judgements: dict[tuple[str, int], FlowRow] = {}
    unchanged = 0
    for each in seen:
        era = eras[each.era]
        situation = _situation(each)
        if situation is None or era.decider is None or not alike(each.pack, each.registry, era):
            one_by_one.add(each.situation)
            continue
        judged = era.decider.judge.judge(situation)
        pack = era.decider.judge.pack.label
        old = carrier_of(Verdict(each.verdict), each.reasons, situation)
        new = carrier_of(judged.verdict, judged.reasons, situation)
        if new not in {old, Carrier.NONE} or int(judged.situation_id, 16) != each.situation:
            one_by_one.add(each.situation)
        elif (pack, str(judged.verdict), new) == (each.pack, each.verdict, old):
            unchanged += 1
        else:
            judgements[pack, each.situation] = judgement_of(pack, judged, situation, recorded_at_ms)
            changes.append(
                Change(
                    pack=each.pack,
                    registry=each.registry,
                    situation=each.situation,
                    verdict_before=each.verdict,
                    since_us=era.since_us,
                    until_us=era.until_us,
                    new_pack=pack,
                    new_registry=era.decider.label,
                    verdict=str(judged.verdict),
                    keeps_consent=new is old,
                )
            )
    return RulesPlan(changes, sorted(one_by_one), list(judgements.values()), unchanged)


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
