"""Violations from the database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from flowtrack.adapters.clickhouse.judged import UNJUDGED, judgements_of
from flowtrack.adapters.clickhouse.recorded import KNOWN_WITHIN, Day, days_of, known_within
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.adapters.clickhouse.sums import Filters, filters_of
from flowtrack.adapters.clickhouse.times import times_of
from flowtrack.audit.cursors import FLOW, Key, cursor_of, key_of
from flowtrack.audit.family import About
from flowtrack.audit.violations import Violation, Violations, ViolationsAnswer
from flowtrack.domain.instants import DAY_US, from_us, instant_us

# The newest first; the key names one row of those that stand.
_ROWS: Final = """
SELECT toUnixTimestamp64Micro(happened_at) AS happened_us, epoch, source_partition, source_offset, category, revision,
       toUnixTimestamp64Milli(min(recorded_at)) AS recorded_ms,
       lower(replaceAll(toString(any(subject)), '-', '')) AS who,
       any(event_id) AS event, any(service) AS by, any(kind) AS its_kind, any(purpose) AS its_purpose,
       any(recipient) AS whom, any(verdict) AS its_verdict, any(pack) AS its_pack, any(situation) AS its_situation
FROM flows{first}
WHERE {when} AND {where} AND {behind}
GROUP BY happened_at, epoch, source_partition, source_offset, category, revision
HAVING sum(sign) > 0
ORDER BY happened_us DESC, epoch DESC, source_partition DESC, source_offset DESC, category DESC, revision DESC
LIMIT {rows:UInt32}"""
# Instants before all else: of so short a span hardly any other column is read then. Where names narrow it, the engine
# reads those first by itself, which is less still.
_SPAN: Final = """
PREWHERE happened_at >= fromUnixTimestamp64Micro({floor:Int64}, 'UTC')
     AND happened_at <= fromUnixTimestamp64Micro({end:Int64}, 'UTC')"""
# The newest instants are found before anything else of rows is read, and no more rows than those are put together.
_NEWEST: Final = """
SELECT toUnixTimestamp64Micro(min(happened_at)), count() FROM
(
    SELECT happened_at FROM flows WHERE {when} AND {where} AND {behind} AND sign > 0
    ORDER BY happened_at DESC LIMIT {newest:UInt32}
)"""
CLOSE_BY: Final = 4
"""Where a day has many, its last instants are looked at first: as long a span as holds so many times the page, if they
came evenly."""
_SPARE: Final = 100
"""So many may have been taken back again before more is looked at."""
_NOT_PASSED: Final = "verdict IN ('deny', 'indeterminate')"
_COLUMNS: Final = {name: name for name in ("service", "recipient", "category", "purpose", "verdict")}
_OF_CLAUSE: Final = """
(pack, toUInt64(situation)) IN (SELECT pack, situation FROM judgements WHERE has(clauses, {clause:String}))"""
_SINCE: Final = " AND happened_at >= fromUnixTimestamp64Micro({floor:Int64}, 'UTC')"
_BEHIND: Final = """
happened_at <= fromUnixTimestamp64Micro({k0:Int64}, 'UTC') AND
(toUnixTimestamp64Micro(happened_at), epoch, source_partition, source_offset, category, revision) <
({k0:Int64}, {k1:String}, {k2:UInt16}, {k3:UInt64}, {k4:String}, {k5:UInt16})"""
_ORDERED_BY = ("happened_us", "epoch", "source_partition", "source_offset", "category", "revision")


class _Span(NamedTuple):
    """Instants, in microseconds, the last one among them."""

    since_us: int
    end_us: int


def violations(store: Store, question: Violations, about: About) -> ViolationsAnswer:
    """Give a page of violations.

    Raises:
        QuestionError: the cursor is not right.
        StoreError: the database cannot answer.
    """
    times, key = times_of(question), key_of(question, FLOW)
    also = _NOT_PASSED if question.clause is None else f"{_NOT_PASSED} AND {_OF_CLAUSE}"
    filters = filters_of(question, _COLUMNS, also)
    parameters = {**filters.parameters, "clause": question.clause or ""}
    behind = {} if key is None else {f"k{place}": part for place, part in enumerate(key)}
    days = days_of(store, times, Filters(filters.where, parameters))
    within = _within(days, key, question.limit + 1)
    ends = [instant_us(moment) for moment in (question.until, question.as_of) if moment is not None]
    ends += [] if key is None else [int(key[0])]
    span = _close_by(days, ends, question.limit + 1)

    def filled(statement: str) -> str:
        when = times.exact + _SINCE + KNOWN_WITHIN
        text = statement.replace("{where}", filters.where).replace("{when}", when)
        return text.replace("{behind}", _BEHIND if behind else "1")

    rows, asked = question.limit + 1, {**times.parameters, **parameters, **behind, **within}
    found = _newest(store, filled(_NEWEST), filled(_ROWS), asked, rows, span, narrowed=bool(filters.parameters))
    if len(found) < rows and days and within["floor"] > days[-1].begins_us:
        # some that were counted are gone since, by an erasure: then all days are read, or others would be left out
        asked |= {"floor": days[-1].begins_us, **known_within(days)}
        found = store.named(filled(_ROWS).replace("{first}", ""), **asked, rows=rows)
    given = found[: question.limit]
    judged = judgements_of(store, ((row["its_pack"], row["its_situation"]) for row in given))
    if len(found) > len(given):
        about = about.cut(None, cursor_of(question, [given[-1][name] for name in _ORDERED_BY]))
    told = [_violation(row, judged.get((row["its_pack"], row["its_situation"]), UNJUDGED)) for row in given]
    return ViolationsAnswer(about=about.judged_by([row.pack for row in told], []), rows=told)


def _newest(
    store: Store, newest: str, statement: str, asked: dict[str, Any], rows: int, span: _Span | None, *, narrowed: bool
) -> list[dict[str, Any]]:
    """So many of the newest rows that stand: looked for among those since an instant, and among all if that is too few.

    Args:
        store: open.
        newest: the statement for the instant, with its conditions.
        statement: that for rows, likewise.
        asked: parameters of both.
        rows: so many, if there are.
        span: in which there may be enough, if that is worth a look.
        narrowed: whether names narrow what is looked for.
    """
    if span is not None and span.since_us > asked["floor"]:
        within = {**asked, "floor": span.since_us, "end": span.end_us}
        found = store.named(statement.replace("{first}", "" if narrowed else _SPAN), **within, rows=rows)
        if len(found) == rows:
            return found
    statement = statement.replace("{first}", "")
    wanted = rows + _SPARE
    ((floor_us, among),) = store.rows(newest, **asked, newest=wanted)
    found = store.named(statement, **{**asked, "floor": max(asked["floor"], floor_us)}, rows=rows)
    if len(found) < rows and among == wanted:
        return store.named(statement, **asked, rows=rows)
    return found


def _close_by(days: Sequence[Day], ends: Sequence[int], rows: int) -> _Span | None:
    """In which span, at its end, the newest day may have as many rows as a page takes; None where it has few.

    Args:
        days: that have violations, the newest first.
        ends: instants behind which nothing is asked for, in microseconds.
        rows: of the page.
    """
    newest = next((day for day in days if not ends or day.begins_us <= min(ends)), None)
    if newest is None or newest.flows <= CLOSE_BY * CLOSE_BY * rows:
        return None
    end_us = min([newest.begins_us + DAY_US, *ends])
    return _Span(end_us - DAY_US * CLOSE_BY * rows // newest.flows, end_us)


def _within(days: Sequence[Day], key: Key | None, rows: int) -> dict[str, int]:
    """The day at which a page ends at the latest, and between which days its rows were recorded: none is read beyond.

    Args:
        days: those that have violations, the newest first.
        key: behind which the page begins; of its own day it is not known how many come before it.
        rows: of the page.
    """
    read: list[Day] = []
    for day in days:
        if key is not None and day.begins_us > int(key[0]):
            continue
        read.append(day)
        if key is None or day.begins_us + DAY_US <= int(key[0]):
            rows -= day.flows
        if rows <= 0:
            break
    return {"floor": read[-1].begins_us if read else 0, **known_within(read)}


def _violation(row: dict[str, Any], judgement: dict[str, Any]) -> Violation:
    return Violation(
        happened_at=from_us(row["happened_us"]),
        recorded_at=from_us(row["recorded_ms"] * 1000),
        subject=row["who"],
        event_id=row["event"],
        service=row["by"],
        kind=row["its_kind"],
        category=row["category"],
        purpose=row["its_purpose"],
        recipient=row["whom"],
        verdict=row["its_verdict"],
        severity=judgement["severity"],
        clauses=judgement["clauses"],
        reasons=judgement["reasons"],
        gaps=judgement["gaps"],
        pack=row["its_pack"],
        revision=row["revision"],
    )
