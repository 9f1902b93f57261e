"""A sample day as the checker leaves it to the sink, judged by the pack that Flowtrack brings."""

from __future__ import annotations

from flowtrack.apps.documents import as_registry_document, default_pack_document
from flowtrack.policy.pack import default_pack
from flowtrack.sample import SampleDay
from flowtrack.tracking.check import Checker
from flowtrack.tracking.records import Record, Topic
from flowtrack.tracking.rulebook import Rulebook


def checked_records(day: SampleDay) -> list[Record]:
    """Give the documents, recorded within the first milliseconds of 1970, and what was judged, from its second on."""
    checker = Checker(Rulebook([default_pack()], [day.registry]), 1, lambda _: False)
    records = [
        Record(topic, 0, offset, item.time_us // 1000, item.key.encode(), item.value)
        for topic, items in ((Topic.CONSENTS, day.consents()), (Topic.EVENTS, day.events()))
        for offset, item in enumerate(items)
    ]
    consents = [record for record in records if record.topic == Topic.CONSENTS]
    checker.assigned(0, consents)
    outputs = checker.process([record for record in records if record.topic == Topic.EVENTS])
    body = day.registry.model_dump_json(exclude_none=True).encode()
    documents = [default_pack_document(), as_registry_document(day.registry.name, day.registry.version, body)]
    written = [Record(each.topic, 0, n, 1, each.key.encode(), each.value) for n, each in enumerate(documents)]
    written += [Record(each.topic, 0, n, 1_000 + n, each.key, each.value) for n, each in enumerate(outputs)]
    return [each for each in written if each.topic != Topic.FINDINGS]
