"""A ledger in memory: for the sink to write to and for auditors to ask, under the same contract as the real one."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from flowtrack.audit.answers import (
    BooksAnswer,
    CompleteUpTo,
    DeadLetterAnswer,
    Document,
    PartitionBooks,
    Range,
    ranges,
)
from flowtrack.audit.questions import Books, DeadLetterList, TwoTimes
from flowtrack.domain.consent import CONSENT_TYPE, ConsentData, ConsentRecord
from flowtrack.domain.decision import DeadLetter
from flowtrack.domain.instants import from_us, instant_us
from flowtrack.testing.asking import MemoryAsking
from flowtrack.testing.groups import MemoryGroups
from flowtrack.testing.ledger_amend import MemoryAmendments
from flowtrack.testing.ledger_tables import Row
from flowtrack.testing.trail import notice_of, scope_of
from flowtrack.testing.view import Asked
from flowtrack.tracking import rows as tables
from flowtrack.tracking.records import Topic

_SAID = (
    *("subject", "record", "event_id", "kind", "state", "valid_from"),
    *("expires", "scope", "notice", "method", "country"),
)


class MemoryLedger(MemoryAmendments, MemoryGroups, MemoryAsking):
    """What the sink writes to (`tracking.ledger.LedgerStore`) and auditors ask (`audit.ledger.Ledger`), in memory.

    Args:
        clock: gives the instant of a question, for the audit log, and of an insert.
    """

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        super().__init__(clock)
        self.audit_log: list[Asked] = []

    # ------------------------------------------------------------------------------------------- as auditors' ledger

    def books(self, question: Books) -> BooksAnswer:
        """Give what the ledger holds of each source partition."""
        judged: dict[tuple[str, int], set[int]] = defaultdict(set)
        dead: dict[tuple[str, int], set[int]] = defaultdict(set)
        stand: Counter[tuple[Any, ...]] = Counter()
        for row in self.tables[tables.FLOWS]:
            place = (row["epoch"], row["source_partition"])
            judged[place].add(row["source_offset"])
            stand[*place, row["source_offset"], row["category"], row["revision"], row["sign"]] += 1
        for row in self.tables[tables.DEAD_LETTERS]:
            if row["topic"] == Topic.EVENTS:
                dead[row["epoch"], row["source_partition"]].add(row["source_offset"])
        repeated: dict[tuple[str, int], list[int]] = defaultdict(list)
        for key, times in stand.items():
            repeated[key[0], key[1]] += [key[2]] * (times - 1)
        return BooksAnswer(
            partitions=[
                _books(place, judged[place], dead[place], repeated[place], question.holes_max)
                for place in sorted(set(judged) | set(dead))
            ],
            flows=sum(row["sign"] for row in self.tables[tables.FLOWS]),
            completeness=self._completeness(),
        )

    def dead_letters(self, question: DeadLetterList) -> DeadLetterAnswer:
        """Give the messages that could not be taken, the newest first."""
        distinct = {
            (row["topic"], row["epoch"], row["source_partition"], row["source_offset"]): row
            for row in self.tables[tables.DEAD_LETTERS]
        }
        newest = sorted(
            distinct.values(),
            key=lambda r: (-r["recorded_at"], r["topic"], r["source_partition"], -r["source_offset"]),
        )
        return DeadLetterAnswer(
            total=len(distinct),
            dead_letters=[_dead_letter(row) for row in newest[: question.limit]],
            completeness=self._completeness(),
        )

    def consents_all(self) -> Iterator[ConsentRecord]:
        """Give every consent record once, in the order in which they were recorded."""
        return iter([_consent_record(row) for row in self._consents()])

    def documents(self) -> list[Document]:
        """Give the packs and registry documents in their latest version, without those that were removed."""
        latest: dict[tuple[str, str], Row] = {}
        for row in sorted(self.tables[tables.DOCUMENTS], key=lambda r: r["recorded_at"]):
            latest[row["kind"], row["name"]] = row
        return [
            Document(
                kind=row["kind"],
                name=row["name"],
                valid_from=from_us(row["valid_from"]),
                recorded_at=from_us(row["recorded_at"] * 1000),
                sha256=row["sha256"],
                body=row["body"],
            )
            for row in sorted(latest.values(), key=lambda r: (r["kind"], r["recorded_at"], r["name"]))
            if not row["removed"]
        ]

    # ------------------------------------------------------------------------------------------------------- inside

    def _flows(self, question: TwoTimes) -> list[Row]:
        """Rows that stand at the question's two times: asserted, and not retracted by then."""
        balance: Counter[tuple[Any, ...]] = Counter()
        asserted: dict[tuple[Any, ...], Row] = {}
        for row in self.tables[tables.FLOWS]:
            if not _within(row, question, "happened_at"):
                continue
            key = (row["epoch"], row["source_partition"], row["source_offset"], row["category"], row["revision"])
            balance[key] += row["sign"]
            if row["sign"] > 0:
                asserted[key] = row
        return [row for key, row in asserted.items() if balance[key] > 0]

    def _consents(self, known_at: datetime | None = None) -> list[Row]:
        """Each record as it was said last, known since that was said first."""
        last: dict[tuple[str, ...], Row] = {}
        said: dict[tuple[Any, ...], int] = {}
        for row in sorted(self.tables[tables.CONSENTS], key=lambda r: (r["recorded_at"], r["decision_offset"])):
            if known_at is None or row["recorded_at"] * 1000 <= instant_us(known_at):
                first_at = said.setdefault(tuple(row[name] for name in _SAID), row["recorded_at"])
                last[row["subject"], row["record"], row["event_id"]] = {**row, "recorded_at": first_at}
        return list(last.values())

    def _completeness(self) -> CompleteUpTo:
        newest: dict[tuple[str, int], int] = {}
        for row in self.tables[tables.FLOWS]:
            place = (row["epoch"], row["decision_partition"])
            newest[place] = max(newest.get(place, 0), row["recorded_at"])
        if not newest:
            return CompleteUpTo()
        epoch = max(newest, key=newest.__getitem__)[0]
        at_ms = min(ms for (of, _), ms in newest.items() if of == epoch)
        judging = [job.recorded_at_ms - 1 for job in self._jobs.values() if not job.done]
        return CompleteUpTo(complete_up_to=from_us(min([at_ms, *judging]) * 1000))


