"""The AsyncAPI 3.0 document: which topic carries which contract, under which key."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from flowtrack.wire.cloudevents import STRUCTURED

_JSON: Final = "application/json"


class _Channel(NamedTuple):
    """A topic, as the table of topics in docs/ has it."""

    summary: str
    key: str
    cleanup: str
    schemas: tuple[str, ...]
    content_type: str


CHANNELS: Final[dict[str, _Channel]] = {
    "events": _Channel("What services did with personal data", "subject", "delete", ("event.",), STRUCTURED),
    "consents": _Channel(
        "What subjects agreed to", "subject:record:event id", "compact", ("consent.v1.json",), STRUCTURED
    ),
    "policies": _Channel(
        "Policy packs, signed; a tombstone takes one out of force", "name:version", "compact", ("pack.json",), _JSON
    ),
    "registry": _Channel(
        "Services, parties, agreements and orders", "name:version", "compact", ("registry.json",), _JSON
    ),
    "decisions": _Channel(
        "A decision for each event, and what the ledger needs beside, in one order",
        "subject",
        "delete",
        ("decision.json", "situation.json", "consent-copy.json", "marker.json"),
        _JSON,
    ),
    "findings": _Channel("What the alerter must know", "subject", "delete", ("finding.json",), _JSON),
    "amendments": _Channel("What judging anew changed", "subject", "delete", ("amendment.json",), _JSON),
    "alerts": _Channel("Open and resolved alerts", "alert identity", "compact", ("alert.json",), _JSON),
    "deadletters": _Channel(
        "Messages that could not be taken, without what they held",
        "source partition",
        "delete",
        ("dead-letter.json",),
        _JSON,
    ),
}
"""Topic, without its prefix, to what it carries; the file names of schemas are given in full or by how they begin."""


def document(files: Iterable[str]) -> dict[str, Any]:
    """The AsyncAPI document over the schema files named."""
    known = sorted(files)
    return {
        "asyncapi": "3.0.0",
        "id": "urn:flowtrack:asyncapi",
        "info": {
            "title": "Flowtrack",
            "version": "1.0.0",
            "license": {"name": "Apache-2.0"},
            "description": "Where personal data went, whether each step was allowed, and by which clause.",
        },
        "defaultContentType": _JSON,
        "channels": {topic: _channel(topic, channel, known) for topic, channel in CHANNELS.items()},
        "operations": {
            f"receive-{topic}": {"action": "receive", "channel": {"$ref": f"#/channels/{topic}"}} for topic in CHANNELS
        },
    }


def _channel(topic: str, channel: _Channel, files: list[str]) -> dict[str, Any]:
    return {
        "address": f"flowtrack.{topic}",
        "summary": channel.summary,
        "bindings": {"kafka": {"topicConfiguration": {"cleanup.policy": [channel.cleanup]}}},
        "messages": {
            file.removesuffix(".json"): _message(channel, file) for file in files if file.startswith(channel.schemas)
        },
    }


def _message(channel: _Channel, file: str) -> dict[str, Any]:
    return {
        "name": file.removesuffix(".json"),
        "contentType": channel.content_type,
        "bindings": {"kafka": {"key": {"type": "string", "description": channel.key}}},
        "payload": {"schemaFormat": "application/schema+json;version=draft-2020-12", "schema": {"$ref": f"./{file}"}},
    }
