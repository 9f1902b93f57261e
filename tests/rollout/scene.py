"""Small packs, registries and events for the tests of roll-outs, and a checker fed by hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

import msgspec

from flowtrack.domain.registry import RegistryDocument
from flowtrack.policy.pack import Pack, default_pack
from flowtrack.policy.source import PackDocument, files_of_default_pack
from flowtrack.tracking.check import Checker
from flowtrack.tracking.records import Output, Record, Topic
from flowtrack.wire.decisions import Tracked, decode_tracked

START = datetime(2026, 3, 1, tzinfo=UTC)
SUBJECT = "00000000" + "5eed" * 6
_json = msgspec.json.Encoder().encode


def day(number: float) -> datetime:
    """So many days after the start."""
    return START + timedelta(days=number)


@cache
def pack_of(version: str, since: str = "2020-01-01T00:00:00Z") -> Pack:
    """The default pack under another version and instant."""
    from flowtrack.policy.pack import load_pack

    return load_pack(files_of(version, since))


def files_of(version: str, since: str = "2020-01-01T00:00:00Z") -> dict[str, str]:
    """The default pack's files under another version and instant, without its cases: those take a second."""
    files = {path: text for path, text in files_of_default_pack().items() if not path.startswith("cases/")}
    known = default_pack()
    files["pack.yaml"] = files["pack.yaml"].replace(f'"{known.version}"', f'"{version}"')
    files["pack.yaml"] = files["pack.yaml"].replace('"2020-01-01T00:00:00Z"', f'"{since}"')
    return files


def pack_document(version: str, since: str = "2020-01-01T00:00:00Z") -> PackDocument:
    """The same as it is published."""
    files = files_of(version, since)
    return PackDocument(name="default", version=version, effective_from=datetime.fromisoformat(since), files=files)


def policy_record(document: PackDocument | None, offset: int, key: str = "") -> Record:
    """A record of the policies topic."""
    value = None if document is None else document.model_dump_json().encode()
    key = key or (f"{document.name}:{document.version}" if document is not None else "")
    return Record(Topic.POLICIES, 0, offset, 0, key.encode(), value)


def registry_record(document: RegistryDocument | None, offset: int, key: str = "") -> Record:
    """A record of the registry topic."""
    value = None if document is None else document.model_dump_json(exclude_none=True).encode()
    key = key or (f"{document.name}:{document.version}" if document is not None else "")
    return Record(Topic.REGISTRY, 0, offset, 0, key.encode(), value)


def registry(version: str = "1", name: str = "registry", **sections: Mapping[str, Any]) -> RegistryDocument:
    """A registry document."""
    return RegistryDocument.model_validate({"name": name, "version": version, **sections})


def event_message(kind: str, service: str, at: datetime, data: Mapping[str, Any], number: int = 0) -> bytes:
    """An event as a service publishes it."""
    return _json(
        {
            "specversion": "1.0",
            "id": f"e-{number}-{at.timestamp()}",
            "source": f"/services/{service}",
            "type": f"flowtrack.{kind}.v1",
            "subject": SUBJECT,
            "time": at.isoformat(),
            "data": data,
        }
    )


USE = {"categories": ["provided.name"], "purpose": "personalisation"}
SHARE = {
    "categories": ["provided.name"],
    "purpose": "service.improve",
    "recipient": "club",
    "destination": "KR",
    "basis": "consent",
    "channel": {"encrypted": True, "protocol": "TLS 1.3"},
}


class Feed(NamedTuple):
    """A checker of one partition that is fed batch by batch."""

    checker: Checker

    def batch(self, messages: Iterable[bytes], first: int = 0, *, close: bool = True) -> list[Tracked]:
        """Judge a batch of events and give what was put on the partition of decisions."""
        records = [
            Record(Topic.EVENTS, 0, offset, int(day(100).timestamp() * 1000), SUBJECT.encode(), message)
            for offset, message in enumerate(messages, first)
        ]
        outputs = self.checker.process(records)
        if close:
            self.checker.committed()
        return tracked(outputs)


def tracked(outputs: Iterable[Output]) -> list[Tracked]:
    """What is on decisions/p, read."""
    return [decode_tracked(each.value or b"") for each in outputs if each.topic == Topic.DECISIONS]
