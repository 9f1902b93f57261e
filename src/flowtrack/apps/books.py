"""Do the books balance: what was published, what was judged or set aside, and what stands in the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from flowtrack.apps.screen import Table

if TYPE_CHECKING:
    from flowtrack.adapters.kafka.settings import KafkaSettings
    from flowtrack.audit.answers import BooksAnswer, PartitionBooks


class Account(NamedTuple):
    """The books of one partition of events in one epoch."""

    epoch: str
    partition: int
    published: int | None
    """Offsets that the log has given out; None where the broker of that epoch is gone."""
    judged: int
    dead: int
    missing: int
    twice: int
    """Offsets with both a decision and a dead letter, and rows that stand more than once."""

    @property
    def balanced(self) -> bool:
        """Whether every offset has exactly one outcome."""
        known = self.published is None or self.published == self.judged + self.dead
        return known and not self.missing and not self.twice


class Log(NamedTuple):
    """The log of one partition of events: its first offset that is still there, and the one behind its last."""

    start: int
    end: int


def logs_of(kafka: KafkaSettings) -> dict[int, Log]:
    """Give the log of each partition of events.

    Raises:
        BrokerError: the broker does not answer.
    """
    from flowtrack.adapters.kafka.lag import end_offsets, start_offsets
    from flowtrack.tracking.records import Topic

    starts = start_offsets(kafka, Topic.EVENTS)
    return {p: Log(starts[p], end) for p, end in end_offsets(kafka, Topic.EVENTS).items()}


def accounts_of(books: BooksAnswer, logs: Mapping[int, Log], epoch: str) -> list[Account]:
    """Put the ledger's side and the log's side together.

    Args:
        books: the ledger's answer.
        logs: by partition, of the broker's present epoch; empty where no broker answers.
        epoch: the broker's present epoch.
    """
    held: dict[tuple[str, int], PartitionBooks] = {(each.epoch, each.partition): each for each in books.partitions}
    places = sorted(held.keys() | {(epoch, partition) for partition in logs})
    return [_account(place, held.get(place), logs.get(place[1]) if place[0] == epoch else None) for place in places]


def _account(place: tuple[str, int], held: PartitionBooks | None, log: Log | None) -> Account:
    if held is None:
        published = 0 if log is None else log.end - log.start
        return Account(*place, published, 0, 0, published, 0)
    twice = held.both + held.repeated_rows
    if log is None:
        return Account(*place, None, held.judged, held.dead, held.missing, twice)
    # What the broker has thrown away by age before the ledger's first offset was never the ledger's to hold.
    start = min(log.start, held.first)
    missing = held.missing + (held.first - start) + max(0, log.end - held.last - 1)
    return Account(*place, log.end - start, held.judged, held.dead, missing, twice)


def table_of(accounts: list[Account]) -> Table:
    """Show accounts as a table."""
    rows: list[list[str | int]] = [
        [
            account.epoch or "-",
            account.partition,
            "?" if account.published is None else f"{account.published:,}",
            account.judged,
            account.dead,
            account.missing,
            account.twice,
            "yes" if account.balanced else "no",
        ]
        for account in accounts
    ]
    columns = ["epoch", "p", "published", "judged", "dead", "missing", "twice", "balanced"]
    note = "p is the partition; published = judged + dead letters, each offset once"
    return Table("Reconciliation: events, by partition", columns, rows, note)
