"""The packs and registry documents in force for a worker, as the control topics bring them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import structlog
from pydantic import ValidationError

from flowtrack.domain.registry import RegistryDocument, registry_of
from flowtrack.errors import FlowtrackError, PackError, RegistryError
from flowtrack.policy.decide import Decider
from flowtrack.policy.judge import Judge
from flowtrack.policy.pack import Pack
from flowtrack.policy.source import PackDocument
from flowtrack.policy.validate import accept_pack
from flowtrack.tracking.records import Record

_log = structlog.get_logger(__name__)


class Rulebook:
    """Holds what is valid; what is not valid never replaces it.

    A document or pack that cannot be taken is logged with its reasons and listed in `refused`.
    """

    def __init__(self, packs: Iterable[Pack] = (), documents: Iterable[RegistryDocument] = ()) -> None:
        self._judges: dict[str, Judge] = {pack.label: Judge(pack) for pack in packs}
        self._documents: dict[str, RegistryDocument] = {_key_of(document): document for document in documents}
        """Every version that was taken, in the order of its last arrival; the last one of a name is in force."""
        self._decider: Decider | None = None
        self.refused: dict[str, str] = {}
        """Key of each refused record, and why."""

    @property
    def decider(self) -> Decider:
        """What decides by everything that is in force now."""
        if self._decider is None:
            self._decider = Decider(self._judges.values(), self._in_force.values())
        return self._decider

    @property
    def versions(self) -> dict[str, list[str]]:
        """Labels of the packs and registry documents in force."""
        return {
            "packs": sorted(self._judges),
            "registry": sorted(f"{each.name}@{each.version}" for each in self._in_force.values()),
        }

    @property
    def _in_force(self) -> dict[str, RegistryDocument]:
        return _last_of_each_name(self._documents.values())

    def take_policy(self, record: Record) -> None:
        """A record of the policies topic: a pack under `name:version`; a tombstone takes it out of force."""
        self._take(record, self._take_policy)

    def take_registry(self, record: Record) -> None:
        """A record of the registry topic: a document under `name:version`; the last version of a name counts.

        A tombstone takes its own version out: the one that came before it holds again, as it would for a worker
        that reads the compacted topic anew.
        """
        self._take(record, self._take_registry)

    def _take(self, record: Record, take: Callable[[str, bytes | None], None]) -> None:
        key = (record.key or b"").decode(errors="replace")
        try:
            take(key, record.value)
        except (FlowtrackError, ValidationError) as error:
            # a bad record of a control topic costs nobody else anything: what was in force stays so
            why = _reasons(error)
            self.refused[key] = why
            _log.error("refused", topic=record.topic, offset=record.offset, key=key, why=why)
        else:
            self.refused.pop(key, None)
            self._decider = None
            _log.info("in force", topic=record.topic, key=key, **self.versions)

    def _take_policy(self, key: str, value: bytes | None) -> None:
        if value is None:
            name, _, version = key.rpartition(":")
            self._judges.pop(f"{name}@{version}", None)
            return
        document = PackDocument.model_validate_json(value)
        pack = accept_pack(document.files)
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
        self._judges.pop(pack.label, None)
        self._judges[pack.label] = Judge(pack)

    def _take_registry(self, key: str, value: bytes | None) -> None:
        kept = {each: document for each, document in self._documents.items() if each != key}
        if value is not None:
            document = RegistryDocument.model_validate_json(value)
            if _key_of(document) != key:
                raise RegistryError(
                    f"the key is not that of `{document.name}@{document.version}`",
                    where="registry topic",
                    help="key registry documents as `name:version`",
                )
            # merged now, so that an entry that contradicts itself is refused before it is in force
            registry_of([document])
            kept[key] = document
        self._documents = kept


def _key_of(document: RegistryDocument) -> str:
    return f"{document.name}:{document.version}"


def _last_of_each_name(documents: Iterable[RegistryDocument]) -> dict[str, RegistryDocument]:
    """The document in force of each name, in the order of arrival: a later one replaces an earlier one id by id."""
    found: dict[str, RegistryDocument] = {}
    for document in documents:
        found.pop(document.name, None)
        found[document.name] = document
    return found


def _reasons(error: FlowtrackError | ValidationError) -> str:
    if isinstance(error, PackError) and error.problems:
        return "; ".join(str(problem) for problem in error.problems[:5])
    if isinstance(error, ValidationError):
        faults = error.errors(include_input=False, include_url=False)
        return "; ".join(f"`{'.'.join(map(str, fault['loc']))}`: {fault['msg'].lower()}" for fault in faults[:5])
    return str(error)
