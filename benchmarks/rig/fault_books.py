"""What a disturbed run left, held against an undisturbed one: the same records judged once more, in this process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

from flowtrack.adapters.clickhouse.settings import ClickHouseSettings
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.adapters.kafka.lag import LogOffsets
from flowtrack.adapters.kafka.replay import read_partition
from flowtrack.adapters.kafka.settings import KafkaSettings
from flowtrack.domain.decision import Decision
from flowtrack.tracking.check import Checker
from flowtrack.tracking.records import Record, Topic
from flowtrack.tracking.rulebook import Rulebook
from flowtrack.wire.decisions import decode_tracked

Place = tuple[int, int]
"""Source partition and offset."""
_BATCH = 2_000


@dataclass
class Books:
    """Counts of what was found; a run is exact when `faults` is empty."""

    events: int = 0
    """Offsets in the events topic, repeats of a killed service included."""
    distinct: int = 0
    """Distinct events among them."""
    decisions: int = 0
    markers: int = 0
    rows: int = 0
    late: int = 0
    """Events judged before a consent that they rest on was known, and announced by a marker."""
    faults: Counter[str] = field(default_factory=Counter)


def records_of(settings: KafkaSettings, topic: str, partition: int) -> Iterator[Record]:
    """The committed records of a partition."""
    log, at = LogOffsets(settings), (topic, partition)
    return read_partition(settings, topic, partition, log.starts([at])[at], log.ends([at])[at])


def close_books(settings: KafkaSettings, store: Path, ids: set[str]) -> Books:
    """Compare, partition by partition, so that memory holds one at a time.

    Args:
        settings: where Kafka is.
        store: the ledger's directory, which nobody has open.
        ids: of every event that the service has published.
    """
    books, seen = Books(), set[str]()
    rulebook = Rulebook()
    for record in records_of(settings, Topic.POLICIES, 0):
        rulebook.take_policy(record)
    for record in records_of(settings, Topic.REGISTRY, 0):
        rulebook.take_registry(record)
    with Store(ClickHouseSettings(data_dir=store)) as opened:
        for partition in range(settings.partitions):
            events = list(records_of(settings, Topic.EVENTS, partition))
            books.events += len(events)
            expected = _undisturbed(rulebook, settings, partition, events)
            seen |= {decision.event_id for decision in expected.values()}
            judged, marked = _judged(settings, partition, books)
            books.faults["events without a decision"] += len(expected.keys() - judged.keys())
            books.faults["decisions without an event"] += len(judged.keys() - expected.keys())
            differing = {at for at in expected.keys() & judged.keys() if _rows_of(expected[at]) != judged[at]}
            late = {at for at in differing if expected[at].subject in marked}
            books.late += len(late)
            books.faults["decisions other than undisturbed, and no marker"] += len(differing - late)
            _ledger(opened, partition, judged, books)
    books.distinct = len(seen)
    books.faults["published events missing"] += len(ids - seen)
    books.faults += Counter()  # drops what is zero
    return books


def _undisturbed(
    rulebook: Rulebook, settings: KafkaSettings, partition: int, events: list[Record]
) -> dict[Place, Decision]:
    """The final decision on each event: judged with every consent of the partition known."""
    checker = Checker(rulebook, settings.partitions, judged_before=lambda _: False)
    checker.assigned(partition, records_of(settings, Topic.CONSENTS, partition))
    found = {}
    for start in range(0, len(events), _BATCH):
        for output in checker.process(events[start : start + _BATCH]):
            if output.topic == Topic.DECISIONS:
                item = decode_tracked(output.value or b"")
                if item.type == "decision":
                    found[item.partition, item.offset] = item
        checker.committed()
    return found


def _judged(settings: KafkaSettings, partition: int, books: Books) -> tuple[dict[Place, bytes], set[str]]:
    """What the decisions topic holds: rows of each event, and the subjects with a marker."""
    found: dict[Place, bytes] = {}
    marked: set[str] = set()
    for record in records_of(settings, Topic.DECISIONS, partition):
        item = decode_tracked(record.value or b"")
        if item.type == "marker":
            books.markers += 1
            marked.add(item.subject or "")
        elif item.type == "decision":
            books.decisions += 1
            at = (item.partition, item.offset)
            books.faults["events decided twice in the topic"] += at in found
            found[at] = _rows_of(item)
    return found, marked


def _ledger(store: Store, partition: int, judged: dict[Place, bytes], books: Books) -> None:
    """Hold the ledger's first rows against what the checkers wrote, row for row.

    A repeat by the service that was killed stands with sign 0: it has its offset, and counts nowhere.
    """
    statement = (
        "SELECT source_offset, subject, event_id, category, verdict, consent FROM flows "
        "WHERE source_partition = {partition:UInt32} AND revision = 0 AND sign >= 0"
    )
    rows: dict[Place, list[tuple[str, ...]]] = {}
    for offset, subject, *row in store.rows(statement, partition=partition):
        rows.setdefault((partition, int(offset)), []).append((subject.hex, *(str(value) for value in row)))
        books.rows += 1
    books.faults["decisions missing in the ledger"] += len(judged.keys() - rows.keys())
    books.faults["ledger offsets without a decision"] += len(rows.keys() - judged.keys())
    for at in judged.keys() & rows.keys():
        if _digest(rows[at]) != judged[at]:
            twice = len(rows[at]) != len(set(rows[at]))
            books.faults["ledger rows twice" if twice else "ledger rows other than decided"] += 1


def _rows_of(decision: Decision) -> bytes:
    parts: Iterable[tuple[str, str, str]] = (
        (part.category, str(part.verdict), part.consent or "") for part in decision.categories
    )
    rows = list(parts) or [("", str(decision.verdict), "")]
    return _digest([(decision.subject, decision.event_id, *row) for row in rows])


def _digest(rows: list[tuple[str, ...]]) -> bytes:
    return blake2b("\n".join("\t".join(row) for row in sorted(rows)).encode(), digest_size=12).digest()
