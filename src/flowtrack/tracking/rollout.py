"""Editions of the rules: everything that decides at one point of the control topics, and how one became the next.

A change of rules has a place in the order of every partition: what was judged before it was judged by the edition
before.  So editions are values, each change makes a new one, and a partition remembers by which it was judged last,
also beyond the life of a worker, as a `Position` in the metadata of its commits (DESIGN 4).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from typing import Literal, NamedTuple

from flowtrack.domain.decision import RuleUsed
from flowtrack.domain.instants import BEGINNING_US, instant_us
from flowtrack.domain.registry import RegistryDocument
from flowtrack.policy.decide import Decider
from flowtrack.policy.judge import Judge

Cause = Literal["policy", "registry"]
CHANGES_MAX = 2_000
"""Changes remembered one by one; a partition that was judged by an older edition is judged anew as a whole."""


DIGEST_DIGITS = 32
"""Hex digits of a document's digest that a marker names: 128 bits."""


class PackVersion(NamedTuple):
    """A pack that was taken, and the digest of its document."""

    judge: Judge
    digest: bytes


class Published(NamedTuple):
    """A registry document that was taken, and its digest."""

    document: RegistryDocument
    digest: bytes

    @classmethod
    def of(cls, document: RegistryDocument) -> Published:
        """Give a document with its digest."""
        return cls(document, blake2b(document.model_dump_json().encode(), digest_size=16).digest())


class Change(NamedTuple):
    """A record of a control topic that was taken: a new version, or one that is out of force (None)."""

    cause: Cause
    offset: int
    key: str
    """`name:version`."""
    value: PackVersion | Published | None

    @property
    def label(self) -> str:
        """`name@version`."""
        name, _, version = self.key.rpartition(":")
        return f"{name}@{version}"


@dataclass(frozen=True)
class Edition:
    """What decides: every version of the packs, and of each registry document the one that arrived last."""

    packs: Mapping[str, PackVersion] = field(default_factory=dict)
    """By key, in the order of their last arrival."""
    documents: Mapping[str, Published] = field(default_factory=dict)
    """By key, every version that was taken, in the order of its last arrival."""

    def after(self, change: Change) -> Edition:
        """The edition that a change makes of this one."""
        value = change.value
        if change.cause == "policy":
            packs = {key: pack for key, pack in self.packs.items() if key != change.key}
            if isinstance(value, PackVersion):
                packs[change.key] = value
            return Edition(packs, self.documents)
        documents = {key: document for key, document in self.documents.items() if key != change.key}
        if isinstance(value, Published):
            documents[change.key] = value
        return Edition(self.packs, documents)

    @cached_property
    def in_force(self) -> tuple[RegistryDocument, ...]:
        """The registry documents that count: the last version of each name, in the order of arrival."""
        found: dict[str, RegistryDocument] = {}
        for document, _ in self.documents.values():
            found.pop(document.name, None)
            found[document.name] = document
        return tuple(found.values())

    @cached_property
    def decider(self) -> Decider:
        """What decides by this edition."""
        return Decider([pack.judge for pack in self.packs.values()], self.in_force)

    @cached_property
    def rules(self) -> list[RuleUsed]:
        """Everything that decides, named so that who has the documents can judge by this edition again."""
        packs = [_used("policy", key, each.digest) for key, each in self.packs.items()]
        counting = {id(document) for document in self.in_force}
        documents = [
            _used("registry", key, each.digest) for key, each in self.documents.items() if id(each.document) in counting
        ]
        return [*packs, *documents]

    def rules_since(self, instant: int) -> list[RuleUsed]:
        """Those that decide about what happened at or after an instant (microseconds): older packs are left out."""
        starts = {key: instant_us(each.judge.pack.effective_from) for key, each in self.packs.items()}
        first = max((start for start in starts.values() if start <= instant), default=BEGINNING_US)
        needless = {key for key, start in starts.items() if start < first}
        return [rule for rule in self.rules if rule.kind == "registry" or f"{rule.name}:{rule.version}" not in needless]

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits that tell one edition from another, whoever read it from the topics."""
        hashed = blake2b(digest_size=8)
        for part in (self.packs, self.documents):
            for key, each in part.items():
                hashed.update(f"{len(key)}:{key}".encode() + each.digest)
            hashed.update(b"/")
        return hashed.hexdigest()


def _used(kind: Cause, key: str, digest: bytes) -> RuleUsed:
    name, _, version = key.rpartition(":")
    return RuleUsed(kind=kind, name=name, version=version, digest=digest.hex()[:DIGEST_DIGITS])


class Position(NamedTuple):
    """Up to where the control topics have been applied, and the edition that this made."""

    policies: int
    """The next offset of the policies topic."""
    registry: int
    fingerprint: str

    def holds(self, change: Change) -> bool:
        """Whether a change was applied by then."""
        return change.offset < (self.policies if change.cause == "policy" else self.registry)
