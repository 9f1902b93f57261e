"""The rules of a marker, had again by whoever judges anew.

A marker names what was in force when it was written (`Marker.rules`), each document by its digest.  A library has the
documents behind those names: from the control topics, read on as far as they go when something is missing, and from
the ledger, which keeps every version that compaction may have taken from the topics since.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from pydantic import ValidationError

from flowtrack.domain.decision import RuleUsed
from flowtrack.domain.registry import RegistryDocument
from flowtrack.errors import FlowtrackError, RuntimeStateError
from flowtrack.policy.decide import Decider
from flowtrack.policy.judge import Judge
from flowtrack.policy.pack import Pack, load_pack
from flowtrack.policy.signing import digest_of
from flowtrack.policy.source import PackDocument
from flowtrack.tracking.records import Record, Topic
from flowtrack.tracking.rollout import DIGEST_DIGITS, Published

EDITIONS_MAX = 16
"""Deciders kept ready; each remembers shapes and situations of its own."""

_Rule = tuple[str, str, str]
"""Kind, `name@version` and digest."""


class RuleShelf(Protocol):
    """Where documents are looked for that the control topics have no longer."""

    def bodies(self, kind: str, key: str) -> Iterable[bytes]:
        """Give every version of a document that was ever recorded under a key (`name:version`), the newest first."""
        ...


class RuleLibrary:
    """Packs and registry documents by what markers call them, and the deciders they make.

    Args:
        read_on: gives the records of the control topics that came since it was asked last.
        shelf: asked for what the topics have no longer.
        packs: known from the start.
        documents: likewise.
    """

    def __init__(
        self,
        read_on: Callable[[], Iterable[Record]] = tuple,
        shelf: RuleShelf | None = None,
        *,
        packs: Iterable[Pack] = (),
        documents: Iterable[RegistryDocument] = (),
    ) -> None:
        self._read_on = read_on
        self._shelf = shelf
        self._published: dict[_Rule, PackDocument] = {}
        self._judges: dict[_Rule, Judge] = {}
        self._documents: dict[_Rule, RegistryDocument] = {}
        self._deciders: dict[tuple[_Rule, ...], Decider] = {}
        for pack in packs:
            self._judges[_rule("policy", pack.name, pack.version, pack.label.encode())] = Judge(pack)
        for document in documents:
            self._put_document(document)

    def take(self, record: Record) -> None:
        """Take a record of a control topic; one that is no document, or takes one out of force, adds nothing."""
        if record.value is not None:
            self._take("policy" if record.topic == Topic.POLICIES else "registry", record.value)

    def decider(self, rules: Sequence[RuleUsed]) -> Decider:
        """What decides by these rules.

        Raises:
            RuntimeStateError: a document is neither on its topic nor in the ledger any more; nothing is judged
                without it.
        """
        named = tuple(_named(rule) for rule in rules)
        known = self._deciders.pop(named, None)
        if known is None:
            self._find([rule for rule in rules if not self._has(_named(rule))])
            known = Decider(
                [self._judge(each) for each in named if each[0] == "policy"],
                [self._documents[each] for each in named if each[0] == "registry"],
            )
        self._deciders[named] = known
        if len(self._deciders) > EDITIONS_MAX:
            del self._deciders[next(iter(self._deciders))]
        return known

    def pack(self, label: str) -> Pack | None:
        """The pack behind what decisions cite; None where none is known, or more than one."""
        found = {each for each in (*self._judges, *self._published) if each[:2] == ("policy", label)}
        return self._judge(found.pop()).pack if len(found) == 1 else None

    def documents(self, label: str) -> list[RegistryDocument] | None:
        """The registry documents behind what decisions cite (labels joined by `+`); None where one is in doubt."""
        documents = []
        for each in label.split("+") if label else ():
            found = [document for rule, document in self._documents.items() if rule[1] == each]
            if len(found) != 1:
                return None
            documents += found
        return documents

    def _has(self, rule: _Rule) -> bool:
        return rule in self._judges or rule in self._published or rule in self._documents

    def _judge(self, rule: _Rule) -> Judge:
        known = self._judges.get(rule)
        if known is None:
            # whole, as the digest says, and whoever wrote the marker has validated it
            known = self._judges[rule] = Judge(load_pack(self._published.pop(rule).files))
        return known

    def _find(self, missing: Sequence[RuleUsed]) -> None:
        if not missing:
            return
        for record in self._read_on():
            self.take(record)
        for rule in missing:
            if not self._has(_named(rule)) and self._shelf is not None:
                for body in self._shelf.bodies(rule.kind, f"{rule.name}:{rule.version}"):
                    self._take(rule.kind, body)
            if not self._has(_named(rule)):
                raise RuntimeStateError(
                    f"`{rule.name}@{rule.version}`, by which a marker was written, is nowhere any more",
                    where=f"{rule.kind} documents",
                    help="publish that very version again; the sink then goes on at the same marker",
                )

    def _take(self, kind: str, body: bytes) -> None:
        try:
            if kind == "registry":
                self._put_document(RegistryDocument.model_validate_json(body))
                return
            document = PackDocument.model_validate_json(body)
            rule = _rule("policy", document.name, document.version, digest_of(document))
        except (FlowtrackError, ValidationError):
            return  # the checker has refused it too, and said so: no marker names it
        if rule not in self._judges:
            self._published[rule] = document

    def _put_document(self, document: RegistryDocument) -> None:
        digest = Published.of(document).digest
        self._documents[_rule("registry", document.name, document.version, digest)] = document


def _rule(kind: str, name: str, version: str, digest: bytes) -> _Rule:
    return kind, f"{name}@{version}", digest.hex()[:DIGEST_DIGITS]


def _named(rule: RuleUsed) -> _Rule:
    return rule.kind, f"{rule.name}@{rule.version}", rule.digest
