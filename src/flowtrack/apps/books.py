"""Do the books balance: the ledger held against what the broker says of the workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowtrack.apps.groups import CHECKER_GROUP, SINK_GROUP
from flowtrack.apps.screen import Table
from flowtrack.tracking.records import Topic

if TYPE_CHECKING:
    from flowtrack.adapters.kafka.settings import KafkaSettings
    from flowtrack.audit.ledger import Ledger
    from flowtrack.tracking.reconcile import Reconciliation

_SINK_TOPICS = (Topic.DECISIONS, Topic.DEADLETTERS)
_LOOKED_THROUGH = 1_000
"""So many offsets between what is committed and the log's end are looked through: some hold no record, but the mark
that a transaction has ended."""


def reconciled(ledger: Ledger, kafka: KafkaSettings | None) -> Reconciliation:
    """Hold the ledger against the broker; without one, against itself.

    Raises:
        BrokerError: the broker does not answer.
        StoreError: the ledger does not.
    """
    from flowtrack.audit.questions import Books
    from flowtrack.tracking.reconcile import reconcile

    if kafka is None:
        return reconcile(ledger.books(Books()), epoch="", checker=None, sink_lag_records=0)
    from flowtrack.adapters.kafka.lag import committed_offsets, end_offsets, start_offsets
    from flowtrack.tracking.reconcile import GroupProgress

    starts, ends = start_offsets(kafka, Topic.EVENTS), end_offsets(kafka, Topic.EVENTS)
    read = committed_offsets(kafka, CHECKER_GROUP, Topic.EVENTS)
    progress = {p: GroupProgress(start, read.get(p, start), ends[p]) for p, start in starts.items()}
    # asked in this order: what the sink writes in between can only make it look further behind than it is
    lag = sum(_records_left(kafka, SINK_GROUP, topic) for topic in _SINK_TOPICS)
    return reconcile(ledger.books(Books()), epoch=kafka.epoch, checker=progress, sink_lag_records=lag)


def _records_left(kafka: KafkaSettings, group: str, topic: str) -> int:
    """How many records of a topic a group has not committed."""
    from flowtrack.adapters.kafka.lag import committed_offsets, end_offsets, start_offsets
    from flowtrack.adapters.kafka.replay import read_partition

    starts, ends = start_offsets(kafka, topic), end_offsets(kafka, topic)
    committed = committed_offsets(kafka, group, topic)
    left = 0
    for partition, end in ends.items():
        begin = max(committed.get(partition, 0), starts[partition])
        if end - begin > _LOOKED_THROUGH:
            left += end - begin
        elif end > begin:
            left += sum(1 for _ in read_partition(kafka, topic, partition, begin, end))
    return left


def table_of(books: Reconciliation) -> Table:
    """Show the books as a table."""
    rows: list[list[str | int]] = [
        [
            part.epoch or "-",
            part.partition,
            part.events,
            part.decisions,
            part.dead_letters,
            part.in_flight + part.unread,
            part.missing,
            part.doubled + part.repeated_rows,
            "yes" if part.balanced else "no",
        ]
        for part in books.partitions
    ]
    columns = ["epoch", "p", "read", "judged", "dead", "on the way", "missing", "twice", "balanced"]
    note = "p is the partition; read = judged + dead letters, each offset once in the ledger"
    return Table("Reconciliation: events, by partition", columns, rows, note)
