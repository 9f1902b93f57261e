"""The packs and registry documents in force for a worker, as the control topics bring them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple

import structlog
from pydantic import ValidationError

from flowtrack.domain.instants import instant_us
from flowtrack.domain.registry import RegistryDocument, registry_of
from flowtrack.errors import FlowtrackError, PackError, RegistryError
from flowtrack.policy.decide import Decider
from flowtrack.policy.judge import Judge
from flowtrack.policy.pack import Pack
from flowtrack.policy.signing import CODE as BAD_SIGNATURE
from flowtrack.policy.signing import PublicKeys, digest_of
from flowtrack.policy.source import PackDocument
from flowtrack.policy.validate import accept_pack
from flowtrack.tracking.records import Record
from flowtrack.tracking.rollout import CHANGES_MAX, Cause, Change, Edition, PackVersion, Position, Published

REFUSED_MAX = 1_000
"""Refused records that are remembered; the topics' keys are whatever somebody wrote there."""
_KEY_CHARACTERS_MAX = 260
_REASONS_MAX = 5
_ACCEPTED_MAX = 1_000

_log = structlog.get_logger(__name__)


class Version(NamedTuple):
    """One version of a pack or of a registry document, for metrics and whoever asks."""

    kind: Cause
    name: str
    version: str
    state: Literal["in_force", "scheduled", "superseded", "refused"]
    """A superseded pack still decides what happened in its time; a superseded registry document decides nothing."""
    why: str
    """Why it was refused."""


class Step(NamedTuple):
    """A change with the editions before and after it."""

    change: Change
    before: Edition
    after: Edition


