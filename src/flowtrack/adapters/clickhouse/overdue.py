"""What is stored for too long, from the database: the last copy of each, its end, and whether it was erased since."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from flowtrack.adapters.clickhouse.recorded import KNOWN_WITHIN, days_of, known_within, where_recorded
from flowtrack.adapters.clickhouse.slices import slices
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.adapters.clickhouse.sums import Filters, filters_of
from flowtrack.adapters.clickhouse.times import times_of
from flowtrack.audit.family import About
from flowtrack.audit.overdue import Overdue, OverdueAnswer, OverdueRow, overdue_of, rank_of
from flowtrack.audit.paging import page_of
from flowtrack.domain.instants import DAY_US, from_us, instant_us

_FILTERS: Final = {"dataset": "dataset", "category": "category"}
# A copy as one text, the greatest of which is the last: of tuples that takes twice as long. An instant has 19 digits.
_COPY: Final = (
    """concat(toString(toUnixTimestamp64Micro(happened_at) + 4611686018427387904), flows.particulars, '\\0', service)"""
)
_OF_SLICE: Final = "{where} AND {when} AND subject >= {low:UUID} AND subject <= {high:UUID}"
# Category and dataset as one number instead of two words, which takes a third of the time less: of ten thousand pairs,
# two share one once in four hundred billion ledgers.
_KEPT_AS: Final = "bitXor(cityHash64(category), sipHash64(dataset))"
# Of hardly any copy something was ever retracted; only of these it is added up which stand.
_LAST: Final = f"""
SELECT subject, its_category, its_dataset,
       if(least > 0, newest, arrayMax(arrayFilter((copy, stands) -> stands > 0, copies.1, copies.2))) AS last
FROM
(
    SELECT subject, any(category) AS its_category, any(dataset) AS its_dataset, min(sign) AS least,
           max({_COPY}) AS newest,
           sumMapIf([{_COPY}], [toInt64(sign)], cityHash64(subject, {_KEPT_AS}) IN
                    (SELECT cityHash64(subject, {_KEPT_AS}) FROM flows WHERE {_OF_SLICE} AND sign < 0)) AS copies
    FROM flows WHERE {_OF_SLICE} AND sign != 0 GROUP BY subject, {_KEPT_AS}
)
WHERE last != ''"""  # noqa: S608 - fixed texts
_ERASED: Final = """
SELECT subject, groupArray((category, dataset, toUnixTimestamp64Micro(its_at))) AS erased FROM
(
    SELECT subject, category, dataset, any(happened_at) AS its_at FROM flows
    WHERE kind = 'erase' AND {when} AND subject >= {low:UUID} AND subject <= {high:UUID}
    GROUP BY subject, category, dataset, epoch, source_partition, source_offset HAVING sum(sign) > 0
)
GROUP BY subject"""
_ROWS: Final = """
SELECT its_dataset, last_by, its_category, count(), min(due_us), max(due_us) FROM
(
    SELECT subject, its_category, its_dataset, toInt64(substring(last, 1, 19)) - 4611686018427387904 AS stored_us,
           position(last, '\0') AS cut, substring(last, 20, cut - 20) AS said, substring(last, cut + 1) AS last_by,
           if(said = '', NULL, parseDateTime64BestEffortOrNull(JSONExtractString(said, 'retain_until'), 6, 'UTC'))
               AS ends,
           multiIf(ends IS NOT NULL, toUnixTimestamp64Micro(assumeNotNull(ends)),
                   {keep_us:Int64} > 0, stored_us + {keep_us:Int64}, {at:Int64}) AS due_us
    FROM ({stored}) WHERE due_us < {at:Int64}
) AS s
LEFT JOIN ({erased}) AS e ON s.subject = e.subject
WHERE ({its_service:String} IN ('', last_by)) AND NOT arrayExists(
    x -> x.3 >= stored_us AND x.2 IN ('', its_dataset)
         AND (x.1 IN ('', its_category) OR startsWith(its_category, concat(x.1, '.'))), e.erased)
GROUP BY its_dataset, last_by, its_category SETTINGS max_threads = 2"""
_SAYS_AN_END: Final = """
SELECT 1 FROM flows WHERE {where} AND {when} AND position(flows.particulars, '"retain_until"') > 0 LIMIT 1"""
_FLOWS_EACH: Final = 400_000
"""Of a slice: what is kept in memory of each stays small, whatever the ledger."""


def overdue(store: Store, question: Overdue, about: About) -> OverdueAnswer:
    """Give a page of what is overdue.

    Raises:
        QuestionError: the cursor is not right.
        StoreError: the database cannot answer.
    """
    at = question.as_of or question.known_at
    if at is None:
        return OverdueAnswer(about=about, rows=[], copies=0, at=None)
    found: dict[tuple[str, str, str], tuple[int, int, int]] = {}
    for dataset, service, category, *counted in _in_slices(store, question, at):
        before = found.get((dataset, service, category), (0, *counted[1:]))
        found[dataset, service, category] = (
            before[0] + counted[0],
            min(before[1], counted[1]),
            max(before[2], counted[2]),
        )
    rows = [_overdue(kept, *counted) for kept, counted in found.items()]
    about, given = page_of(question, about, rows, rank_of)
    return OverdueAnswer(about=about, rows=given, copies=sum(row.copies for row in rows), at=at)


def _in_slices(store: Store, question: Overdue, at: datetime) -> Iterator[tuple[Any, ...]]:
    """What is overdue of each slice of the subjects."""
    filters, times = filters_of(question, _FILTERS, "kind = 'store'"), times_of(question)
    days = days_of(store, times, filters)
    asked: dict[str, Any] = {**times.parameters, **filters.parameters, **known_within(days)}

    def filled(statement: str) -> str:
        return statement.replace("{where}", filters.where).replace("{when}", times.exact + KNOWN_WITHIN)

    if question.keep_days is None and not store.rows(filled(_SAYS_AN_END), **asked):
        return  # without an end nothing is ever overdue
    asked |= {"its_service": question.service or "", "keep_us": (question.keep_days or 0) * DAY_US}
    asked["at"] = instant_us(at)
    erased, ended = _erased(store, question, at)
    statement = _ROWS.replace("{stored}", filled(_LAST)).replace("{erased}", erased)
    for low, high in slices(1 + sum(day.flows for day in days) // _FLOWS_EACH):
        yield from store.rows(statement, **asked, **ended, low=low, high=high)


def _erased(store: Store, question: Overdue, at: datetime) -> tuple[str, dict[str, int | str]]:
    """The statement for what was erased by an instant, whenever, with parameters that have names of their own."""
    ever = times_of(question.model_copy(update={"since": None, "until": None, "as_of": at}))
    times = where_recorded(store, ever, Filters("kind = 'erase'", {}), few=True)
    names = {"until": "erased_until", "known_from": "erased_from", "known_to": "erased_to"}
    when = times.exact
    for name, own in names.items():
        when = when.replace(f"{{{name}:", f"{{{own}:")
    given = {own: times.parameters[name] for name, own in names.items() if name in times.parameters}
    return _ERASED.replace("{when}", when), given


def _overdue(kept: tuple[str, str, str], copies: int, first_us: int, last_us: int) -> OverdueRow:
    dataset, service, category = kept
    return overdue_of(
        dataset=dataset,
        service=service,
        category=category,
        copies=copies,
        first_due=from_us(first_us),
        last_due=from_us(last_us),
    )
