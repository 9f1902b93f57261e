"""Documents of the control topics: registries and packs, read from files and published under `name:version`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from flowtrack.errors import DeliveryError, PackError, RegistryError
from flowtrack.tracking.records import Output, Topic

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from flowtrack.adapters.kafka.settings import KafkaSettings
    from flowtrack.policy.signing import PublicKeys
    from flowtrack.policy.source import PackDocument

_FLUSH_S = 30.0


class Document(NamedTuple):
    """A document as it stands on its topic."""

    topic: str
    key: str
    value: bytes

    def output(self) -> Output:
        """Give it as a record; control topics have one partition that counts."""
        return Output(self.topic, 0, self.key.encode(), self.value)


def registry_document(path: Path) -> Document:
    """Read a registry from a YAML or JSON file.

    Raises:
        RegistryError: the file cannot be read, or is no registry.
    """
    import yaml
    from pydantic import ValidationError

    from flowtrack.domain.registry import RegistryDocument, registry_of
    from flowtrack.policy.reading import load_yaml

    try:
        document = RegistryDocument.model_validate(load_yaml(path.read_text(encoding="utf-8")))
        registry_of([document])  # entries that contradict themselves are refused before anybody sees them
    except OSError as error:
        raise RegistryError(f"cannot read `{path}`: {error.strerror}", help="name a registry file") from error
    except yaml.YAMLError as error:
        raise RegistryError("not YAML", where=str(path), help=f"mend it: {error}") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = f"{path}: {'.'.join(str(part) for part in first['loc'])}"
        raise RegistryError(f"not a registry: {first['msg'].lower()}", where=where, help="mend the field") from error
    return as_registry_document(document.name, document.version, document.model_dump_json(exclude_none=True).encode())


def as_registry_document(name: str, version: str, value: bytes) -> Document:
    """Give a registry's JSON as a document."""
    return Document(Topic.REGISTRY, f"{name}:{version}", value)


def pack_document(folder: Path, key: Ed25519PrivateKey | None = None) -> Document:
    """Read a pack from its folder, and sign it if there is a key; whoever judges by it validates it as a whole.

    Raises:
        PackError: the folder holds no pack that can be read.
    """
    from flowtrack.policy.pack import load_pack
    from flowtrack.policy.source import PackDocument, files_of_folder

    files = files_of_folder(folder)
    try:
        pack = load_pack(files)
    except PackError as error:
        raise PackError(error.what, where=str(folder), help=error.help, problems=error.problems) from error
    return _pack_document(
        PackDocument(name=pack.name, version=pack.version, effective_from=pack.effective_from, files=files), key
    )


def default_pack_document(key: Ed25519PrivateKey | None = None) -> Document:
    """Give the pack that Flowtrack brings, unread but for its head: whoever judges by it validates it."""
    import yaml

    from flowtrack.policy.source import PackDocument, files_of_default_pack

    files = files_of_default_pack()
    head = yaml.safe_load(files["pack.yaml"])
    return _pack_document(
        PackDocument(name=head["id"], version=head["version"], effective_from=head["effective_from"], files=files), key
    )


def _pack_document(pack: PackDocument, key: Ed25519PrivateKey | None) -> Document:
    if key is not None:
        from flowtrack.policy.signing import signed

        pack = signed(pack, key)
    return Document(Topic.POLICIES, f"{pack.name}:{pack.version}", pack.model_dump_json().encode())


def signed_document(document: Document, key: Ed25519PrivateKey) -> Document:
    """Give a pack's document signed, by whoever signed it before; registry documents carry no signature."""
    from flowtrack.policy.source import PackDocument

    if document.topic != Topic.POLICIES:
        return document
    return _pack_document(PackDocument.model_validate_json(document.value), key)


def is_vouched_for(document: Document, keys: PublicKeys) -> bool:
    """Whether a document would pass the check of its signature; registry documents carry none."""
    from pydantic import ValidationError

    from flowtrack.policy.source import PackDocument

    if document.topic != Topic.POLICIES:
        return True
    try:
        keys.verify(PackDocument.model_validate_json(document.value))
    except (PackError, ValidationError):
        return False
    return True


def publish(
    settings: KafkaSettings, records: Iterable[Output], *, room: Callable[[Output], object] = lambda _: None
) -> int:
    """Publish records and wait until all are safe; gives how many.

    Args:
        settings: where Kafka is.
        records: what to publish.
        room: is called before each record and returns once there is room for it.

    Raises:
        DeliveryError: one was not taken.
    """
    from confluent_kafka import KafkaError, KafkaException, Message, Producer

    failures: list[KafkaError] = []

    def settled(error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            failures.append(error)

    producer = Producer(
        {**settings.librdkafka(), "acks": "all", "linger.ms": 1, "queue.buffering.max.messages": 100_000}
    )
    count = 0
    for record in records:
        topic, partition, key, value = record
        room(record)
        while True:
            try:
                producer.produce(topic, value, key, partition, on_delivery=settled)
                break
            except BufferError:  # the queue is full: let some go out
                producer.poll(1.0)
            except KafkaException as error:
                raise DeliveryError(f"kafka refuses a record: {error}", where=topic) from error
        count += 1
        producer.poll(0)
    left = producer.flush(_FLUSH_S)
    if failures or left:
        why = failures[0].str() if failures else f"{left} records not acknowledged after {_FLUSH_S:g} s"
        raise DeliveryError(f"not all was published: {why}", help="check that the broker runs, and publish again")
    return count
