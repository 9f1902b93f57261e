"""What an operator or a service's developer does from the command line: topics, pseudonyms, publishing a file."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from flowtrack.apps.directory import DataDirectory
from flowtrack.apps.documents import publish
from flowtrack.apps.settings import read
from flowtrack.errors import ConfigurationError, ContractError
from flowtrack.tracking.records import Output, Topic

if TYPE_CHECKING:
    from flowtrack.adapters.kafka.settings import KafkaSettings


def create_topics(*, as_json: bool) -> None:
    """Create the topics that are missing, and say which those were."""
    from flowtrack.adapters.kafka.settings import KafkaSettings
    from flowtrack.adapters.kafka.topics import create_topics as create

    created = create(read(KafkaSettings))
    if as_json:
        sys.stdout.write(json.dumps({"created": created}) + "\n")
    else:
        sys.stdout.write("".join(f"created {name}\n" for name in created) or "every topic exists\n")


def acknowledge_topics(group: str, *, as_json: bool) -> None:
    """Write a group's offsets anew for the topics as they are now, and say where it goes on.

    Raises:
        ConfigurationError: no worker has such a group.
        BrokerError: the broker refuses, e.g. since workers of the group still run.
    """
    from flowtrack.adapters.kafka.acknowledge import acknowledge
    from flowtrack.adapters.kafka.settings import KafkaSettings
    from flowtrack.apps.progress import STAGES

    topics = {stage.group: stage.topics for stage in STAGES.values()}
    if group not in topics:
        raise ConfigurationError(f"`{group}` is no group of a worker", help=f"name one of {', '.join(sorted(topics))}")
    found = acknowledge(read(KafkaSettings), group, topics[group])
    if as_json:
        sys.stdout.write(json.dumps({"acknowledged": [each._asdict() for each in found]}) + "\n")
        return
    for each in found:
        sys.stdout.write(f"{each.topic}/{each.partition}: goes on at {each.offset}, {each.reason}\n")


def pseudonym_of(identifier: bytes, key_file: Path) -> str:
    """Give the pseudonym of an identifier as the SDK would; a newline at its end is no part of it.

    Raises:
        ConfigurationError: the key cannot be read, or there is no identifier.
    """
    from flowtrack.sdk.pseudonym import PseudonymKey

    identifier = identifier.rstrip(b"\r\n")
    if not identifier:
        raise ConfigurationError("no identifier on standard input", help="pipe one in: flowtrack pseudonym … < FILE")
    return PseudonymKey.read(key_file).pseudonym(identifier)


def emit_file(file: Path, data_dir: Path, *, as_json: bool) -> None:
    """Publish a file of CloudEvents, consent records among them, in their order.

    Raises:
        ContractError: a line is no event; nothing is published then.
        DeliveryError: not everything was taken.
    """
    from flowtrack.adapters.kafka.lag import LogOffsets
    from flowtrack.adapters.kafka.settings import KafkaSettings

    running = DataDirectory(data_dir).running()
    kafka = (
        read(KafkaSettings)
        if running is None
        else KafkaSettings(bootstrap_servers=running.broker, embedded=True, epoch=running.epoch)
    )
    records = list(_records(file, len(LogOffsets(kafka).partitions(Topic.EVENTS))))
    count = 0
    for topic in (Topic.CONSENTS, Topic.EVENTS):  # an event is published after the consent that it rests on is safe
        count += publish(kafka, (record for record in records if record.topic == topic), room=_room(kafka, topic))
    if as_json:
        sys.stdout.write(json.dumps({"published": count}) + "\n")
    else:
        sys.stdout.write(f"{count} published\n")


def _room(kafka: KafkaSettings, topic: Topic) -> Callable[[Output], object]:
    """Hold back what would push records out of the embedded broker before they are judged."""
    if not kafka.embedded:
        return lambda _: None
    from flowtrack.adapters.kafka.window import Window
    from flowtrack.apps.progress import STAGES
    from flowtrack.apps.worker import WorkerKind

    window = Window(kafka, topic, (STAGES[WorkerKind.CHECKER].group,))
    return lambda record: window.wait(record.partition, len(record.key or b"") + len(record.value or b""))


def _records(file: Path, partitions: int) -> Iterator[Output]:
    from flowtrack.wire.keys import consent_key
    from flowtrack.wire.partition import partition_of

    for number, line in enumerate(_lines(file), start=1):
        where = f"{file}:{number}"
        try:
            document = json.loads(line)
            subject, kind = document["subject"], document["type"]
            partition = partition_of(subject, partitions)
            if kind.startswith("flowtrack.consent."):
                key = consent_key(subject, document["data"]["record"], document["id"])
                yield Output(Topic.CONSENTS, partition, key.encode(), line)
            else:
                yield Output(Topic.EVENTS, partition, subject.encode(), line)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ContractError(
                "not_cloudevent",
                "not a CloudEvent with type, id and a pseudonym as subject",
                where=where,
                help="hold the file against schemas/: `flowtrack check FILE` names the field",
            ) from error


def _lines(file: Path) -> Iterable[bytes]:
    try:
        return [line for line in file.read_bytes().splitlines() if line.strip()]
    except OSError as error:
        raise ConfigurationError(f"cannot read `{file}`: {error.strerror}", help="name a file of JSON lines") from error
