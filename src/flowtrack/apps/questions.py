"""What an auditor asks from the command line: a trail, the books, dead letters."""

from __future__ import annotations

import re
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from flowtrack.apps.books import reconciled, table_of
from flowtrack.apps.directory import DataDirectory
from flowtrack.apps.ledger import open_ledger
from flowtrack.apps.screen import Lines, Screen, Table
from flowtrack.apps.settings import read
from flowtrack.audit.answers import CompleteUpTo
from flowtrack.audit.questions import DeadLetterList
from flowtrack.errors import ConfigurationError

_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)

if TYPE_CHECKING:
    from flowtrack.adapters.kafka.settings import KafkaSettings
    from flowtrack.tracking.reconcile import Reconciliation


def show_books(data_dir: Path, *, as_json: bool) -> bool:
    """Show whether the books balance, and give whether they do.

    Raises:
        BrokerError: Kafka does not answer.
        StoreError: there is no ledger, or it does not answer.
    """
    kafka = _broker(data_dir)
    with open_ledger(data_dir) as ledger:
        books = reconciled(ledger, kafka)
    if as_json:
        sys.stdout.write(books.model_dump_json(indent=2) + "\n")
        return books.balanced
    Screen().show(table_of(books), _verdict(books, known=kafka is not None))
    return books.balanced


def show_dead_letters(data_dir: Path, *, limit: int, as_json: bool) -> None:
    """Show messages that could not be taken, the newest first.

    Raises:
        StoreError: there is no ledger, or it does not answer.
    """
    with open_ledger(data_dir) as ledger:
        answer = ledger.dead_letters(DeadLetterList(limit=limit))
    if as_json:
        sys.stdout.write(answer.model_dump_json(indent=2) + "\n")
        return
    rows = [
        [
            f"{each.received_at:%Y-%m-%d %H:%M:%S}",
            f"{each.topic}/{each.partition} @ {each.offset}",
            each.code,
            each.detail,
        ]
        for each in answer.dead_letters
    ]
    left_out = answer.total - len(rows)
    note = f"and {left_out:,} older ones: --limit shows more" if left_out else ""
    title = f"Dead letters: {answer.total:,}"
    Screen().show(
        Table(title, ["received (UTC)", "where", "code", "why"], rows, note), completeness_of(answer.completeness)
    )


def _broker(data_dir: Path) -> KafkaSettings | None:
    """Give the broker that there is: the running embedded one, or the one that the settings name."""
    import os

    from flowtrack.adapters.kafka.settings import KafkaSettings

    running = DataDirectory(data_dir).running()
    if running is not None:
        return KafkaSettings(bootstrap_servers=running.broker, embedded=True, epoch=running.epoch)
    if "FLOWTRACK_KAFKA__BOOTSTRAP_SERVERS" in os.environ:
        return read(KafkaSettings)
    return None  # an embedded broker that is gone has taken its logs along; the ledger's own side remains


def midnight(text: str) -> str:
    """Take a day to be its midnight in UTC, as pages do; whatever is no day stays as it is."""
    return f"{text}T00:00:00Z" if _DAY.fullmatch(text) else text


def instant(name: str, text: str) -> datetime | None:
    """Read an instant that an option gives, or a day; None where it is left out.

    Raises:
        ConfigurationError: it is none, or has no zone.
    """
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(midnight(text))
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ConfigurationError(
            f"`{text}` is no instant",
            where=name,
            help="write date, time and zone, 2026-03-02T09:30:00+09:00, or a day: 2026-03-02",
        )
    return moment


def _verdict(books: Reconciliation, *, known: bool) -> Lines:
    lines = list(books.advice)
    if not known:
        lines.append("no broker answers: only the ledger's own side can be checked")
    return Lines("The books balance" if books.balanced else "The books do not balance", lines)


def completeness_of(completeness: CompleteUpTo) -> Lines:
    """Say how complete an answer is."""
    if completeness.complete_up_to is None:
        return Lines("The ledger is empty", [])
    lag = "" if completeness.lag_records is None else f", {completeness.lag_records:,} records behind"
    return Lines(f"Complete up to {completeness.complete_up_to.isoformat(timespec='seconds')}{lag}", [])
