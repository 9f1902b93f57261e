"""Policy history: packs and registries over time, from when each was known and in force, and what changed in it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from itertools import pairwise
from typing import ClassVar, Final, Literal, NamedTuple

from pydantic import AwareDatetime, ValidationError

from flowtrack.audit.family import About, Answer, Question
from flowtrack.domain.model import Contract, Name
from flowtrack.domain.registry import RegistryDocument
from flowtrack.errors import FlowtrackError
from flowtrack.policy.pack import load_pack
from flowtrack.policy.source import PackDocument

_SECTIONS: Final = {
    "service": "services",
    "party": "parties",
    "order": "orders",
    "staff agreement": "staff_agreements",
    "session": "sessions",
}
_READ = 32
"""Documents that are kept as they were read: packs take a while."""
_EDGE: Final = object()

Parts = Mapping[tuple[str, str], str]
"""What a document holds, by what it is and its name."""


class Change(Contract):
    """What a version has otherwise than the one before it."""

    what: str
    """`rule`, `clause`, `service`, `party`, `order`, `staff agreement` or `session`."""
    name: str
    how: Literal["added", "removed", "changed"]


class PolicyVersion(Contract):
    """One version of a pack or a registry document."""

    kind: str
    """`policy` or `registry`."""
    document: str
    version: str
    in_force_from: AwareDatetime
    in_force_until: AwareDatetime | None
    """When the next version took over; None where none has, and where this one is not valid any more."""
    recorded_at: AwareDatetime
    """Since when it is known."""
    recorded_until: AwareDatetime | None
    """When it was published anew under its version, or removed; None where it still stands."""
    removed: bool
    sha256: str
    """Of the document as it was published."""
    before: str
    """The version that it is compared with; empty for the first."""
    readable: bool
    """Whether it, and the one before it, can be read: else nothing is said of changes."""
    changes: list[Change]


class PolicyHistoryAnswer(Answer):
    """Versions by document, in the order in which they take effect."""

    rows: list[PolicyVersion]


class PolicyHistory(Question[PolicyHistoryAnswer]):
    """Which rules and registries were in force when, and what did each version change?"""

    family: ClassVar[str] = "policy-history"
    answer: ClassVar[type[Answer]] = PolicyHistoryAnswer

    document_kind: Literal["policy", "registry"] | None = None
    document: Name | None = None
    """Only this pack or registry document."""


class Published(NamedTuple):
    """A record of a pack or registry document."""

    kind: str
    name: str
    """Its key: name and version."""
    valid_from: datetime
    recorded_at: datetime
    removed: bool
    sha256: str
    body: str

    @property
    def document(self) -> str:
        """Its name without its version."""
        return self.name.rpartition(":")[0] or self.name


def history_of(question: PolicyHistory, about: About, published: Iterable[Published]) -> PolicyHistoryAnswer:
    """Put records in order, and say what each changed.

    Args:
        question: with its times pinned.
        about: of the answer.
        published: every record that was known.
    """
    by_document: dict[tuple[str, str], list[Published]] = defaultdict(list)
    for each in published:
        if question.document_kind in {None, each.kind} and question.document in {None, each.document}:
            by_document[each.kind, each.document].append(each)
    rows = [row for _, records in sorted(by_document.items()) for row in _versions(records)]
    return PolicyHistoryAnswer(about=about, rows=[row for row in rows if _asked_for(question, row)])


def _versions(records: list[Published]) -> list[PolicyVersion]:
    """The versions of one document."""
    ended: dict[Published, Published] = {}
    by_key: dict[str, list[Published]] = defaultdict(list)
    for each in sorted(records, key=lambda record: (record.recorded_at, record.sha256)):
        by_key[each.name].append(each)
    for same in by_key.values():
        ended.update(pairwise(same))
    ordered = sorted(
        (each for each in records if not each.removed),
        key=lambda record: (record.valid_from, record.recorded_at, record.name, record.sha256),
    )
    standing = [each for each in ordered if each not in ended]
    follows = dict(pairwise(standing))
    before = dict(zip(ordered[1:], ordered, strict=False))
    return [_version(each, before.get(each), ended.get(each), follows.get(each)) for each in ordered]


def _version(
    record: Published, before: Published | None, ended: Published | None, follows: Published | None
) -> PolicyVersion:
    readable, changes = (True, []) if before is None else _compared(before, record)
    return PolicyVersion(
        kind=record.kind,
        document=record.document,
        version=record.name.rpartition(":")[2],
        in_force_from=record.valid_from,
        in_force_until=None if follows is None else follows.valid_from,
        recorded_at=record.recorded_at,
        recorded_until=None if ended is None else ended.recorded_at,
        removed=ended is not None and ended.removed,
        sha256=record.sha256,
        before="" if before is None else before.name.rpartition(":")[2],
        readable=readable,
        changes=changes,
    )


def _asked_for(question: PolicyHistory, row: PolicyVersion) -> bool:
    """Whether it was in force in the period, as of the instant."""
    ends = [moment for moment in (question.until,) if moment is not None]
    return (
        (question.as_of is None or row.in_force_from <= question.as_of)
        and all(row.in_force_from < moment for moment in ends)
        and (question.since is None or row.in_force_until is None or row.in_force_until > question.since)
    )


def _compared(before: Published, after: Published) -> tuple[bool, list[Change]]:
    old, new = _parts_of(before.kind, before.body), _parts_of(after.kind, after.body)
    if old is None or new is None:
        return False, []
    changes = [
        Change(what=what, name=name, how="added" if key not in old else "removed" if key not in new else "changed")
        for key in sorted({*old, *new})
        if old.get(key, _EDGE) != new.get(key, _EDGE)
        for what, name in [key]
    ]
    return True, changes


@lru_cache(maxsize=_READ)
def _parts_of(kind: str, body: str) -> Parts | None:
    """What a document holds; None where it cannot be read."""
    try:
        return _parts_of_pack(body) if kind == "policy" else _parts_of_registry(body)
    except (FlowtrackError, ValidationError):
        return None  # the checkers have refused it, so it has judged nothing; that it was published is still told


def _parts_of_pack(body: str) -> Parts:
    pack = load_pack(PackDocument.model_validate_json(body).files)
    return {
        **{("rule", rule.id): rule.text for rule in pack.rules},
        **{("clause", name): clause.model_dump_json() for name, clause in pack.clauses.items()},
    }


def _parts_of_registry(body: str) -> Parts:
    document = RegistryDocument.model_validate_json(body)
    return {
        (what, name): repr(entry)
        for what, section in _SECTIONS.items()
        for name, entry in (getattr(document, section) or {}).items()
    }
