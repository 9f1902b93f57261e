"""The rules of a simulated platform, and how they change meanwhile: a few packs and registry documents.

Each changes what the events of `tests.simulation.day` get, from one of its instants on, so that it reaches back behind
what was judged, or not.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cache
from typing import Any

from flowtrack.domain.registry import RegistryDocument
from flowtrack.policy.judge import Judge
from flowtrack.policy.pack import default_pack, load_pack
from flowtrack.policy.signing import digest_of
from flowtrack.policy.source import PackDocument, files_of_default_pack
from flowtrack.testing.broker import MemoryBroker, Place
from flowtrack.tracking.records import Record, Topic
from flowtrack.tracking.rollout import PackVersion
from flowtrack.tracking.rulebook import Rulebook
from tests.simulation.day import INSTANTS, REGISTRY, Arrival

CONTROL: tuple[Place, ...] = ((str(Topic.POLICIES), 0), (str(Topic.REGISTRY), 0))
"""The control topics; each has one partition."""
_NO_SHARING = """
@id("simulated-stop")
@clause("4.1")
@reason("no_own_consent")
forbid (principal, action == Action::"share", resource);
"""
_SERVICE = {"controller": "platform", "regions": ["KR"]}


@cache
def rulebook() -> Rulebook:
    """The rules where they never change: one table of judgements for all runs."""
    return Rulebook([default_pack()], [RegistryDocument.model_validate(REGISTRY)])


def first_rules() -> list[Arrival]:
    """What is in force from the beginning."""
    return [_pack("1", INSTANTS[0], ""), _document("1", {})]


def changes(chance: random.Random) -> list[Arrival]:
    """Changes of the rules, some of them taken back."""
    return [_change(chance) for _ in range(chance.randint(1, 4))]


def _change(chance: random.Random) -> Arrival:
    dice, version, since = chance.random(), str(chance.randint(2, 4)), chance.choice(INSTANTS)
    if dice < 0.2:
        return Arrival(Topic.REGISTRY, 0, f"simulated:{version}".encode(), None)
    if dice < 0.3:
        return Arrival(Topic.POLICIES, 0, f"default:{version}".encode(), None)
    if dice < 0.5:
        return _pack(version, chance.choice(INSTANTS[3:9:4]), _NO_SHARING if version == "2" else "")
    party = REGISTRY["parties"]["travelclub"]
    sections: list[dict[str, Any]] = [
        {"services": {**REGISTRY["services"], "nobody": {**_SERVICE, "since": since}}},
        {"parties": {"travelclub": {**party, "until": since}}},
        {"parties": {"travelclub": {**party, "since": since}}},
        {"services": {"shop": {**_SERVICE, "purposes": ["service", "recommendation"], "since": since}}},
        {"parties": {}},
    ]
    return _document(version, chance.choice(sections))


@cache
def _pack(version: str, since: str, added: str) -> Arrival:
    files = {path: text for path, text in files_of_default_pack().items() if not path.startswith("cases/")}
    known = default_pack()
    files["pack.yaml"] = files["pack.yaml"].replace(f'"{known.version}"', f'"{version}"')
    files["pack.yaml"] = files["pack.yaml"].replace('"2020-01-01T00:00:00Z"', f'"{since}"')
    files["policy/simulated.cedar"] = added
    document = PackDocument(name="default", version=version, effective_from=datetime.fromisoformat(since), files=files)
    digest = digest_of(document)
    _accepted[digest] = PackVersion(Judge(load_pack(files)), digest)
    return Arrival(Topic.POLICIES, 0, f"default:{version}".encode(), document.model_dump_json().encode())


_accepted: dict[bytes, PackVersion] = {}
"""Packs by digest, with what their judges remember: shared by all simulated checkers, as validating takes long."""


def _document(version: str, sections: Mapping[str, Any]) -> Arrival:
    document = RegistryDocument.model_validate({**REGISTRY, **sections, "name": "simulated", "version": version})
    value = document.model_dump_json(exclude_none=True, by_alias=True).encode()
    return Arrival(Topic.REGISTRY, 0, f"simulated:{version}".encode(), value)


class Following:
    """A checker's rulebook, and how far it has read the control topics.

    All of them are read before the first batch, as `ControlTopics.load` does.
    """

    def __init__(self, broker: MemoryBroker) -> None:
        self.rulebook = Rulebook(accepted=_accepted)
        self._broker = broker
        self._next = dict.fromkeys(CONTROL, 0)
        while self.hear(CONTROL):
            pass

    def hear(self, places: Iterable[Place]) -> bool:
        """Take the next record of the first of some control topics that has one; false where none has."""
        for place in places:
            found = self._broker.read(place, self._next[place], 1)
            if found:
                self._next[place] = found[0].offset + 1
                _take(self.rulebook, found[0])
                return True
        return False


def in_the_end(records: Iterable[Record]) -> Rulebook:
    """The rules once everything on the control topics is known."""
    rulebook = Rulebook(accepted=_accepted)
    for record in records:
        _take(rulebook, record)
    return rulebook


def _take(rulebook: Rulebook, record: Record) -> None:
    if record.topic == Topic.POLICIES:
        rulebook.take_policy(record)
    else:
        rulebook.take_registry(record)
