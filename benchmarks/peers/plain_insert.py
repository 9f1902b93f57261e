"""Others that bring decisions from Kafka into ClickHouse: the engine's own way with JSON, and a statement a record.

Usage: `python -m benchmarks.peers.plain_insert GROUP DIRECTORY raw|each`.  At least once: insert, then commit; no plan,
no token, nothing read back, no look for repeats; the ledger's own table, whose projections and merges cost them what
they cost the sink.

`raw` hands batches of 64,000 decisions over as they are, and the engine takes the JSON apart (JSONEachRow).  `each`
reads a decision and inserts its rows by a statement, as lineage consumers do.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile

from confluent_kafka import Consumer, Message, TopicPartition

from benchmarks.peers.answer import announce
from benchmarks.rig.decided import DECISION
from flowtrack.adapters.clickhouse.handing import INSERT
from flowtrack.adapters.clickhouse.settings import ClickHouseSettings
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.tracking.draft import flow_block
from flowtrack.tracking.records import Record, Topic
from flowtrack.tracking.rows import COLUMNS, FLOWS

_BATCH = 64_000
_TOPIC = str(Topic.DECISIONS)
_STRUCTURE = """event_id String, subject UUID, kind String, happened_at DateTime64(6, 'UTC'), service String,
purpose String, basis String, recipient String, location String, dataset String, epoch String, partition UInt16,
offset UInt64, verdict String, pack String, registry String, revision UInt16, suspect Bool, correlationid String,
categories Array(Tuple(category String, situation String, verdict String, consent String)), facts String,
particulars String"""
_VALUES = {
    "category": "each.1",
    "sign": "1",
    "recorded_at": "now64(3)",
    "verdict": "each.3",
    "situation": "reinterpretAsUInt64(reverse(unhex(each.2)))",
    "consent": "each.4",
    "correlation_id": "correlationid",
    "source_partition": "partition",
    "source_offset": "offset",
    "decision_partition": "partition",
    "decision_offset": "offset",
}
_PARSING = """input_format_parallel_parsing = 0, input_format_json_read_objects_as_strings = 1,
input_format_skip_unknown_fields = 1, date_time_input_format = 'best_effort', max_threads = 1"""

Insert = Callable[[Sequence[Message]], None]


def raw(store: Store) -> Insert:
    """Decisions as they are, in one insert."""
    values = ", ".join(f"{_VALUES.get(name, name)} AS {name}_" for name in COLUMNS[FLOWS])
    each = "arrayJoin(if(empty(categories), [('', '', verdict, '')], categories)) AS each"
    structure = _STRUCTURE.replace("'", "\\'")

    def insert(messages: Sequence[Message]) -> None:
        with NamedTemporaryFile(suffix=".jsonl") as file:
            file.write(b"\n".join(value for message in messages if (value := message.value()) is not None))
            file.flush()
            source = f"(SELECT *, {each} FROM file('{file.name}', 'JSONEachRow', '{structure}'))"  # noqa: S608 - texts of ours
            store.command(f"{INSERT} SETTINGS {_PARSING} SELECT {values} FROM {source}")  # noqa: S608 - likewise

    return insert


def each(store: Store) -> Insert:
    """The rows of one decision after the other."""

    def insert(messages: Sequence[Message]) -> None:
        for message in messages:
            at = Record(_TOPIC, message.partition() or 0, message.offset() or 0, message.timestamp()[1], None, None)
            block = flow_block([at._replace(value=message.value())], ())
            store.insert(block.table, block.columns, "")

    return insert


def main(group: str, directory: str, way: str) -> None:
    """Run until SIGTERM."""
    consumer = Consumer(
        {
            "bootstrap.servers": os.environ["FLOWTRACK_KAFKA__BOOTSTRAP_SERVERS"],
            "group.id": group,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
        }
    )
    stopping: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stopping.append(number))
    with Store(ClickHouseSettings(data_dir=Path(directory))) as store:
        store.migrate()
        insert = raw(store) if way == "raw" else each(store)
        consumer.subscribe([_TOPIC])
        announce()
        while not stopping:
            messages = [each for each in consumer.consume(_BATCH if way == "raw" else 20, 0.2) if not each.error()]
            decisions = [each for each in messages if (each.value() or b"").startswith(DECISION)]
            if decisions:
                insert(decisions)
            ends = {each.partition() or 0: (each.offset() or 0) + 1 for each in messages}
            if ends:
                offsets = [TopicPartition(_TOPIC, partition, end) for partition, end in ends.items()]
                consumer.commit(offsets=offsets, asynchronous=False)
    consumer.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