class Rulebook:
    """Holds what is valid; what is not valid never replaces it.

    A document or pack that cannot be taken is logged with its reasons and listed in `refused`.

    Args:
        packs: in force from the start.
        documents: likewise, registry documents.
        keys: with any, only packs that one of them signed are taken.
        accepted: packs that were validated already, by the digest of their documents; further ones are added.
    """

    def __init__(
        self,
        packs: Iterable[Pack] = (),
        documents: Iterable[RegistryDocument] = (),
        keys: PublicKeys | None = None,
        accepted: dict[bytes, PackVersion] | None = None,
    ) -> None:
        self._accepted = {} if accepted is None else accepted
        self._keys = keys or PublicKeys()
        self._edition = Edition(
            {f"{pack.name}:{pack.version}": PackVersion(Judge(pack), pack.label.encode()) for pack in packs},
            {f"{document.name}:{document.version}": Published.of(document) for document in documents},
        )
        self._first = self._edition
        """The edition before the first of `_changes`."""
        self._forgotten = 0
        """Changes before those."""
        self._changes: list[Change] = []
        self._next: dict[Cause, int] = {"policy": 0, "registry": 0}
        self.refused: dict[str, str] = {}
        """`policy` or `registry` and the key of each refused record, and why; replaced as a whole, never changed, so
        that other threads may read it."""

    # -- what is in force --------------------------------------------------------------------------------------

    @property
    def decider(self) -> Decider:
        """What decides by everything that is in force now."""
        return self._edition.decider

    @property
    def edition(self) -> Edition:
        """All of it, as a value that later changes leave as it is."""
        return self._edition

    @property
    def versions(self) -> dict[str, list[str]]:
        """Labels of the packs and registry documents that decide."""
        return {
            "packs": sorted(pack.judge.pack.label for pack in self._edition.packs.values()),
            "registry": sorted(f"{each.name}@{each.version}" for each in self._edition.in_force),
        }

    def readiness(self) -> str:
        """Why nothing should be judged yet; empty once there is a pack, even one whose time has not come.

        Without any pack, "no policy in force" would be said of every event because of haste: the policies topic is
        empty, or all it holds was refused.
        """
        if self._edition.packs:
            return ""
        refused = [why for key, why in self.refused.items() if key.startswith("policy ")]
        return f"no policy in force; refused: {refused[-1]}" if refused else "no policy in force: no pack is published"

    def listing(self, now_us: int) -> list[Version]:
        """Every version that is known, refused ones too; may be asked from another thread.

        Args:
            now_us: which packs have begun by then.
        """
        edition, refused = self._edition, self.refused
        packs = [pack.judge.pack for pack in edition.packs.values()]
        begun = [(instant_us(pack.effective_from), number, pack) for number, pack in enumerate(packs)]
        latest = max((each for each in begun if each[0] <= now_us), default=None, key=lambda each: each[:2])
        found = []
        for since_us, number, pack in begun:
            state: Literal["in_force", "scheduled", "superseded"] = "scheduled"
            if since_us <= now_us:
                state = "in_force" if latest is not None and number == latest[1] else "superseded"
            found.append(Version("policy", pack.name, pack.version, state, ""))
        counting = {id(document) for document in edition.in_force}
        for document, _ in edition.documents.values():
            state = "in_force" if id(document) in counting else "superseded"
            found.append(Version("registry", document.name, document.version, state, ""))
        for key, why in refused.items():
            kind, _, said = key.partition(" ")
            name, _, version = said.rpartition(":")
            cause: Cause = "policy" if kind == "policy" else "registry"
            found.append(Version(cause, name, version, "refused", why))
        return found

    # -- how it came to be -------------------------------------------------------------------------------------

    @property
    def changes_count(self) -> int:
        """How many changes there were in all."""
        return self._forgotten + len(self._changes)

    @property
    def position(self) -> Position:
        """Up to where the control topics have been read."""
        return Position(self._next["policy"], self._next["registry"], self._edition.fingerprint)

    def steps_since(self, count: int) -> list[Step] | None:
        """The changes after the first `count`; None where they are no longer known one by one."""
        if count < self._forgotten:
            return None
        known = count - self._forgotten
        edition = self._first
        for change in self._changes[:known]:
            edition = edition.after(change)
        return self._steps(edition, self._changes[known:])

    def steps_from(self, position: Position) -> list[Step] | None:
        """The changes after a position, which another worker may have noted.

        None where the edition of then cannot be told: its records have been compacted away, say.
        """
        edition = self._first
        missing = []
        for change in self._changes:
            if position.holds(change):
                edition = edition.after(change)
            else:
                missing.append(change)
        if edition.fingerprint != position.fingerprint:
            return None
        return self._steps(edition, missing)

    def _steps(self, edition: Edition, changes: list[Change]) -> list[Step]:
        steps = []
        for change in changes:
            # the last one leads to the edition in force, whose decider is made already
            after = self._edition if change is changes[-1] else edition.after(change)
            steps.append(Step(change, edition, after))
            edition = after
        return steps

    # -- records of the control topics -------------------------------------------------------------------------

    def take_policy(self, record: Record) -> None:
        """A record of the policies topic: a pack under `name:version`; a tombstone takes it out of force.

        Where packs are signed a tombstone, which cannot be, does nothing.
        """
        self._take(record, "policy", self._pack_of)

    def take_registry(self, record: Record) -> None:
        """A record of the registry topic: a document under `name:version`; the last version of a name counts.

        A tombstone takes its own version out: the one that came before it holds again, as it would for a worker
        that reads the compacted topic anew.
        """
        self._take(record, "registry", _document_of)

    def _take(
        self, record: Record, cause: Cause, read: Callable[[str, bytes | None], PackVersion | Published | None]
    ) -> None:
        key = (record.key or b"").decode(errors="replace")[:_KEY_CHARACTERS_MAX]
        try:
            _check_partition(record)
            self._next[cause] = record.offset + 1
            self._apply(Change(cause, record.offset, key, read(key, record.value)))
        except (FlowtrackError, ValidationError) as error:
            # a bad record of a control topic costs nobody else anything: what was in force stays so
            why = _reasons(error)
            self._refuse(f"{cause} {key}", why)
            _log.error("refused", topic=record.topic, offset=record.offset, key=key, why=why)
        else:
            self._refuse(f"{cause} {key}", "")
            _log.info("in force", topic=record.topic, key=key, **self.versions)

    def _apply(self, change: Change) -> None:
        self._changes.append(change)
        self._edition = self._edition.after(change)
        if len(self._changes) > CHANGES_MAX:
            for forgotten in self._changes[: CHANGES_MAX // 2]:
                self._first = self._first.after(forgotten)
            del self._changes[: CHANGES_MAX // 2]
            self._forgotten += CHANGES_MAX // 2

    def _refuse(self, key: str, why: str) -> None:
        refused = {known: reason for known, reason in self.refused.items() if known != key}
        if why:
            refused[key] = why
        self.refused = dict(list(refused.items())[-REFUSED_MAX:])

    def _pack_of(self, key: str, value: bytes | None) -> PackVersion | None:
        if value is None:
            if self._keys:
                raise PackError(
                    f"{BAD_SIGNATURE}: nobody signs a tombstone",
                    where="policies topic",
                    help="publish a version that takes the place of this one",
                )
            return None
        document = PackDocument.model_validate_json(value)
        self._keys.verify(document)
        digest = digest_of(document)
        known = self._accepted.get(digest)
        if known is None:
            known = PackVersion(Judge(accept_pack(document.files)), digest)
        _check_head(key, document, known.judge.pack)
        if len(self._accepted) >= _ACCEPTED_MAX:
            self._accepted.clear()
        self._accepted[digest] = known  # and with it what its judge remembers
        return known


def _check_partition(record: Record) -> None:
    if record.partition:
        raise FlowtrackError(
            "only partition 0 of a control topic counts: what came last has to be told",
            where=f"{record.topic}/{record.partition}",
            help="publish there, as `flowtrack policy publish` and `flowtrack registry publish` do",
        )


def _check_head(key: str, document: PackDocument, pack: Pack) -> None:
    if (pack.name, pack.version) != (document.name, document.version):
        raise PackError(
            f"pack.yaml says `{pack.label}`, its document `{document.name}@{document.version}`",
            where="policies topic",
            help="publish it with `flowtrack policy publish`",
        )
    if key != f"{pack.name}:{pack.version}":
        raise PackError(
            f"the key is not that of `{pack.label}`", where="policies topic", help="key packs as `name:version`"
        )
    if pack.effective_from != document.effective_from:
        raise PackError(
            f"pack.yaml and the document of `{pack.label}` hold from different instants",
            where="policies topic",
            help="publish it with `flowtrack policy publish`",
        )


def _document_of(key: str, value: bytes | None) -> Published | None:
    if value is None:
        return None
    document = RegistryDocument.model_validate_json(value)
    if f"{document.name}:{document.version}" != key:
        raise RegistryError(
            f"the key is not that of `{document.name}@{document.version}`",
            where="registry topic",
            help="key registry documents as `name:version`",
        )
    # merged now, so that an entry that contradicts itself is refused before it is in force
    registry_of([document])
    return Published.of(document)


def _reasons(error: FlowtrackError | ValidationError) -> str:
    if isinstance(error, PackError) and error.problems:
        return "; ".join(str(problem) for problem in error.problems[:_REASONS_MAX])
    if isinstance(error, ValidationError):
        faults = error.errors(include_input=False, include_url=False)
        return "; ".join(
            f"`{'.'.join(map(str, fault['loc']))}`: {fault['msg'].lower()}" for fault in faults[:_REASONS_MAX]
        )
    return str(error)