def _within(row: Row, question: TwoTimes, happened: str) -> bool:
    as_of, known_at = question.as_of, question.known_at
    return (as_of is None or row[happened] <= instant_us(as_of)) and (
        known_at is None or row["recorded_at"] * 1000 <= instant_us(known_at)
    )


def _gaps(have: set[int], start: int) -> list[tuple[int, int]]:
    gaps, expected = [], start
    for offset in sorted(have):
        if offset > expected:
            gaps.append((expected, offset - 1))
        expected = offset + 1
    return gaps


def _books(place: tuple[str, int], judged: set[int], dead: set[int], repeated: list[int], limit: int) -> PartitionBooks:
    every = judged | dead
    first, last = min(every), max(every)
    return PartitionBooks(
        epoch=place[0],
        partition=place[1],
        judged=len(judged),
        dead=len(dead),
        both=len(judged & dead),
        both_at=ranges(sorted(judged & dead), limit),
        first=first,
        last=last,
        repeated_rows=len(repeated),
        repeated_at=ranges(sorted(set(repeated)), limit),
        missing=last - first + 1 - len(every),
        holes=[Range(first=start, last=end) for start, end in _gaps(every, first)][:limit],
    )


def _consent_record(row: Row) -> ConsentRecord:
    return ConsentRecord(
        specversion="1.0",
        id=row["event_id"],
        source=row["source"],
        type=CONSENT_TYPE,
        subject=row["subject"],
        time=from_us(row["valid_from"]),
        data=ConsentData(
            record=row["record"],
            kind=row["kind"],
            state=row["state"],
            scope=scope_of(row),
            notice=notice_of(row),
            expires=None if row["expires"] is None else from_us(row["expires"]),
            method=row["method"] or None,
            country=row["country"] or None,
        ),
    )


def _dead_letter(row: Row) -> DeadLetter:
    copied = ("topic", "epoch", "code", "field", "detail", "size_bytes", "sha256")
    return DeadLetter(
        **{name: row[name] for name in copied},
        partition=row["source_partition"],
        offset=row["source_offset"],
        received_at=from_us(row["received_at"] * 1000),
    )
